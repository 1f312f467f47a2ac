// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace tests {

/// Choices of a seed, the same on every platform; or those that given bytes
/// make, and when these are used up, those of a seed that is always the same.
/// SplitMix64 (Steele, Lea and Flood, 2014): any seed is a good one.
class Random {
public:
    explicit Random(std::uint64_t seed = 0) noexcept : state_(seed) {}
    /// Borrows the bytes. When all have made a choice, they are the seed of the
    /// rest.
    explicit Random(std::span<const std::uint8_t> bytes) noexcept : bytes_(bytes) {
        for (const std::uint8_t byte : bytes) state_ = (state_ ^ byte) * 0x100000001b3;  // FNV-1a
    }

    std::uint64_t next() noexcept {
        std::uint64_t z = state_ += 0x9e3779b97f4a7c15;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
        z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
        return z ^ (z >> 31);
    }
    std::size_t below(std::size_t n) noexcept {
        if (bytes_.empty()) return static_cast<std::size_t>(next() % n);
        std::size_t choice = 0;
        for (std::size_t rest = n - 1; rest != 0 && !bytes_.empty(); rest >>= 8) {
            choice = choice << 8 | bytes_.front();
            bytes_ = bytes_.subspan(1);
        }
        return choice % n;
    }
    int index(std::size_t n) noexcept { return static_cast<int>(below(n)); }
    bool one_in(std::size_t n) noexcept { return below(n) == 0; }
    template <class... Values>
    auto pick(Values... values) noexcept {
        const std::array all{values...};
        return all[below(all.size())];
    }

    /// Bytes that have made no choice yet.
    [[nodiscard]] std::size_t bytes_left() const noexcept { return bytes_.size(); }

private:
    std::uint64_t state_ = 0;
    std::span<const std::uint8_t> bytes_;
};

}  // namespace tests
