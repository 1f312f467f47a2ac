// SPDX-License-Identifier: MIT
#include "live_comment/rate.hpp"

#include "support/catch.hpp"

using namespace live_comment;
using namespace std::chrono_literals;

TEST_CASE("twenty within ten seconds are one too many") {
    Strikes strikes;
    for (int i = 0; i < 19; ++i) CHECK_FALSE(strikes.strike(100s));
    CHECK(strikes.strike(109s));
    Strikes slow;
    for (int i = 0; i < 100; ++i) CHECK_FALSE(slow.strike(100s + i * 550ms));
}

TEST_CASE("a user has one rate, whichever the connection, and each user an own one") {
    UserRate rate({1, 2});
    CHECK(rate.take("alice", 10s) == 0s);
    CHECK(rate.take("alice", 10s) == 0s);
    CHECK(rate.take("alice", 10s) == 1s);
    CHECK(rate.take("bob", 10s) == 0s);
    CHECK(rate.rate().burst == 2);
}

TEST_CASE("users who have been quiet are forgotten, looked for once a second") {
    UserRate rate({1, 5});
    CHECK(rate.sweep(9s) == Instant::max());
    CHECK(rate.take("alice", 10s) == 0s);
    CHECK(rate.take("alice", 10s) == 0s);
    CHECK(rate.sweep(10s) == 11s);
    CHECK(rate.sweep(11s) == 12s);
    CHECK(rate.sweep(12s) == Instant::max());
}
