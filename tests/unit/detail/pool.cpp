// SPDX-License-Identifier: MIT
#include "roomcast/detail/pool.hpp"

#include <algorithm>
#include <memory>
#include <new>
#include <random>
#include <stdexcept>
#include <vector>

#include "support/catch.hpp"
#include "unit/allocations.hpp"

namespace {
struct Guest : roomcast::detail::Pooled {
    explicit Guest(int v, int* living = nullptr) : value(v), alive(living) {
        if (v < 0) throw std::runtime_error("no such value");
        if (alive) ++*alive;
    }
    ~Guest() {
        if (alive) --*alive;
    }
    int value;
    int* alive;
    char rest[40] = {};
};
using GuestPool = roomcast::detail::Pool<Guest>;

constexpr int pooled_many = 1000;
}  // namespace

TEST_CASE("a pool's records keep apart, come and go in any order, and their memory is back", "[invariant-11]") {
    std::mt19937 random(11);
    std::vector<Guest*> records(pooled_many);
    int alive = 0;
    const auto before = unit::allocations::live_bytes();
    GuestPool pool;
    for (int round = 0; round < 3; ++round) {
        for (int i = 0; i < pooled_many; ++i) records[static_cast<std::size_t>(i)] = pool.make(i, &alive).release();
        CHECK(alive == pooled_many);
        const auto full = unit::allocations::live_bytes() - before;
        for (int i = 0; i < pooled_many; ++i) REQUIRE(records[static_cast<std::size_t>(i)]->value == i);
        std::shuffle(records.begin(), records.end(), random);
        // Half of them are replaced.
        for (std::size_t i = 0; i < records.size() / 2; ++i) pool.free(*records[i]);
        for (std::size_t i = 0; i < records.size() / 2; ++i)
            records[i] = pool.make(static_cast<int>(i) + pooled_many, &alive).release();
        for (std::size_t i = 0; i < records.size() / 2; ++i)
            REQUIRE(records[i]->value == static_cast<int>(i) + pooled_many);
        CHECK(unit::allocations::live_bytes() - before <= full);
        for (Guest* record : records) pool.free(*record);
        CHECK(alive == 0);
        CHECK(unit::allocations::live_bytes() == before);
    }
}

TEST_CASE("memory in which no record is left goes while others stay", "[invariant-11]") {
    std::vector<Guest*> records;
    records.reserve(pooled_many);
    const auto before = unit::allocations::live_bytes();
    GuestPool pool;
    for (int i = 0; i < pooled_many; ++i) records.push_back(pool.make(i).release());
    const auto full = unit::allocations::live_bytes() - before;
    CHECK(full < pooled_many * (sizeof(Guest) + 64));
    for (std::size_t i = 1; i < records.size(); ++i) pool.free(*records[i]);
    CHECK(unit::allocations::live_bytes() - before < full / 4);
    CHECK(records[0]->value == 0);
    pool.free(*records[0]);
    CHECK(unit::allocations::live_bytes() == before);
}

TEST_CASE("the remains of records that were destroyed elsewhere are used again", "[invariant-11]") {
    std::vector<Guest*> records(pooled_many);
    int alive = 0;
    const auto before = unit::allocations::live_bytes();
    GuestPool pool;
    for (int i = 0; i < pooled_many; ++i) records[static_cast<std::size_t>(i)] = pool.make(i, &alive).release();
    GuestPool::Remains remains;
    for (Guest* record : records) remains.destroy(*record);
    CHECK(alive == 0);
    CHECK(unit::allocations::live_bytes() > before);
    CHECK(pool.take_back(remains, pooled_many - 1));
    CHECK(unit::allocations::live_bytes() > before);
    CHECK_FALSE(pool.take_back(remains, pooled_many));
    CHECK(unit::allocations::live_bytes() == before);
    CHECK_FALSE(pool.take_back(remains, 1));
    const auto made = pool.make(1, &alive);
    CHECK(alive == 1);
}

TEST_CASE("a record that cannot be made leaves its pool as it was", "[invariant-9]") {
    const auto before = unit::allocations::live_bytes();
    GuestPool pool;
    CHECK_THROWS_AS(pool.make(-1), std::runtime_error);
    CHECK(unit::allocations::live_bytes() == before);
    {
        const unit::allocations::Failure failure(1);
        CHECK_THROWS_AS(pool.make(1), std::bad_alloc);
    }
    CHECK(unit::allocations::live_bytes() == before);
    const auto kept = pool.make(1);
    for (int i = 0; i < pooled_many; ++i) CHECK_THROWS_AS(pool.make(-1), std::runtime_error);
    CHECK(pool.make(2)->value == 2);
    CHECK(kept->value == 1);
}

namespace {
struct alignas(64) WideGuest : roomcast::detail::Pooled {
    char rest[80] = {};
};
}  // namespace

TEST_CASE("records of a pool lie where their type has to") {
    roomcast::detail::Pool<WideGuest> pool;
    std::vector<roomcast::detail::Pool<WideGuest>::Made> made;
    for (int i = 0; i < 100; ++i) {
        made.push_back(pool.make());
        REQUIRE(reinterpret_cast<std::uintptr_t>(made.back().get()) % alignof(WideGuest) == 0);
    }
}

TEST_CASE("who comes and goes where a slab ends does not take one each time", "[invariant-15]") {
    GuestPool pool;
    std::vector<GuestPool::Made> made;
    made.push_back(pool.make(0));
    for (int i = 0; i < pooled_many; ++i) {
        made.push_back(pool.make(i));
        const auto before = unit::allocations::made();
        for (int n = 0; n < 10; ++n) (void)pool.make(n);
        REQUIRE(unit::allocations::made() - before <= 1);
    }
}
