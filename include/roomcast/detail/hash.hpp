// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <string_view>
#include <type_traits>

#include "roomcast/config.hpp"

namespace roomcast::detail {

/// The keyed hash of ids, so that a peer who chooses its ids cannot choose
/// where they fall: products of 128 bits whose halves are folded, as in wyhash
/// (Wang Yi, 2019), under keys of each registry's own. It is no cipher, and has no
/// proof: no peer may see a hash, or be told of ids in an order that follows hashes.
class SeededHash {
public:
    SeededHash() {
        ROOMCAST_RANDOM_DEVICE device;
        const auto word = [&] { return (std::uint64_t{device()} << 32) | device(); };
        for (std::uint64_t& key : keys_) key = word();
        salt_ = word();
    }

    [[nodiscard]] std::uint32_t operator()(std::string_view text) const noexcept {
        const char* at = text.data();
        std::size_t left = text.size();
        std::uint64_t first = 0, last = 0, before = 0;
        for (; left > 16; at += 16, left -= 16) before = fold(load<8>(at) ^ keys_[0], load<8>(at + 8) ^ keys_[1] ^ before);
        // Two words that have each of the bytes, some of them twice.
        if (left >= 8) {
            first = load<8>(at);
            last = load<8>(at + left - 8);
        } else if (left >= 4) {
            first = load<4>(at);
            last = load<4>(at + left - 4);
        } else if (left != 0) {
            first = load<1>(at) | load<1>(at + left / 2) << 8 | load<1>(at + left - 1) << 16;
        }
        const std::uint64_t all = fold(first ^ keys_[0], last ^ keys_[1] ^ before);
        return static_cast<std::uint32_t>(fold(all ^ keys_[2], text.size() ^ keys_[0]));
    }

    template <class Number>
        requires(std::is_integral_v<Number> || std::is_enum_v<Number>)
    [[nodiscard]] std::uint32_t operator()(Number number) const noexcept {
        return mix(static_cast<std::uint64_t>(number));
    }

    /// Spreads a hash made elsewhere, such as a pointer's.
    [[nodiscard]] std::uint32_t mix(std::uint64_t value) const noexcept {
        return static_cast<std::uint32_t>(fold(fold(value ^ keys_[0], keys_[1]) ^ keys_[2], keys_[0]));
    }

    /// A number that differs from registry to registry, and tells nothing of the
    /// keys: peers see it.
    [[nodiscard]] std::uint64_t salt() const noexcept { return salt_; }

private:
    template <std::size_t bytes>
    static std::uint64_t load(const char* at) noexcept {
        std::conditional_t<bytes == 8, std::uint64_t, std::conditional_t<bytes == 4, std::uint32_t, std::uint8_t>> word;
        std::memcpy(&word, at, bytes);
        return word;
    }

    /// The halves of the product, as one word.
    static std::uint64_t fold(std::uint64_t a, std::uint64_t b) noexcept {
#ifdef __SIZEOF_INT128__
        __extension__ using Wide = unsigned __int128;
        const Wide product = static_cast<Wide>(a) * b;
        return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
#else
        const std::uint64_t low = 0xffffffff;
        const std::uint64_t crossed = (a >> 32) * (b & low) + ((a & low) * (b & low) >> 32);
        const std::uint64_t middle = (a & low) * (b >> 32) + (crossed & low);
        return a * b ^ ((a >> 32) * (b >> 32) + (crossed >> 32) + (middle >> 32));
#endif
    }

    std::uint64_t keys_[3];
    std::uint64_t salt_;
};

}  // namespace roomcast::detail
