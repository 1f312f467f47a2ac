// SPDX-License-Identifier: MIT
#include <cstdint>
#include <string>

#include "model/world.hpp"
#include "support/catch.hpp"
#include "support/environment.hpp"
#include "support/scale.hpp"
#include "support/seed.hpp"

using roomcast::Membership;

namespace {

/// `operations` of them (a tenth in an instrumented build) in worlds of a
/// thousand each, every one with a setting of its own. A world is repeated by
/// ROOMCAST_SEED and its number, which ROOMCAST_WORLD picks
/// (also one that only a longer run reaches).
template <class Ids>
void check(Membership membership, bool reentrant, std::size_t operations) {
    constexpr std::size_t each = 1000;
    const std::size_t worlds = (tests::scaled(tests::instrumented ? operations / 10 : operations) + each - 1) / each;
    model::Pairs pairs;
    const auto only = tests::from_environment<std::size_t>("ROOMCAST_WORLD");
    std::size_t done = 0;
    const std::size_t first = only.value_or(0);
    const std::size_t last = only ? first + 1 : worlds;
    for (std::size_t w = first; w < last; ++w) {
        const std::uint64_t seed = tests::seed() + w * 1'000'003 + static_cast<std::uint64_t>(membership);
        model::Random random(seed);
        const model::Setting setting = model::random_setting(membership, reentrant, random);
        model::Random choices(random.next());
        model::World<Ids> world(setting, choices, &pairs);
        pairs.restart();
        bool same = true;
        for (std::size_t i = 0; same && i < each; ++i, ++done) {
            same = world.step();
            if (same && i % 64 == 63) same = world.compare_all();
        }
        same = same && world.finish();
        INFO("ROOMCAST_SEED=" << tests::seed() << " ROOMCAST_WORLD=" << w << "\n" << describe(setting));
        INFO((same ? "" : world.fault()));
        REQUIRE(same);
    }
    CHECK(done != 0);
    // Some are so rare that fewer operations may well miss them.
    if (done >= 1'000'000) CHECK(pairs.missing() == "");
}

}  // namespace

TEST_CASE("the registry does what its reference does, one room a user") {
    check<model::StringIds>(Membership::one_room_per_user, false, 2'700'000);
}
TEST_CASE("the registry does what its reference does, one room a connection") {
    check<model::StringIds>(Membership::one_room_per_connection, false, 1'800'000);
}
TEST_CASE("the registry does what its reference does, many rooms") {
    check<model::StringIds>(Membership::many_rooms, false, 1'800'000);
}
TEST_CASE("the registry does what its reference does, ids that are numbers") {
    check<model::NumberIds>(Membership::one_room_per_user, false, 400'000);
    check<model::NumberIds>(Membership::one_room_per_connection, false, 400'000);
    check<model::NumberIds>(Membership::many_rooms, false, 400'000);
}

TEST_CASE("a registry that is called from its callbacks keeps its state, one room a user") {
    check<model::StringIds>(Membership::one_room_per_user, true, 900'000);
}
TEST_CASE("a registry that is called from its callbacks keeps its state, one room a connection") {
    check<model::StringIds>(Membership::one_room_per_connection, true, 900'000);
}
TEST_CASE("a registry that is called from its callbacks keeps its state, many rooms") {
    check<model::NumberIds>(Membership::many_rooms, true, 900'000);
}
