// SPDX-License-Identifier: MIT
#include "roomcast/detail/pool.hpp"

#include <algorithm>
#include <new>
#include <random>
#include <utility>
#include <vector>

#include "support/catch.hpp"
#include "unit/allocations.hpp"

namespace {
struct Guest : roomcast::detail::Pooled {
    explicit Guest(int v, int* living = nullptr) : value(v), alive(living) {
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

template <class... Arguments>
Guest& make(GuestPool& pool, Arguments&&... arguments) {
    pool.reserve(1);
    return pool.make(std::forward<Arguments>(arguments)...);
}
}  // namespace

TEST_CASE("a pool's records keep apart, come and go in any order, and their memory is back", "[invariant-11]") {
    std::mt19937 random(11);
    std::vector<Guest*> records(pooled_many);
    int alive = 0;
    const auto before = unit::allocations::live_bytes();
    GuestPool pool;
    for (int round = 0; round < 3; ++round) {
        for (int i = 0; i < pooled_many; ++i) records[static_cast<std::size_t>(i)] = &make(pool, i, &alive);
        CHECK(alive == pooled_many);
        const auto full = unit::allocations::live_bytes() - before;
        for (int i = 0; i < pooled_many; ++i) REQUIRE(records[static_cast<std::size_t>(i)]->value == i);
        std::shuffle(records.begin(), records.end(), random);
        // Half of them are replaced.
        for (std::size_t i = 0; i < records.size() / 2; ++i) pool.free(*records[i]);
        for (std::size_t i = 0; i < records.size() / 2; ++i)
            records[i] = &make(pool, static_cast<int>(i) + pooled_many, &alive);
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
    for (int i = 0; i < pooled_many; ++i) records.push_back(&make(pool, i));
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
    for (int i = 0; i < pooled_many; ++i) records[static_cast<std::size_t>(i)] = &make(pool, i, &alive);
    GuestPool::Remains remains;
    for (Guest* record : records) remains.destroy(*record);
    CHECK(alive == 0);
    CHECK(unit::allocations::live_bytes() > before);
    CHECK(pool.take_back(remains, pooled_many - 1));
    CHECK(unit::allocations::live_bytes() > before);
    CHECK_FALSE(pool.take_back(remains, pooled_many));
    CHECK(unit::allocations::live_bytes() == before);
    CHECK_FALSE(pool.take_back(remains, 1));
    Guest& made = make(pool, 1, &alive);
    CHECK(alive == 1);
    pool.free(made);
}

TEST_CASE("a pool that finds no memory is as it was, and room that nobody used goes with the last record",
          "[invariant-9]") {
    // No assertion in between: Catch has memory of its own.
    const auto before = unit::allocations::live_bytes();
    std::size_t thrown = 0, kept = 0;
    GuestPool pool;
    const auto reserve = [&](std::size_t count, std::size_t failing, bool all) {
        const unit::allocations::Failure failure(failing, all);
        try {
            pool.reserve(count);
        } catch (const std::bad_alloc&) {
            ++thrown;
        }
    };
    const auto reserve_nothing = [&](std::size_t count, std::size_t failing, bool all) {
        reserve(count, failing, all);
        if (unit::allocations::live_bytes() != before) ++kept;
    };
    reserve_nothing(1, 1, true);
    reserve_nothing(pooled_many, 1, true);
    for (const std::size_t failing : {1U, 2U, 3U}) reserve_nothing(1, failing, false);
    Guest& only = make(pool, 1);
    reserve(pooled_many, 2, false);
    const int value = only.value;
    pool.free(only);
    const auto after = unit::allocations::live_bytes();
    CHECK(thrown == 6);
    CHECK(kept == 0);
    CHECK(value == 1);
    CHECK(after == before);
}

TEST_CASE("what was reserved at once is there, whether places are new or used") {
    GuestPool pool;
    std::vector<Guest*> records;
    records.reserve(2 * pooled_many);
    for (int round = 0; round < 2; ++round) {
        pool.reserve(pooled_many);
        {
            const unit::allocations::Failure failure(1, true);
            for (int i = 0; i < pooled_many; ++i) records.push_back(&pool.make(i));
        }
        CHECK(records.back()->value == pooled_many - 1);
        for (std::size_t i = 0; i < records.size() - 7; ++i) pool.free(*records[i]);
        records.erase(records.begin(), records.end() - 7);
    }
    for (Guest* record : records) pool.free(*record);
}

namespace {
struct alignas(64) WideGuest : roomcast::detail::Pooled {
    char rest[80] = {};
};
}  // namespace

TEST_CASE("records of a pool lie where their type has to") {
    roomcast::detail::Pool<WideGuest> pool;
    std::vector<WideGuest*> made;
    pool.reserve(100);
    for (int i = 0; i < 100; ++i) {
        made.push_back(&pool.make());
        REQUIRE(reinterpret_cast<std::uintptr_t>(made.back()) % alignof(WideGuest) == 0);
    }
    for (WideGuest* guest : made) pool.free(*guest);
}

TEST_CASE("who comes and goes where a slab ends does not take one each time", "[invariant-15]") {
    GuestPool pool;
    std::vector<Guest*> stay;
    stay.reserve(pooled_many + 1);
    stay.push_back(&make(pool, 0));
    for (int i = 0; i < pooled_many; ++i) {
        stay.push_back(&make(pool, i));
        pool.free(make(pool, i));
        const auto before = unit::allocations::made();
        for (int n = 0; n < 10; ++n) pool.free(make(pool, n));
        REQUIRE(unit::allocations::made() == before);
    }
    for (Guest* guest : stay) pool.free(*guest);
}

TEST_CASE("a record is found by its place, whoever came and went before") {
    constexpr int most = 100'000;  // more slabs than one segment of their table holds
    std::mt19937 random(11);
    GuestPool pool;
    std::vector<Guest*> records;
    CHECK(pool.at(0) == nullptr);
    for (int round = 0; round < 3; ++round) {
        while (records.size() < most) records.push_back(&make(pool, round));
        std::vector<roomcast::detail::Ref> places;
        for (const Guest* record : records) {
            places.push_back(GuestPool::ref(*record));
            REQUIRE(pool.at(places.back()) == record);
        }
        std::sort(places.begin(), places.end());
        CHECK(places.front() != 0);
        CHECK(std::adjacent_find(places.begin(), places.end()) == places.end());
        // Slabs that went leave their numbers to others.
        CHECK(places.back() >> 8 <= most);
        std::shuffle(records.begin(), records.end(), random);
        for (std::size_t stay = round == 1 ? 10 : most / 2; records.size() > stay; records.pop_back())
            pool.free(*records.back());
        for (const Guest* record : records) REQUIRE(pool.at(GuestPool::ref(*record)) == record);
    }
    for (Guest* record : records) pool.free(*record);
}
