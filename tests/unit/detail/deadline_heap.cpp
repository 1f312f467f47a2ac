// SPDX-License-Identifier: MIT
#include "roomcast/detail/deadline_heap.hpp"

#include <random>
#include <set>
#include <vector>

#include "support/seed.hpp"
#include "support/catch.hpp"
#include "unit/allocations.hpp"

namespace {
struct Timed : roomcast::detail::Deadline<int> {
    int id = 0;
};
using Heap = roomcast::detail::DeadlineHeap<int>;
}  // namespace

TEST_CASE("the front of the heap is always the earliest") {
    INFO("ROOMCAST_SEED=" << tests::seed());
    std::mt19937_64 random(tests::seed());
    std::vector<Timed> records(200);
    std::set<std::pair<int, const Timed*>> reference;
    Heap heap;
    heap.reserve(records.size());
    for (int step = 0; step < 20'000; ++step) {
        Timed& record = records[random() % records.size()];
        if (record.heap_place != Timed::none) reference.erase({record.due, &record});
        if (random() % 3 == 0) {
            heap.clear(record);
        } else {
            heap.set(record, static_cast<int>(random() % 1000));
            reference.insert({record.due, &record});
        }
        REQUIRE((heap.front() == nullptr) == reference.empty());
        if (!reference.empty()) REQUIRE(heap.front()->due == reference.begin()->first);
    }
}

TEST_CASE("clearing what is not in the heap does nothing") {
    Heap heap;
    Timed one, other;
    heap.reserve(1);
    heap.set(one, 5);
    heap.clear(other);
    CHECK(heap.front() == &one);
    heap.clear(one);
    heap.clear(one);
    CHECK(heap.front() == nullptr);
}

TEST_CASE("after reserving, setting allocates nothing, and released memory is back", "[invariant-9]") {
    std::vector<Timed> records(100);
    const auto before = unit::allocations::live_bytes();
    Heap heap;
    heap.reserve(records.size());
    const auto made = unit::allocations::made();
    for (Timed& record : records) heap.set(record, 1);
    CHECK(unit::allocations::made() == made);
    for (Timed& record : records) heap.clear(record);
    heap.release();
    CHECK(unit::allocations::live_bytes() == before);
}
