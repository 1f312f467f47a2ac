// SPDX-License-Identifier: MIT
#include "live_comment/json_reader.hpp"

#include <string>
#include <string_view>

#include "support/catch.hpp"

using live_comment::read_json;

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
