// SPDX-License-Identifier: MIT
#include "live_comment/json_reader.hpp"

#include <algorithm>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "support/catch.hpp"

using namespace live_comment;
using nlohmann::json;

TEST_CASE("a message is one JSON object") {
    CHECK(read_json(R"({"a": 1})"));
    CHECK(read_json("{}"));
    const auto bad = GENERATE(as<std::string>{}, "", "1", "[]", "\"x\"", "null", "{", "{\"a\"}", "{\"a\":1,}", "{a:1}",
                              "{\"a\":01}", "{\"a\":1.}", "{\"a\":.5}", "{\"a\":1e}", "{\"a\":+1}", "{\"a\":NaN}",
                              "{\"a\":\"\\x\"}", "{\"a\":\"\n\"}", "{}{}", "{} x", "/**/{}", "{\"a\":\"\\ud8\"}");
    CHECK_FALSE(read_json(bad));
}

TEST_CASE("a NUL byte does not hide what follows") {
    CHECK_FALSE(read_json(std::string_view("{}\0junk", 7)));
}

TEST_CASE("eight levels are read, nine are not") {
    CHECK(read_json(R"({"a":[[[[[[[1]]]]]]]})"));
    CHECK_FALSE(read_json(R"({"a":[[[[[[[[1]]]]]]]]})"));
    CHECK(read_json(R"({"a":"[[[[[[[[[[[[","b":"\"[[[[[[[[[["})"));
    CHECK_FALSE(read_json("{\"a\":" + std::string(100'000, '[')));
}

TEST_CASE("a name twice in one object is refused, also escaped and nested") {
    CHECK_FALSE(read_json(R"({"a":1,"a":2})"));
    CHECK_FALSE(read_json(R"({"a":1,"\u0061":2})"));
    CHECK_FALSE(read_json(R"({"x":[{"b":{},"b":1}]})"));
    CHECK(read_json(R"({"a":{"a":{"a":1}},"b":{"a":1}})"));
}

TEST_CASE("a long text is what it says, and a long name is one with its escaped twin") {
    const std::string text = "sixteen bytes at least, \xE2\x82\xAC and \x7F too";
    const auto object = read_json("{\"" + text + "\":[\"" + text + "\",\"\\ud800\",\"" + text + "\"]}");
    REQUIRE(object);
    CHECK(object->fields == json{{text, {text, "\xEE\x80\x80", text}}});
    CHECK(object->lone_surrogates == std::vector{text});
    CHECK_FALSE(read_json(R"({"a name of some length":1,"\u0061 name of some length":2})"));
    CHECK_FALSE(read_json(R"({"a name of some length":1,"a name of some length":2})"));
    CHECK_FALSE(read_json("{\"a\":\"a text that is not closed"));
}

TEST_CASE("a lone surrogate is found, with the outermost field that holds it") {
    const auto found = [](std::string_view text) {
        const auto object = read_json(text);
        REQUIRE(object);
        return object->lone_surrogates;
    };
    CHECK(found(R"({"a":"\ud83d\ude00"})").empty());
    CHECK(found(R"({"a":"\\ud800"})").empty());
    CHECK(found(R"({"a":"x\ud800"})") == std::vector<std::string>{"a"});
    CHECK(found(R"({"a":"\udc00","b":"ok","c":["\uD83D\uD83D\uDE00"]})") == std::vector<std::string>{"a", "c"});
    CHECK(found(R"({"a":{"\udfff":1}})") == std::vector<std::string>{"a"});
    CHECK(found(R"({"\ud800":1})") == std::vector<std::string>{""});
}

TEST_CASE("what begins as a malformed number is not saved by the number in its middle") {
    const auto number = GENERATE(as<std::string>{}, "--1.55", "1-1.55", "1-1234567890123456789012", "1+1.5", "-01.55",
                                 "1.5.5", "1e5e5", "1e1-1.5", "- 1.5", "+1.5", ".5555555555555555555555", "1.5e",
                                 "1.55-1", "0x1.5");
    CAPTURE(number);
    CHECK_FALSE(read_json("{\"a\":" + number + "}"));
    CHECK_FALSE(read_json("{\"a\":[1," + number + ",1]}"));
}

TEST_CASE("a byte order mark is no part of a message (RFC 8259, section 8.1)") {
    CHECK_FALSE(read_json("\xEF\xBB\xBF{}"));
    CHECK(read_json("{\"a\":\"\xEF\xBB\xBF\"}"));
}

TEST_CASE("numbers that no integer holds do not make the text unreadable") {
    const auto object = read_json(R"({"a":1e400,"b":-1E-999,"c":123456789012345678901234567890,"d":1.0,"e":-7,"f":12})");
    REQUIRE(object);
    for (const char* field : {"a", "b", "c", "d"}) CHECK_FALSE(object->fields[field].is_number_integer());
    CHECK(object->fields["e"] == -7);
    CHECK(object->fields["f"] == 12);
}

TEST_CASE("values are what their text says") {
    const auto object = read_json(R"( { "n" : null , "t":true,"f":false, "l":[ 1 , "x", { } , [ ] ],)"
                                  R"("s":"\"\\\/\b\f\n\r\t\u0000\u00e9\u20AC\ud83D\uDe00\ud800","o":{"i":-0}})"
                                  "\r\n\t");
    REQUIRE(object);
    const auto& fields = object->fields;
    CHECK(fields["n"].is_null());
    CHECK(fields["l"] == json{1, "x", json::object(), json::array()});
    CHECK(fields["t"] == true);
    CHECK(fields["f"] == false);
    using namespace std::string_literals;
    CHECK(fields["s"] == "\"\\/\b\f\n\r\t\0\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\xEE\x80\x80"s);
    CHECK(fields["o"] == json{{"i", 0}});
}

namespace {

/// But for numbers that the protocol has no use for.
bool same(const json& read, const json& other) {
    if (read.is_number_float()) return other.is_number();
    if (!read.is_structured()) return read == other;
    return read.type() == other.type() && read.size() == other.size() &&
           std::equal(read.items().begin(), read.items().end(), other.items().begin(),
                      [](const auto& a, const auto& b) { return a.key() == b.key() && same(a.value(), b.value()); });
}

}  // namespace

TEST_CASE("random texts are read as another parser reads them, but for a name that stands twice") {
    constexpr std::string_view pieces[] = {
        "{", "}", "[", "]", ":", ",", "\"", "\"", "\\", "\"a\":", "\"b\":", "{}", "[1]", "true", "false", "null", "0",
        "-", "12", ".5", "e-3", "E", " ", "\n", "x", "\\u00e9", "\\n", "\\ud83d\\ude00", "\\udead", "\xC3\xA9",
        "\xE2\x82\xAC", "\xC3", "\x80", "\x1F", "\x7F", "/", "\"text\"", "\"\""};
    std::minstd_rand random(1);
    const auto below = [&](std::size_t n) { return std::uniform_int_distribution<std::size_t>(0, n - 1)(random); };
    int accepted = 0;
    for (int i = 0; i < 20'000; ++i) {
        std::string text = R"({"a":1,"b":{"c":[true,"x\u00e9\n"]},"d":-2.5e-1,"e":"\ud83d\ude00",)"
                           R"("a name of some length":"é, and a text of some length",)"
                           R"("f":["another text that is long"]})";
        for (std::size_t changes = below(3); changes-- > 0;)
            text.replace(below(text.size()), below(4), pieces[below(std::size(pieces))]);
        CAPTURE(text);

        std::vector<std::set<std::string>> names;
        bool twice = false;
        const auto watch = [&](int, json::parse_event_t event, const json& parsed) {
            if (event == json::parse_event_t::object_start) names.emplace_back();
            if (event == json::parse_event_t::key) twice = !names.back().insert(parsed).second || twice;
            if (event == json::parse_event_t::object_end) names.pop_back();
            return true;
        };
        const json other = json::parse(text, watch, false);
        const auto object = read_json(text);
        REQUIRE((object && object->lone_surrogates.empty()) == (other.is_object() && !twice));
        if (!other.is_object() || twice) continue;
        ++accepted;
        CHECK(same(object->fields, other));
    }
    CHECK(accepted > 4'000);
}
