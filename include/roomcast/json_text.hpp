// SPDX-License-Identifier: MIT
#pragma once

#include <charconv>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace roomcast {

/// Writes one flat JSON object (RFC 8259), just enough for control events.
/// Text must be UTF-8; what JSON forbids in a string is escaped.
///
///     JsonText json;
///     json("event", "left")("room", room);
///     return std::move(json).str();
class JsonText {
public:
    JsonText() {
        text_.reserve(256);  // as a rule all of it
        text_ += '{';
    }

    /// One field. Strings are escaped; integers, enums (as their number) and
    /// bools are written as they are.
    template <class Value>
        requires(std::integral<Value> || std::is_enum_v<Value>)
    JsonText& operator()(std::string_view key, const Value& value) {
        begin(key);
        append(text_, value);
        return *this;
    }
    JsonText& operator()(std::string_view key, std::string_view text) {
        begin(key);
        append(text_, text);
        return *this;
    }

    /// One field whose value is JSON already.
    JsonText& raw(std::string_view key, std::string_view json) {
        begin(key);
        text_ += json;
        return *this;
    }

    [[nodiscard]] std::string str() && {
        text_ += '}';
        return std::move(text_);
    }

    template <class Value>
        requires(std::integral<Value> || std::is_enum_v<Value>)
    static void append(std::string& out, const Value& value) {
        if constexpr (std::same_as<Value, bool>) out += value ? "true" : "false";
        else if constexpr (std::is_enum_v<Value>) append(out, static_cast<std::underlying_type_t<Value>>(value));
        else if constexpr (std::signed_integral<Value>) append_number(out, std::int64_t{value});
        else append_number(out, std::uint64_t{value});
    }
    static void append(std::string& out, std::string_view text) {
        constexpr std::string_view hex = "0123456789abcdef";
        out += '"';
        while (true) {
            std::size_t plain = 0;
            while (plain != text.size() && is_plain(text[plain])) ++plain;
            out += text.substr(0, plain);
            if (plain == text.size()) break;
            const auto byte = static_cast<unsigned char>(text[plain]);
            if (byte >= 0x20) {
                out += '\\';
                out += text[plain];
            } else {
                out += "\\u00";
                out += hex[byte >> 4];
                out += hex[byte & 15];
            }
            text.remove_prefix(plain + 1);
        }
        out += '"';
    }

private:
    void begin(std::string_view key) {
        if (text_.size() > 1) text_ += ',';
        append(text_, key);
        text_ += ':';
    }

    static void append_number(std::string& out, std::integral auto number) {
        char digits[24];
        const char* const end = std::to_chars(digits, digits + sizeof digits, number).ptr;
        out.append(digits, static_cast<std::size_t>(end - digits));
    }

    static bool is_plain(char c) noexcept { return static_cast<unsigned char>(c) >= 0x20 && c != '"' && c != '\\'; }

    std::string text_;
};

}  // namespace roomcast
