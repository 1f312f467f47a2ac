// SPDX-License-Identifier: MIT
#include "live_comment/rate.hpp"

#include <string>

#include "support/catch.hpp"

using namespace live_comment;
using namespace std::chrono_literals;

TEST_CASE("a bucket gives its burst at once, then as it fills") {
    TokenBucket bucket;
    const Rate rate{1, 5};
    const Time start = 100s;
    for (int i = 0; i < 5; ++i) CHECK(bucket.take(rate, start) == 0s);
    CHECK(bucket.take(rate, start) == 1s);
    CHECK(bucket.take(rate, start + 400ms) == 600ms);
    CHECK(bucket.take(rate, start + 1s) == 0s);
    CHECK(bucket.take(rate, start + 1s) == 1s);
    CHECK_FALSE(bucket.is_full(start + 5s));
    CHECK(bucket.is_full(start + 6s));
    for (int i = 0; i < 5; ++i) CHECK(bucket.take(rate, start + 1h) == 0s);
    CHECK(bucket.take(rate, start + 1h) > 0s);
}

TEST_CASE("a rate of zero is off") {
    TokenBucket bucket;
    for (int i = 0; i < 1000; ++i) CHECK(bucket.take({0, 0}, 1s) == 0s);
    CHECK(bucket.is_full(1s));
}

TEST_CASE("twenty within ten seconds are one too many") {
    Strikes strikes;
    for (int i = 0; i < 19; ++i) CHECK_FALSE(strikes.strike(100s));
    CHECK(strikes.strike(109s));
    Strikes slow;
    for (int i = 0; i < 100; ++i) CHECK_FALSE(slow.strike(100s + i * 550ms));
}

TEST_CASE("a user has one rate, whichever the connection, and each user an own one") {
    UserRates rates({1, 2}, {10, 1});
    CHECK(rates.comment("alice", 10s) == 0s);
    CHECK(rates.comment("alice", 10s) == 0s);
    CHECK(rates.comment("alice", 10s) == 1s);
    CHECK(rates.comment("bob", 10s) == 0s);
    CHECK(rates.command("alice", 10s) == 0s);
    CHECK(rates.command("alice", 10s) == 100ms);
}

TEST_CASE("users whose buckets are full are forgotten") {
    UserRates rates({1, 5}, {10, 20});
    for (int i = 0; i < 1000; ++i) CHECK(rates.comment("user" + std::to_string(i), 10s) == 0s);
    CHECK(rates.sweep(10s, 10'000));
    CHECK(rates.sweep(11s, 600));
    CHECK_FALSE(rates.sweep(11s, 600));
    CHECK(rates.comment("user1", 12s) == 0s);
    CHECK(rates.sweep(12s, 600));
}
