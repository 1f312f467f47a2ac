// SPDX-License-Identifier: MIT
#include "roomcast/detail/ring.hpp"

#include <deque>
#include <memory>
#include <random>

#include "support/seed.hpp"
#include "support/catch.hpp"
#include "unit/allocations.hpp"

using Ring = roomcast::detail::Ring<std::unique_ptr<int>>;

TEST_CASE("a ring does what a deque does") {
    INFO("ROOMCAST_SEED=" << tests::seed());
    std::mt19937_64 random(tests::seed());
    Ring ring;
    std::deque<int> reference;
    for (int step = 0; step < 20'000; ++step) {
        // Grows for a while, then shrinks for a while.
        const bool grows = step / 500 % 2 == 0;
        if (random() % 10 < (grows ? 7U : 3U)) {
            ring.push_back(std::make_unique<int>(step));
            reference.push_back(step);
        } else if (!reference.empty()) {
            ring.pop_front();
            reference.pop_front();
        }
        if (random() % 5'000 == 0) {
            ring.clear();
            reference.clear();
        }
        REQUIRE(ring.size() == reference.size());
        REQUIRE(ring.empty() == reference.empty());
        if (step % 20 != 0) continue;
        for (std::size_t i = 0; i < reference.size(); ++i) REQUIRE(*ring[i] == reference[i]);
    }
}

TEST_CASE("a ring's memory follows what is in it, down to none", "[invariant-11]") {
    const auto before = unit::allocations::live_bytes();
    roomcast::detail::Ring<int> ring;
    const auto bytes = [&] { return unit::allocations::live_bytes() - before; };
    CHECK(bytes() == 0);
    for (int i = 0; i < 100'000; ++i) ring.push_back(i);
    CHECK(bytes() <= 2 * 100'000 * sizeof(int));
    while (ring.size() > 1000) ring.pop_front();
    CHECK(bytes() <= 4 * 1000 * sizeof(int));
    while (!ring.empty()) ring.pop_front();
    CHECK(bytes() == 0);
}

TEST_CASE("a value is gone as soon as it is out of the ring") {
    roomcast::detail::Ring<std::shared_ptr<int>> ring;
    const auto value = std::make_shared<int>(1);
    for (int i = 0; i < 5; ++i) ring.push_back(value);
    ring.pop_front();
    CHECK(value.use_count() == 5);
    ring.clear();
    CHECK(value.use_count() == 1);
}

TEST_CASE("a ring that cannot grow is as before, and one that cannot shrink is none the worse", "[invariant-9]") {
    roomcast::detail::Ring<int> ring;
    for (int i = 0; i < 64; ++i) ring.push_back(i);
    bool thrown = false;
    {
        const unit::allocations::Failure failure(1, true);
        try {
            ring.push_back(64);
        } catch (const std::bad_alloc&) {
            thrown = true;
        }
    }
    CHECK(thrown);
    CHECK(ring.size() == 64);
    {
        const unit::allocations::Failure failure(1, true);
        while (ring.size() > 3) ring.pop_front();
    }
    CHECK(ring[0] == 61);
    CHECK(ring[2] == 63);
}
