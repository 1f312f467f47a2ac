// SPDX-License-Identifier: MIT
#include "roomcast/detail/recent_map.hpp"

#include <map>
#include <random>
#include <string>
#include <vector>

#include "support/seed.hpp"
#include "support/catch.hpp"
#include "unit/allocations.hpp"

namespace {
using Map = roomcast::detail::RecentMap<std::string, int>;
const auto nothing_is_stale = [](int) { return false; };
const auto all_is_stale = [](int) { return true; };
}  // namespace

TEST_CASE("what is known of an id is found again, and made when it is not there") {
    Map map;
    CHECK(map.find("ann") == nullptr);
    int& ann = map.at("ann");
    CHECK(ann == 0);
    ann = 7;
    map.at("bob") = 8;
    CHECK(&map.at("ann") == &ann);
    CHECK(map.find("ann") == &ann);
    CHECK(*map.find("bob") == 8);
    CHECK(map.size() == 2);
}

TEST_CASE("ids may be numbers and enums") {
    enum class Id : int {};
    roomcast::detail::RecentMap<Id, int> map;
    map.at(Id{5}) = 1;
    CHECK(map.find(Id{6}) == nullptr);
    CHECK(*map.find(Id{5}) == 1);
    roomcast::detail::RecentMap<std::uint64_t, int> numbers;
    for (std::uint64_t i = 0; i < 1000; ++i) numbers.at(i << 32) = static_cast<int>(i);
    for (std::uint64_t i = 0; i < 1000; ++i) CHECK(*numbers.find(i << 32) == static_cast<int>(i));
}

TEST_CASE("looking up a known id allocates nothing, however long it is") {
    Map map;
    const std::string id(200, 'x');
    map.at(id) = 1;
    const auto made = unit::allocations::made();
    CHECK(map.find(id) != nullptr);
    CHECK(map.at(id) == 1);
    CHECK(map.sweep(nothing_is_stale, 10));
    CHECK(unit::allocations::made() == made);
}

TEST_CASE("a sweep goes on where the last one stopped, and comes to everybody") {
    Map map;
    for (int i = 0; i < 10; ++i) map.at(std::to_string(i)) = i;
    std::vector<int> seen;
    const auto look = [&](int value) {
        seen.push_back(value);
        return value % 2 == 0;
    };
    CHECK(map.sweep(look, 3));
    map.at("new") = 11;
    CHECK(map.sweep(look, 4));
    CHECK(map.sweep(look, 3));
    CHECK(seen == std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9});
    CHECK(map.size() == 6);
    seen.clear();
    CHECK(map.sweep(look, 1'000'000));
    CHECK(seen == std::vector<int>{1, 11, 3, 5, 7, 9});
    CHECK_FALSE(map.sweep(all_is_stale, 6));
    CHECK_FALSE(map.sweep(all_is_stale, 6));
}

TEST_CASE("a map does what an ordered one does while it is swept") {
    INFO("ROOMCAST_SEED=" << tests::seed());
    std::mt19937_64 random(tests::seed());
    Map map;
    std::map<std::string, int> reference;
    for (int step = 0; step < 20'000; ++step) {
        const std::string id = std::to_string(random() % 500);
        if (random() % 3 != 0) {
            map.at(id) = step;
            reference[id] = step;
        } else {
            const int until = step - static_cast<int>(random() % 1000);
            const auto is_stale = [&](int value) { return value < until; };
            map.sweep(is_stale, 1'000'000);
            std::erase_if(reference, [&](const auto& entry) { return is_stale(entry.second); });
        }
        REQUIRE(map.size() == reference.size());
        const int* found = map.find(id);
        const auto expected = reference.find(id);
        REQUIRE((found != nullptr) == (expected != reference.end()));
        if (found) REQUIRE(*found == expected->second);
    }
}

TEST_CASE("a map's memory follows those that are left, down to none", "[invariant-11]") {
    const auto before = unit::allocations::live_bytes();
    Map map;
    CHECK(unit::allocations::live_bytes() == before);
    for (int i = 0; i < 100'000; ++i) map.at("user" + std::to_string(i)) = i;
    const auto full = unit::allocations::live_bytes() - before;
    const auto few_stay = [](int value) { return value >= 100; };
    while (map.size() > 100) map.sweep(few_stay, 1000);
    for (int i = 0; i < 10; ++i) map.sweep(nothing_is_stale, 1);
    CHECK(unit::allocations::live_bytes() - before < full / 100);
    for (int i = 0; i < 100; ++i) CHECK(*map.find("user" + std::to_string(i)) == i);
    map.sweep(all_is_stale, 100);
    CHECK(unit::allocations::live_bytes() == before);
}

TEST_CASE("an id that finds no memory has changed nothing", "[invariant-9]") {
    for (int known = 0; known < 30; ++known) {
        Map map;
        for (int i = 0; i < known; ++i) map.at("a long name of user " + std::to_string(i)) = i;
        const std::string id = "a name that is not in the map as yet";
        for (std::size_t n = 1;; ++n) {
            const auto before = unit::allocations::live_bytes();
            bool thrown = false;
            {
                const unit::allocations::Failure failure(n);
                try {
                    map.at(id) = 1;
                } catch (const std::bad_alloc&) {
                    thrown = true;
                }
            }
            if (!thrown) break;
            REQUIRE(unit::allocations::live_bytes() == before);
            REQUIRE(map.find(id) == nullptr);
            REQUIRE(map.size() == static_cast<std::size_t>(known));
        }
        REQUIRE(*map.find(id) == 1);
        for (int i = 0; i < known; ++i) REQUIRE(*map.find("a long name of user " + std::to_string(i)) == i);
    }
}

TEST_CASE("a sweep needs no memory", "[invariant-9]") {
    Map map;
    for (int i = 0; i < 1000; ++i) map.at(std::to_string(i)) = i;
    const unit::allocations::Failure failure(1, true);
    CHECK(map.sweep([](int value) { return value != 999; }, 1000));
    CHECK(map.size() == 1);
    CHECK(*map.find("999") == 999);
}

TEST_CASE("maps may share one hash", "[invariant-13]") {
    const roomcast::detail::SeededHash hash;
    Map one(hash), two(hash);
    one.at("ann") = 1;
    two.at("ann") = 2;
    CHECK(*one.find("ann") == 1);
    CHECK(*two.find("ann") == 2);
}
