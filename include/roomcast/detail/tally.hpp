// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace roomcast::detail {

inline std::atomic<std::size_t> tally_threads{0};
inline thread_local constinit std::size_t tally_thread = 0;  // 0: it has added nothing yet

/// A number that many threads add to, most of them in a cache line of their own.
class Tally {
public:
    void add() noexcept {
        if (tally_thread == 0) tally_thread = tally_threads.fetch_add(1, std::memory_order_relaxed) + 1;
        parts_[tally_thread % count].number.fetch_add(1, std::memory_order_relaxed);
    }
    [[nodiscard]] std::uint64_t sum() const noexcept {
        std::uint64_t sum = 0;
        for (const Part& part : parts_) sum += part.number.load(std::memory_order_relaxed);
        return sum;
    }

private:
    static constexpr std::size_t count = 8;
    struct alignas(64) Part {
        std::atomic<std::uint64_t> number{0};
    };
    Part parts_[count];
};

}  // namespace roomcast::detail
