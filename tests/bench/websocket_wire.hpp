// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

namespace bench {

// RFC 6455, as far as an epoll loop at either end needs it.

enum class Opcode : std::uint8_t { continuation = 0, text = 1, binary = 2, close = 8, ping = 9, pong = 10 };

inline std::array<std::uint8_t, 20> sha1(std::string_view text) {
    std::string data(text);
    data += '\x80';
    data.resize((data.size() + 8 + 63) / 64 * 64 - 8);
    for (int shift = 56; shift >= 0; shift -= 8)
        data += static_cast<char>((std::uint64_t(text.size()) * 8) >> shift);

    std::array<std::uint32_t, 5> hash{0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
    for (std::size_t block = 0; block < data.size(); block += 64) {
        std::array<std::uint32_t, 80> w{};
        for (std::size_t i = 0; i < 64; ++i)
            w[i / 4] = w[i / 4] << 8 | static_cast<std::uint8_t>(data[block + i]);
        for (std::size_t i = 16; i < 80; ++i) w[i] = std::rotl(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
        auto [a, b, c, d, e] = hash;
        for (std::size_t i = 0; i < 80; ++i) {
            const std::uint32_t f = i < 20   ? ((b & c) | (~b & d)) + 0x5a827999
                                    : i < 40 ? (b ^ c ^ d) + 0x6ed9eba1
                                    : i < 60 ? ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdc
                                             : (b ^ c ^ d) + 0xca62c1d6;
            const std::uint32_t next = std::rotl(a, 5) + f + e + w[i];
            e = d, d = c, c = std::rotl(b, 30), b = a, a = next;
        }
        hash[0] += a, hash[1] += b, hash[2] += c, hash[3] += d, hash[4] += e;
    }
    std::array<std::uint8_t, 20> digest{};
    for (std::size_t i = 0; i < 20; ++i)
        digest[i] = static_cast<std::uint8_t>(hash[i / 4] >> (24 - 8 * (i % 4)));
    return digest;
}

inline std::string base64(std::span<const std::uint8_t> bytes) {
    constexpr std::string_view letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string text;
    for (std::size_t i = 0; i < bytes.size(); i += 3) {
        std::uint32_t three = 0;
        for (std::size_t k = 0; k < 3; ++k) three = three << 8 | (i + k < bytes.size() ? bytes[i + k] : 0u);
        for (std::size_t k = 0; k < 4; ++k)
            text += i + k > bytes.size() ? '=' : letters[three >> (18 - 6 * k) & 63];
    }
    return text;
}

/// Sec-WebSocket-Accept for a Sec-WebSocket-Key (section 4.2.2).
inline std::string accept_for(std::string_view key) {
    return base64(sha1(std::string(key) + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"));
}

/// A header's value in an HTTP head; the name in lower case; empty for none.
inline std::string_view header_of(std::string_view head, std::string_view name) {
    const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
    for (std::size_t at = head.find("\r\n"); at != head.npos; at = head.find("\r\n", at)) {
        at += 2;
        std::size_t i = 0;
        while (i < name.size() && at + i < head.size() && lower(head[at + i]) == name[i]) ++i;
        if (i != name.size() || at + i >= head.size() || head[at + i] != ':') continue;
        const std::size_t start = head.find_first_not_of(' ', at + i + 1);
        return head.substr(start, head.find("\r\n", start) - start);
    }
    return {};
}

/// One unfragmented frame; `mask` as a client must, 0 as a server must.
inline std::string frame_of(Opcode opcode, std::string_view payload, std::uint32_t mask = 0) {
    std::string frame;
    frame.reserve(payload.size() + 14);
    frame += static_cast<char>(0x80 | static_cast<int>(opcode));
    const int masked = mask != 0 ? 0x80 : 0;
    if (payload.size() < 126) {
        frame += static_cast<char>(masked | static_cast<int>(payload.size()));
    } else {
        const bool wide = payload.size() > 0xffff;
        frame += static_cast<char>(masked | (wide ? 127 : 126));
        for (int shift = wide ? 56 : 8; shift >= 0; shift -= 8)
            frame += static_cast<char>(std::uint64_t(payload.size()) >> shift);
    }
    if (mask == 0) return frame.append(payload);
    std::array<char, 4> key{};
    std::memcpy(key.data(), &mask, 4);
    frame.append(key.data(), 4);
    for (std::size_t i = 0; i < payload.size(); ++i) frame += static_cast<char>(payload[i] ^ key[i % 4]);
    return frame;
}

/// Calls `take(Opcode, std::string_view payload)` for each whole frame at the
/// start of `bytes`, unmasking in place, until it returns false. Returns how
/// many bytes were taken. Fragments come as they are.
template <class Take>
std::size_t take_frames(std::span<char> bytes, Take&& take) {
    std::size_t at = 0;
    while (true) {
        const auto octet = [&](std::size_t i) { return static_cast<std::uint8_t>(bytes[at + i]); };
        const std::size_t there = bytes.size() - at;
        if (there < 2) return at;
        const bool masked = (octet(1) & 0x80) != 0;
        std::uint64_t length = octet(1) & 0x7f;
        std::size_t head = 2;
        if (length >= 126) {
            head = length == 126 ? 4 : 10;
            if (there < head) return at;
            length = 0;
            for (std::size_t i = 2; i < head; ++i) length = length << 8 | octet(i);
        }
        const std::size_t key = head;
        if (masked) head += 4;
        if (there < head || there - head < length) return at;
        char* payload = bytes.data() + at + head;
        for (std::size_t i = 0; masked && i < length; ++i)
            payload[i] = static_cast<char>(payload[i] ^ bytes[at + key + i % 4]);
        const auto opcode = static_cast<Opcode>(octet(0) & 0x0f);
        at += head + length;
        if (!take(opcode, std::string_view(payload, length))) return at;
    }
}

}  // namespace bench
