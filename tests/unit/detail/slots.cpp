// SPDX-License-Identifier: MIT
#include "roomcast/detail/slots.hpp"

#include <vector>

#include "support/catch.hpp"
#include "unit/allocations.hpp"

namespace {
struct Member {
    int value = 0;
};
using Places = roomcast::detail::Slots<int, Member>;

std::vector<int> walked(const Places& places, std::size_t most = 7) {
    std::vector<int> values;
    for (auto cursor = places.walk(); !cursor.done();) {
        const auto count = cursor.run(most);
        REQUIRE(count > 0);
        for (auto* slot = cursor.at(); slot != cursor.at() + count; ++slot) values.push_back(slot->membership->value);
        cursor.advance(count);
    }
    return values;
}
void fill(Places& places, std::vector<Member>& members, std::size_t count) {
    members.reserve(count);
    while (members.size() < count) {
        members.push_back({static_cast<int>(members.size())});
        places.reserve(1);
        places.append(members.back());
    }
}
}  // namespace

TEST_CASE("slots are walked in the order in which they came") {
    for (const std::size_t count : {0U, 1U, 4U, 5U, 12U, 13U, 5000U}) {
        Places places;
        std::vector<Member> members;
        fill(places, members, count);
        CHECK(places.size() == count);
        const auto values = walked(places);
        REQUIRE(values.size() == count);
        for (std::size_t i = 0; i < count; ++i) CHECK(values[i] == static_cast<int>(i));
    }
}

TEST_CASE("slots never move while others come") {
    Places places;
    Member first;
    places.reserve(1);
    auto& slot = places.append(first);
    std::vector<Member> members;
    fill(places, members, 3000);
    CHECK(slot.membership == &first);
    CHECK(walked(places).size() == 3001);
}

TEST_CASE("a walk sees the slots that were there when it began") {
    Places places;
    std::vector<Member> members;
    fill(places, members, 4);
    auto cursor = places.walk();
    Member late;
    places.reserve(1);
    places.append(late);
    CHECK(cursor.run(100) == 4);
    cursor.advance(4);
    CHECK(cursor.done());
}

TEST_CASE("slots go from the end, and their memory with them", "[invariant-11]") {
    const auto before = unit::allocations::live_bytes();
    std::vector<Member> members;
    members.reserve(5000);
    const auto with_members = unit::allocations::live_bytes();
    Places places;
    fill(places, members, 5000);
    CHECK(unit::allocations::live_bytes() > with_members);
    for (int i = 4999; i >= 0; --i) {
        REQUIRE(places.back().membership->value == i);
        places.pop_back();
        REQUIRE(places.size() == static_cast<std::size_t>(i));
    }
    CHECK(unit::allocations::live_bytes() == with_members);
    members.clear();
    fill(places, members, 100);
    CHECK(walked(places).size() == 100);
    CHECK(unit::allocations::live_bytes() > before);
}

TEST_CASE("walking down goes from a position to the first, in steps") {
    Places places;
    std::vector<Member> members;
    fill(places, members, 1000);
    std::vector<int> seen;
    std::size_t position = 5000, steps = 0;
    do {
        std::size_t left = 64;
        position = places.walk_down(position, [&](Places::Slot& slot) {
            seen.push_back(slot.membership->value);
            return --left > 0;
        });
        ++steps;
    } while (position != 0);
    CHECK(steps == 16);
    REQUIRE(seen.size() == 1000);
    for (std::size_t i = 0; i < 1000; ++i) CHECK(seen[i] == static_cast<int>(999 - i));
    CHECK(Places().walk_down(5, [](Places::Slot&) { return true; }) == 0);
}

TEST_CASE("many slots can be reserved at once, and used or not") {
    Places places;
    places.reserve(10'000);
    std::vector<Member> members;
    const auto made = unit::allocations::made();
    members.reserve(10'000);
    fill(places, members, 10'000);
    CHECK(unit::allocations::made() == made + 1);
    CHECK(walked(places, 1000).size() == 10'000);
}
