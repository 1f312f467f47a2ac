// SPDX-License-Identifier: MIT
#include "roomcast/rate_limiter.hpp"

#include <algorithm>
#include <limits>
#include <string>

#include "support/catch.hpp"
#include "unit/allocations.hpp"

using roomcast::Instant;
using roomcast::RateLimiter;
using namespace std::chrono_literals;

TEST_CASE("each id has one rate, whoever comes with it, and none of another's") {
    RateLimiter<> users({1, 2});
    CHECK(users.take("alice", 10s) == 0s);
    CHECK(users.take("alice", 10s) == 0s);
    CHECK(users.take("alice", 10s) == 1s);
    CHECK(users.take("bob", 10s) == 0s);
    CHECK(users.take("alice", 10s + 600ms) == 400ms);
    CHECK(users.take("alice", 11s) == 0s);
    RateLimiter<int> rooms({10, 1});
    CHECK(rooms.take(1, 10s) == 0s);
    CHECK(rooms.take(2, 10s) == 0s);
    CHECK(rooms.take(1, 10s) == 100ms);
}

TEST_CASE("a limiter that is off lets everything pass and remembers nothing", "[invariant-10]") {
    for (const double off : {0.0, -1.0, std::numeric_limits<double>::quiet_NaN()}) {
        RateLimiter<> users({off, 1});
        const auto made = unit::allocations::made();
        for (int i = 0; i < 1000; ++i) CHECK(users.take("alice", 10s) == 0s);
        CHECK(unit::allocations::made() == made);
        CHECK(users.size() == 0);
        CHECK_FALSE(users.sweep(10s));
        CHECK(users.next_sweep() == Instant::max());
    }
}

TEST_CASE("ids whose buckets are full are forgotten, those first that were looked at longest ago") {
    RateLimiter<> users({1, 5});
    for (int i = 0; i < 1000; ++i) CHECK(users.take("user" + std::to_string(i), 10s) == 0s);
    CHECK(users.size() == 1000);
    CHECK(users.sweep(11s - 1ns, 10'000));
    CHECK(users.size() == 1000);
    CHECK(users.sweep(11s, 600));
    CHECK(users.size() == 400);
    CHECK_FALSE(users.sweep(11s, 600));
    CHECK(users.size() == 0);
}

TEST_CASE("forgetting changes no answer") {
    RateLimiter<> swept({2, 3}), kept({2, 3});
    Instant now = 10s;
    for (int i = 0; i < 2000; ++i) {
        now += std::chrono::milliseconds(37 * i % 301);
        const std::string user = std::to_string(i * 7 % 5);
        swept.sweep(now, 100);
        CHECK(swept.take(user, now) == kept.take(user, now));
    }
}

TEST_CASE("nobody need sweep: only those are remembered who acted lately", "[invariant-10]") {
    RateLimiter<> users({1, 1});
    Instant now = 10s;
    std::size_t most = 0;
    for (int i = 0; i < 100'000; ++i) {
        CHECK(users.take("user" + std::to_string(i), now += 10ms) == 0s);
        most = std::max(most, users.size());
    }
    // A hundred come while a bucket fills.
    CHECK(most <= 200);
}

TEST_CASE("a limiter says when to sweep: at most once a second, and never when there is nothing") {
    RateLimiter<> users({10, 1});
    CHECK(users.next_sweep() == Instant::max());
    CHECK(users.take("alice", 10s) == 0s);
    CHECK(users.next_sweep() == 11s);
    CHECK(users.take("bob", 10s + 50ms) == 0s);
    CHECK(users.next_sweep() == 11s);
    CHECK(users.sweep(10s + 60ms));
    CHECK(users.next_sweep() == 11s + 60ms);
    CHECK_FALSE(users.sweep(11s + 60ms));
    CHECK(users.next_sweep() == Instant::max());
    CHECK(users.take("alice", 20s) == 0s);
    CHECK(users.next_sweep() == 21s);
}

TEST_CASE("a limiter whose tokens are slow need not be swept each second, yet each minute") {
    RateLimiter<> slow({0.1, 1}), slower({0.001, 1});
    CHECK(slow.take("alice", 10s) == 0s);
    CHECK(slow.next_sweep() == 20s);
    CHECK(slower.take("alice", 10s) == 0s);
    CHECK(slower.next_sweep() == 70s);
}

TEST_CASE("a take that finds no memory took nothing", "[invariant-9]") {
    RateLimiter<> users({1, 1});
    const std::string id = "a name that is too long to be kept in place";
    for (std::size_t n = 1;; ++n) {
        const unit::allocations::Failure failure(n);
        try {
            const Instant wait = users.take(id, 10s);
            CHECK(wait == 0s);
            break;
        } catch (const std::bad_alloc&) {
            CHECK(users.size() == 0);
            CHECK(users.next_sweep() == Instant::max());
        }
    }
    CHECK(users.take(id, 10s) == 1s);
}
