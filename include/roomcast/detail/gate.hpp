// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "roomcast/config.hpp"

namespace roomcast::detail {

/// Lets one thread at a time through to something that few share, and counts
/// those who went on from there. Nobody waits at it.
class alignas(64) Gate {
public:
    /// False: another is in it.
    [[nodiscard]] bool enter() noexcept {
        std::uint64_t seen = word_.load(std::memory_order_relaxed);
        return (seen & 1) == 0 && word_.compare_exchange_strong(seen, seen | 1, std::memory_order_acquire,
                                                                std::memory_order_relaxed);
    }
    void leave(bool goes_on) noexcept {
        const std::uint64_t before = word_.load(std::memory_order_relaxed) & ~std::uint64_t{1};
        word_.store(before + (goes_on ? 2 : 0), std::memory_order_release);
    }
    [[nodiscard]] std::uint64_t count() const noexcept { return word_.load(std::memory_order_relaxed) >> 1; }

private:
    ROOMCAST_ATOMIC<std::uint64_t> word_{0};  // the count, and a bit while somebody is in it
};

/// Gates for any number of objects: which one is an object's hangs on its address.
class Gates {
public:
    [[nodiscard]] Gate& of(const void* object) noexcept {
        return gates_[reinterpret_cast<std::uintptr_t>(object) * 0x9e3779b97f4a7c15 >> 60];
    }
    [[nodiscard]] std::uint64_t count() const noexcept {
        std::uint64_t sum = 0;
        for (const Gate& gate : gates_) sum += gate.count();
        return sum;
    }

private:
    std::array<Gate, 16> gates_;
};

}  // namespace roomcast::detail
