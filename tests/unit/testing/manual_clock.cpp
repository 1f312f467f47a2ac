// SPDX-License-Identifier: MIT
#include "roomcast/testing/manual_clock.hpp"

#include "support/catch.hpp"

using namespace std::chrono_literals;
using roomcast::testing::ManualClock;

TEST_CASE("a manual clock stands still until it is advanced") {
    ManualClock clock;
    const auto start = clock.now();
    CHECK(clock.now() == start);
    clock.advance(3s);
    CHECK(clock.now() - start == 3s);
}

TEST_CASE("copies of a manual clock share one time, others do not") {
    ManualClock clock;
    ManualClock other;
    const auto start = other.now();
    ManualClock copy = clock;
    copy.advance(10ms);
    CHECK(clock.now() == copy.now());
    CHECK(clock.now() - start == 10ms);
    CHECK(other.now() == start);
}

TEST_CASE("a manual clock is never set back") {
    ManualClock clock;
    const auto start = clock.now();
    clock.advance_to(start + 5s);
    CHECK(clock.now() == start + 5s);
    clock.advance_to(start + 1s);
    CHECK(clock.now() == start + 5s);
}
