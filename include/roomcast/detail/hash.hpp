// SPDX-License-Identifier: MIT
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <string_view>
#include <type_traits>

#include "roomcast/config.hpp"

namespace roomcast::detail {

/// The keyed hash of ids, so that a peer who chooses its ids cannot choose
/// where they fall: SipHash-1-3 for text (Aumasson and Bernstein, 2012, with
/// the round counts that Rust's and Python's maps use), a keyed multiply-fold
/// for numbers.
class SeededHash {
public:
    SeededHash() {
        ROOMCAST_RANDOM_DEVICE device;
        const auto word = [&] { return (std::uint64_t{device()} << 32) | device(); };
        k0_ = word();
        k1_ = word() | 1;
    }

    [[nodiscard]] std::uint32_t operator()(std::string_view text) const noexcept {
        Sip sip{k0_ ^ 0x736f6d6570736575, k1_ ^ 0x646f72616e646f6d, k0_ ^ 0x6c7967656e657261, k1_ ^ 0x7465646279746573};
        const char* at = text.data();
        std::size_t left = text.size();
        for (; left >= 8; at += 8, left -= 8) sip.absorb(at);
        char last[8] = {};
        // By halves: a loop over bytes takes longer than a round.
        if (left & 4) std::memcpy(last, at, 4);
        if (left & 2) std::memcpy(last + (left & 4), at + (left & 4), 2);
        if (left & 1) last[left - 1] = at[left - 1];
        last[7] = static_cast<char>(text.size());
        sip.absorb(last);
        sip.v2 ^= 0xff;
        for (int i = 0; i < 3; ++i) sip.round();
        return static_cast<std::uint32_t>(sip.v0 ^ sip.v1 ^ sip.v2 ^ sip.v3);
    }

    template <class Number>
        requires(std::is_integral_v<Number> || std::is_enum_v<Number>)
    [[nodiscard]] std::uint32_t operator()(Number number) const noexcept {
        return mix(static_cast<std::uint64_t>(number));
    }

    /// Spreads a hash made elsewhere, such as a pointer's.
    [[nodiscard]] std::uint32_t mix(std::uint64_t value) const noexcept {
        value ^= k0_;
        value *= 0x9e3779b97f4a7c15;
        value ^= value >> 32;
        value *= k1_;
        return static_cast<std::uint32_t>(value >> 32);
    }

    /// A number that differs from registry to registry, and tells nothing of the
    /// key: peers see it.
    [[nodiscard]] std::uint64_t salt() const noexcept {
        return (std::uint64_t{(*this)("epoch")} << 32) | (*this)("salt");
    }

private:
    /// Inlined, or its four words would go through memory in each round.
    struct Sip {
        std::uint64_t v0, v1, v2, v3;

        [[gnu::always_inline]] void round() noexcept {
            v0 += v1, v1 = std::rotl(v1, 13) ^ v0, v0 = std::rotl(v0, 32);
            v2 += v3, v3 = std::rotl(v3, 16) ^ v2;
            v0 += v3, v3 = std::rotl(v3, 21) ^ v0;
            v2 += v1, v1 = std::rotl(v1, 17) ^ v2, v2 = std::rotl(v2, 32);
        }
        [[gnu::always_inline]] void absorb(const char* bytes) noexcept {
            std::uint64_t word;
            std::memcpy(&word, bytes, 8);
            v3 ^= word;
            round();
            v0 ^= word;
        }
    };

    std::uint64_t k0_, k1_;
};

}  // namespace roomcast::detail
