// SPDX-License-Identifier: MIT
#include "roomcast/json_text.hpp"

#include <cstdint>
#include <limits>

#include "roomcast/close_code.hpp"
#include "support/catch.hpp"

using roomcast::JsonText;

namespace {
std::string string_of(std::string_view text) {
    std::string out;
    JsonText::append(out, text);
    return out;
}
}  // namespace

TEST_CASE("a JSON object without fields is an object") { CHECK(JsonText().str() == "{}"); }

TEST_CASE("fields of every kind are written in order") {
    JsonText json;
    json("s", "text")("i", -5)("u", std::uint64_t{18446744073709551615U})("t", true)("f", false);
    json("code", roomcast::CloseCode::banned).raw("list", "[1,2]");
    CHECK(std::move(json).str() ==
          R"({"s":"text","i":-5,"u":18446744073709551615,"t":true,"f":false,"code":4005,"list":[1,2]})");
    CHECK(std::move(JsonText()("min", std::numeric_limits<std::int64_t>::min())).str() == R"({"min":-9223372036854775808})");
}

TEST_CASE("what JSON forbids in a string is escaped") {
    CHECK(string_of(R"(a"b\c)") == R"("a\"b\\c")");
    CHECK(string_of(std::string_view("\0\n\t\x1f", 4)) == R"("\u0000\u000a\u0009\u001f")");
    CHECK(string_of("\x7f") == "\"\x7f\"");
    CHECK(string_of("grüße 🎉") == "\"grüße 🎉\"");
    CHECK(string_of("") == R"("")");
    CHECK(std::move(JsonText()(R"(a "key")", 1)).str() == R"({"a \"key\"":1})");
}
