// SPDX-License-Identifier: MIT
#include "roomcast/mutex.hpp"

#include <mutex>
#include <thread>
#include <vector>

#include "support/catch.hpp"

using roomcast::small_mutex;

TEST_CASE("a null mutex is always free") {
    roomcast::null_mutex mutex;
    const std::lock_guard one(mutex);
    const std::unique_lock two(mutex, std::try_to_lock);
    CHECK(two.owns_lock());
}

TEST_CASE("a small mutex is held by one, and free again") {
    small_mutex mutex;
    for (int i = 0; i < 2; ++i) {
        const std::unique_lock one(mutex);
        CHECK_FALSE(std::unique_lock(mutex, std::try_to_lock).owns_lock());
    }
    CHECK(std::unique_lock(mutex, std::try_to_lock).owns_lock());
}

TEST_CASE("many who want a small mutex get it one at a time, and none is forgotten") {
    small_mutex mutex;
    long long sum = 0;  // which the mutex guards
    constexpr int each = 20'000, threads = 8;
    std::vector<std::thread> all;
    for (int t = 0; t < threads; ++t)
        all.emplace_back([&] {
            for (int i = 0; i < each; ++i) {
                const std::lock_guard lock(mutex);
                const long long before = sum;
                if (i % 64 == 0) std::this_thread::yield();  // so that others find it held, and wait
                sum = before + 1;
            }
        });
    for (std::thread& thread : all) thread.join();
    CHECK(sum == each * threads);
}
