// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <random>
#include <string>

namespace live_comment {

[[nodiscard]] inline std::uint64_t random_bits() {
    std::random_device source;
    return (std::uint64_t{source()} << 32) | source();
}

/// `words` times 16 hexadecimal digits from the system's source of randomness.
[[nodiscard]] inline std::string random_hex(std::size_t words) {
    constexpr char hex[] = "0123456789abcdef";
    std::string text;
    for (; words > 0; --words)
        for (std::uint64_t bits = random_bits(), n = 0; n < 16; ++n, bits >>= 4) text += hex[bits & 15];
    return text;
}

/// Numbers that tell nothing of each other and do not come twice: a counter,
/// mixed one to one (splitmix64's finalizer) from a random beginning.
///
/// Thread safety: may be called concurrently.
class OpaqueIds {
public:
    std::uint64_t operator()() noexcept {
        // Relaxed: only that each value is given once matters.
        std::uint64_t id = next_.fetch_add(0x9E3779B97F4A7C15u, std::memory_order_relaxed);
        id = (id ^ (id >> 30)) * 0xBF58476D1CE4E5B9u;
        id = (id ^ (id >> 27)) * 0x94D049BB133111EBu;
        return id ^ (id >> 31);
    }

private:
    std::atomic<std::uint64_t> next_{random_bits()};
};

}  // namespace live_comment
