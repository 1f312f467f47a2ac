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

TEST_CASE("a user has one rate for comments and one for commands, whichever the connection") {
    UserRates rates({1, 2}, {10, 1});
    CHECK(rates.comment("alice", 10s) == 0s);
    CHECK(rates.comment("alice", 10s) == 0s);
    CHECK(rates.comment("alice", 10s) == 1s);
    CHECK(rates.comment("bob", 10s) == 0s);
    CHECK(rates.command("alice", 10s) == 0s);
    CHECK(rates.command("alice", 10s) == 100ms);
    CHECK(rates.commands().per_second == 10);
}

TEST_CASE("users who may do everything again are forgotten, looked for once a second") {
    UserRates rates({1, 5}, {10, 20});
    CHECK(rates.sweep(9s) == Instant::max());
    CHECK(rates.comment("alice", 10s) == 0s);
    CHECK(rates.comment("alice", 10s) == 0s);
    CHECK(rates.command("alice", 10s) == 0s);
    CHECK(rates.sweep(10s) == 11s);
    CHECK(rates.sweep(11s) == 12s);
    CHECK(rates.sweep(12s) == Instant::max());
}
