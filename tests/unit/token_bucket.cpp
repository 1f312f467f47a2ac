// SPDX-License-Identifier: MIT
#include "roomcast/token_bucket.hpp"

#include <cmath>
#include <limits>

#include "support/catch.hpp"

using roomcast::Instant;
using roomcast::Rate;
using roomcast::TokenBucket;
using namespace std::chrono_literals;

TEST_CASE("a bucket gives its burst at once, then as it fills") {
    TokenBucket bucket;
    const Rate rate{1, 5};
    const Instant start = 100s;
    CHECK(bucket.is_full(start));
    for (int i = 0; i < 5; ++i) CHECK(bucket.take(rate, start) == 0s);
    CHECK(bucket.take(rate, start) == 1s);
    CHECK(bucket.take(rate, start + 400ms) == 600ms);
    CHECK(bucket.take(rate, start + 1s) == 0s);
    CHECK(bucket.take(rate, start + 1s) == 1s);
    CHECK_FALSE(bucket.is_full(start + 6s - 1ns));
    CHECK(bucket.is_full(start + 6s));
    CHECK(bucket.full_at() == start + 6s);
    for (int i = 0; i < 5; ++i) CHECK(bucket.take(rate, start + 1h) == 0s);
    CHECK(bucket.take(rate, start + 1h) > 0s);
}

TEST_CASE("asking how long to wait takes nothing, and is answered as taking is") {
    TokenBucket bucket;
    const Rate rate{2, 2};
    for (int i = 0; i < 10; ++i) CHECK(bucket.wait(rate, 1s) == 0s);
    CHECK(bucket.take(rate, 1s) == 0s);
    CHECK(bucket.take(rate, 1s) == 0s);
    for (int i = 0; i < 10; ++i) CHECK(bucket.wait(rate, 1s) == 500ms);
    CHECK(bucket.wait(rate, 1s + 500ms) == 0s);
    CHECK(bucket.take(rate, 1s + 500ms) == 0s);
}

TEST_CASE("who waits as long as told gets a token, and the rate in the long run") {
    for (const Rate rate : {Rate{3, 10}, Rate{0.7, 1}, Rate{1000, 2.5}, Rate{7, 1.9}}) {
        TokenBucket bucket;
        Instant now = 50s;
        int taken = 0;
        while (taken < 1000) {
            const Instant wait = bucket.take(rate, now);
            if (wait == 0s) ++taken;
            else {
                CHECK(bucket.wait(rate, now + wait - 1ns) == 1ns);
                now += wait;
                REQUIRE(bucket.wait(rate, now) == 0s);
            }
        }
        const double seconds = std::chrono::duration<double>(now - 50s).count();
        // The last of them came when the one before it had been made up for.
        CHECK(std::abs(seconds * rate.per_second + rate.burst - 1000) < 1.001);
    }
}

TEST_CASE("a rate of zero is off, and so is whatever is not above zero") {
    const double no_number = std::numeric_limits<double>::quiet_NaN();
    for (const double off : {0.0, -1.0, no_number}) {
        TokenBucket bucket;
        for (int i = 0; i < 1000; ++i) CHECK(bucket.take({off, 0}, 1s) == 0s);
        CHECK(bucket.is_full(1s));
        // One that was emptied at another rate gives too.
        CHECK(bucket.take({1, 1}, 1s) == 0s);
        CHECK(bucket.wait({off, 0}, 1s) == 0s);
        CHECK(bucket.take({off, 0}, 1s) == 0s);
        CHECK(bucket.wait({1, 1}, 1s) == 1s);
    }
}

TEST_CASE("no rate and no burst is too large or too small") {
    const double huge = std::numeric_limits<double>::max(), tiny = std::numeric_limits<double>::denorm_min();
    const double endless = std::numeric_limits<double>::infinity();
    const double no_number = std::numeric_limits<double>::quiet_NaN();
    for (const Instant now : {Instant(0), Instant(24h * 365 * 100), Instant(-24h * 365 * 100)})
        for (const double per_second : {tiny, 1e-12, 1.0, 1e9, 1e12, huge, endless})
            for (const double burst : {no_number, -endless, -huge, 0.0, tiny, 1.0, 1e12, huge, endless}) {
                CAPTURE(now.count(), per_second, burst);
                const Rate rate{per_second, burst};
                TokenBucket bucket;
                for (int i = 0; i < 5; ++i) {
                    REQUIRE(bucket.take(rate, now) >= 0s);
                    REQUIRE(bucket.full_at() <= now + 24h * 365 * 100);
                }
                if (per_second > 1e9 || (per_second >= 1 && burst > 1e9)) REQUIRE(bucket.wait(rate, now) == 0s);
                if (per_second <= 1e9 && !(burst > 1)) REQUIRE(bucket.wait(rate, now) > 0s);
            }
}

TEST_CASE("a clock that goes back makes the wait longer, by as much and no more") {
    TokenBucket bucket;
    const Rate rate{1, 1};
    CHECK(bucket.take(rate, 100s) == 0s);
    CHECK(bucket.take(rate, 97s) == 4s);
    CHECK(bucket.take(rate, 101s) == 0s);
}
