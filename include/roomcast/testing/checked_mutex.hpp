// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <thread>

namespace roomcast::testing {

/// A mutex policy that tells when user code runs under a lock: call
/// `assert_unlocked` in every send, close, observer and destructor that a test
/// provides (the fakes of this folder do). It also aborts where std::mutex
/// would deadlock, when its holder locks it again.
class CheckedMutex {
public:
    void lock() {
        if (holder_.load(std::memory_order_relaxed) == std::this_thread::get_id())
            fail("a CheckedMutex was locked again by the thread that holds it");
        mutex_.lock();
        taken();
    }
    bool try_lock() {
        if (holder_.load(std::memory_order_relaxed) == std::this_thread::get_id()) return false;
        if (!mutex_.try_lock()) return false;
        taken();
        return true;
    }
    void unlock() {
        holder_.store(std::thread::id(), std::memory_order_relaxed);
        --held();
        mutex_.unlock();
    }

    /// Whether the calling thread holds any CheckedMutex.
    [[nodiscard]] static bool locked_by_this_thread() noexcept { return held() != 0; }

    /// Aborts with `where` when it does.
    static void assert_unlocked(const char* where) noexcept {
        if (locked_by_this_thread()) fail(where);
    }

private:
    static int& held() noexcept {
        thread_local int count = 0;
        return count;
    }
    [[noreturn]] static void fail(const char* what) noexcept {
        std::fprintf(stderr, "roomcast: user code under a lock, or a lock taken twice: %s\n", what);
        std::abort();
    }
    void taken() noexcept {
        holder_.store(std::this_thread::get_id(), std::memory_order_relaxed);
        ++held();
    }

    std::mutex mutex_;
    // Relaxed: a thread compares it with its own id only, which it alone stores.
    std::atomic<std::thread::id> holder_{};
};

/// Aborts when the calling thread holds any CheckedMutex.
inline void assert_unlocked(const char* where = "a callback") noexcept { CheckedMutex::assert_unlocked(where); }

}  // namespace roomcast::testing
