// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>

namespace roomcast {

/// The mutex policy of a host that uses its registry from one thread only.
struct null_mutex {
    constexpr void lock() noexcept {}
    constexpr bool try_lock() noexcept { return true; }
    constexpr void unlock() noexcept {}
};

/// A mutex of one word, whose lock and unlock are one atomic instruction each
/// while nobody waits, and inlined: a registry's calls are short, and most of them
/// find it free. The states are those of Drepper's "Futexes Are Tricky" (2004). No
/// order among those who wait, no priority inheritance; a host that wants these
/// takes std::mutex.
class small_mutex {
public:
    small_mutex() noexcept = default;
    small_mutex(const small_mutex&) = delete;
    small_mutex& operator=(const small_mutex&) = delete;

    void lock() noexcept {
        if (!try_lock()) [[unlikely]]
            wait();
    }
    bool try_lock() noexcept {
        int expected = open;
        return state_.compare_exchange_strong(expected, held, std::memory_order_acquire, std::memory_order_relaxed);
    }
    void unlock() noexcept {
        if (state_.exchange(open, std::memory_order_release) == awaited) [[unlikely]]
            state_.notify_one();
    }

private:
    static constexpr int open = 0, held = 1, awaited = 2;  // awaited: held, and perhaps somebody waits

    [[gnu::noinline]] void wait() noexcept {
        // Who comes out of here cannot know whether others still wait.
        while (state_.exchange(awaited, std::memory_order_acquire) != open)
            state_.wait(awaited, std::memory_order_relaxed);
    }

    std::atomic<int> state_{open};
};

}  // namespace roomcast
