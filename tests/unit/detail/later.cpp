// SPDX-License-Identifier: MIT
#include "roomcast/detail/later.hpp"

#include "support/catch.hpp"

namespace {

using namespace std::chrono_literals;
using roomcast::detail::later;
using Time = std::chrono::steady_clock::time_point;

}  // namespace

TEST_CASE("a span after a moment is there, before the clock's epoch too") {
    CHECK(later(Time(5s), 10ms) == Time(5s + 10ms));
    CHECK(later(Time(-5s), 10ms) == Time(-5s + 10ms));
    CHECK(later(Time(5s), 0ms) == Time(5s));
}

TEST_CASE("what would be beyond the clock's range is its last moment") {
    CHECK(later(Time(), std::chrono::milliseconds::max()) == Time::max());
    CHECK(later(Time(1s), std::chrono::milliseconds::max()) == Time::max());
    CHECK(later(Time(1s), std::chrono::hours(24 * 365 * 300)) == Time::max());
    CHECK(later(Time::max(), 1ms) == Time::max());
    CHECK(later(Time::max() - 2s, 1s) == Time::max() - 1s);
    CHECK(later(Time::min(), std::chrono::milliseconds::max()) == Time::max());
}
