// SPDX-License-Identifier: MIT
#include "live_comment/text.hpp"

#include <iterator>
#include <random>
#include <string>
#include <string_view>

#include "support/catch.hpp"

using namespace live_comment;

TEST_CASE("UTF-8 is read strictly") {
    CHECK(first_code_point("A").value == U'A');
    CHECK(first_code_point("\xC3\xA9").value == U'\u00E9');
    CHECK(first_code_point("\xE4\xBD\xA0").value == U'\u4F60');
    CHECK(first_code_point("\xF0\x9F\x98\x80").value == U'\U0001F600');
    const auto bad = GENERATE(as<std::string>{}, "\x80", "\xC0\xAF", "\xE0\x80\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80",
                              "\xF5\x80\x80\x80", "\xE4\xBD", "\xC3");
    CHECK(first_code_point(bad).size == 0);
}

TEST_CASE("an id or name has a length, no hidden characters, and no white space at its ends") {
    CHECK(is_label("alice", 128));
    CHECK(is_label("a b", 128));
    CHECK(is_label("\xE4\xBD\xA0\xE5\xA5\xBD", 6));
    CHECK(is_label(std::string(128, 'x'), 128));
    CHECK_FALSE(is_label(std::string(129, 'x'), 128));
    CHECK_FALSE(is_label("", 128));
    const auto bad = GENERATE(
        as<std::string>{}, " a", "a ", "\xC2\xA0" "a", "a\xE3\x80\x80", "a\nb", "a\tb", "a\x7F", "a\xC2\x85" "b",
        "\xE2\x80\x8B", "a\xE2\x80\x8D" "b", "a\xE2\x80\xAE" "b", "a\xE2\x81\xA6" "b", "\xEF\xBB\xBF" "a", "\xFF");
    CHECK_FALSE(is_label(bad, 128));
}

TEST_CASE("a NUL byte makes no id") {
    CHECK_FALSE(is_label(std::string_view("a\0b", 3), 128));
}

TEST_CASE("line breaks and tabs become spaces, CR LF one") {
    CHECK(plain_text("a\r\nb").text == "a b");
    CHECK(plain_text("a\n\rb").text == "a  b");
    CHECK(plain_text("a\tb\rc\nd").text == "a b c d");
    CHECK(plain_text("a\xE2\x80\xA8" "b\xE2\x80\xA9" "c\xC2\x85" "d").text == "a b c d");
}

TEST_CASE("hidden characters go, but for the joiner of emoji") {
    CHECK(plain_text("a\x01" "b\xE2\x80\x8B" "c\xE2\x80\xAE" "d\xEF\xBB\xBF" "e\x7F").text == "abcde");
    CHECK(plain_text("\xF0\x9F\x91\xA9\xE2\x80\x8D\xF0\x9F\x92\xBB").code_points == 3);
}

TEST_CASE("a text is trimmed after that, and counted as it is then") {
    const auto plain = plain_text(" \xE2\x80\x8B\t hello  world \n\x01 ");
    CHECK(plain.text == "hello  world");
    CHECK(plain.code_points == 12);
    CHECK(plain_text(" \n\xE2\x80\x8B\xE3\x80\x80 ").code_points == 0);
}

TEST_CASE("words are taken whole as they are letter by letter") {
    constexpr std::string_view pieces[] = {"a", "~", "!", " ", "word", "two words", "\n", "\t", "\x01", "\x7F", "\xC3\xA9",
                                           "\xE3\x80\x80", "\xF0\x9F\x98\x80", "\xE2\x80\x8B", "\xFF"};
    std::minstd_rand random(1);
    for (int i = 0; i < 2'000; ++i) {
        std::string whole, apart;  // the same, but that hidden characters keep the letters apart
        for (int n = 0; n < i % 12; ++n) {
            const auto piece = pieces[std::uniform_int_distribution<std::size_t>(0, std::size(pieces) - 1)(random)];
            whole += piece;
            for (const char c : piece) (apart += c) += c > 0 ? "\x02" : "";
        }
        CAPTURE(whole);
        CHECK(plain_text(whole).text == plain_text(apart).text);
        CHECK(plain_text(whole).code_points == plain_text(apart).code_points);
    }
}

TEST_CASE("what a client chose cannot forge a line of the log") {
    CHECK(log_text("a\nb\"c\\") == "a\\u000ab\\\"c\\\\");
    CHECK(log_text("x\xE2\x80\xAEy\xFF") == "x\\u202ey\\xff");
    std::string cut(96, 'x');
    cut += "...";
    CHECK(log_text(std::string(200, 'x')) == cut);
}
