// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace live_comment {

/// One code point read from UTF-8. `size` is 0 where the bytes are none.
struct CodePoint {
    char32_t value = 0;
    std::size_t size = 0;
};

/// Reads the first code point of `text`, strictly (RFC 3629): no overlong
/// forms, no surrogates, nothing above U+10FFFF.
[[nodiscard]] inline CodePoint first_code_point(std::string_view text) noexcept {
    if (text.empty()) return {};
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned char lead = byte(0);
    if (lead < 0x80) return {lead, 1};
    const std::size_t size = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
    if (lead < 0xC2 || lead > 0xF4 || text.size() < size) return {};
    char32_t value = lead & (0xFFu >> (size + 1));
    for (std::size_t i = 1; i < size; ++i) {
        if ((byte(i) & 0xC0u) != 0x80u) return {};
        value = (value << 6) | (byte(i) & 0x3Fu);
    }
    constexpr char32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    if (value < least[size] || value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF)) return {};
    return {value, size};
}

/// Characters that show nothing, or turn the direction of what others read:
/// controls (Cc), U+200B to U+200F, U+2028 to U+202E, U+2060 to U+2069, U+FEFF.
[[nodiscard]] constexpr bool is_hidden(char32_t c) noexcept {
    return c < 0x20 || (c >= 0x7F && c <= 0x9F) || (c >= 0x200B && c <= 0x200F) || (c >= 0x2028 && c <= 0x202E) ||
           (c >= 0x2060 && c <= 0x2069) || c == 0xFEFF;
}

/// Unicode's White_Space.
[[nodiscard]] constexpr bool is_space(char32_t c) noexcept {
    return (c >= 0x09 && c <= 0x0D) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

/// Whether `text` may be the id of a user or room, or a name: 1 to `max_bytes`
/// bytes of UTF-8 without hidden characters, and no white space at an end.
[[nodiscard]] inline bool is_label(std::string_view text, std::size_t max_bytes) noexcept {
    if (text.empty() || text.size() > max_bytes) return false;
    bool space = true;  // as if one stood before the beginning
    for (bool first = true; !text.empty(); first = false) {
        const CodePoint c = first_code_point(text);
        if (c.size == 0 || is_hidden(c.value)) return false;
        space = is_space(c.value);
        if (first && space) return false;
        text.remove_prefix(c.size);
    }
    return !space;
}

/// A text as it is broadcast, and its length in code points.
struct PlainText {
    std::string text;
    std::size_t code_points = 0;
};

/// Makes one line of it: each line break (CR LF as one; also Unicode's) and tab
/// becomes a space, other hidden characters go (but for U+200D, which joins
/// emoji), then it is trimmed. Bytes that are no UTF-8 go too.
[[nodiscard]] inline PlainText plain_text(std::string_view raw) {
    PlainText plain;
    plain.text.reserve(raw.size());
    std::size_t end = 0, points_at_end = 0;  // after the last character that is no white space
    while (!raw.empty()) {
        // Most of what is said, a word at once.
        const auto other = std::find_if(raw.begin(), raw.end(), [](char c) { return c <= 0x20 || c >= 0x7F; });
        if (const auto size = static_cast<std::size_t>(other - raw.begin()); size != 0) {
            plain.text += raw.substr(0, size);
            raw.remove_prefix(size);
            end = plain.text.size();
            points_at_end = plain.code_points += size;
            continue;
        }
        const CodePoint c = first_code_point(raw);
        if (c.value == '\r' && raw.substr(1).starts_with('\n')) raw.remove_prefix(1);
        const std::string_view bytes = raw.substr(0, c.size);
        raw.remove_prefix(c.size == 0 ? 1 : c.size);
        const bool to_space = (c.value >= 0x09 && c.value <= 0x0D) || c.value == 0x85 || c.value == 0x2028 ||
                              c.value == 0x2029;
        if (!to_space && (c.size == 0 || (is_hidden(c.value) && c.value != 0x200D))) continue;
        const bool space = is_space(c.value);
        if (space && plain.text.empty()) continue;
        if (to_space) plain.text += ' ';
        else plain.text += bytes;
        ++plain.code_points;
        if (!space) {
            end = plain.text.size();
            points_at_end = plain.code_points;
        }
    }
    plain.text.resize(end);
    plain.code_points = points_at_end;
    return plain;
}

/// For a line of the log: at most `max_bytes` bytes of it, cut between
/// characters, everything hidden (and no UTF-8) escaped, so that what a client
/// chose can neither forge a line nor turn a terminal around.
[[nodiscard]] inline std::string log_text(std::string_view text, std::size_t max_bytes = 96) {
    constexpr std::string_view hex = "0123456789abcdef";
    std::string line;
    const auto escape = [&](std::string_view kind, char32_t value, int digits) {
        line += kind;
        for (int shift = 4 * (digits - 1); shift >= 0; shift -= 4) line += hex[(value >> shift) & 15];
    };
    while (!text.empty()) {
        if (line.size() >= max_bytes) return line += "...";
        const CodePoint c = first_code_point(text);
        if (c.size == 0) escape("\\x", static_cast<unsigned char>(text[0]), 2);
        else if (is_hidden(c.value)) escape("\\u", c.value, 4);
        else if (c.value == '\\' || c.value == '"') (line += '\\') += static_cast<char>(c.value);
        else line += text.substr(0, c.size);
        text.remove_prefix(c.size == 0 ? 1 : c.size);
    }
    return line;
}

}  // namespace live_comment
