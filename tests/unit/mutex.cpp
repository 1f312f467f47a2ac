// SPDX-License-Identifier: MIT
#include "roomcast/mutex.hpp"

#include <mutex>

#include "support/catch.hpp"

TEST_CASE("a null mutex is always free") {
    roomcast::null_mutex mutex;
    const std::lock_guard one(mutex);
    const std::unique_lock two(mutex, std::try_to_lock);
    CHECK(two.owns_lock());
}
