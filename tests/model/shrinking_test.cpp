// SPDX-License-Identifier: MIT
// Worlds whose choices RapidCheck draws: of one that goes wrong it looks for the
// smallest that still does.
#include <rapidcheck.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "model/world.hpp"
#include "support/catch.hpp"
#include "support/scale.hpp"
#include "support/seed.hpp"

using roomcast::Membership;

namespace {

/// RapidCheck takes its parameters from the environment, once; those of others mean other tests.
void prepare() {
    const std::string parameters =
        "seed=" + std::to_string(tests::seed()) + " max_success=" + std::to_string(tests::scaled(200));
    ::setenv("RC_PARAMS", parameters.c_str(), 1);
}

/// A number is the seed of one operation, so that a world shrinks by whole ones.
template <class Ids>
bool check(Membership membership, bool reentrant) {
    prepare();
    return rc::check([=] {
        const auto seed = rc::gen::noShrink(rc::gen::inRange<std::uint32_t>(0, 1U << 30));
        const auto first = *seed;
        // So many that rare things happen; it is shrinking that makes worlds small.
        const auto operations = *rc::gen::resize(1'000, rc::gen::container<std::vector<std::uint32_t>>(seed));
        model::Random random(first);
        const auto setting = model::random_setting(membership, reentrant, random);
        model::World<Ids> world(setting, random);
        bool same = true;
        for (std::size_t i = 0; same && i < operations.size(); ++i) {
            random = model::Random(operations[i]);
            same = world.step();
            if (same && i % 16 == 15) same = world.compare_all();
        }
        same = same && world.finish();
        if (!same) RC_FAIL(describe(setting) + '\n' + world.fault());
    });
}

}  // namespace

TEST_CASE("worlds that are shrunk when they go wrong are as their reference: one room a user") {
    CHECK(check<model::StringIds>(Membership::one_room_per_user, false));
    CHECK(check<model::StringIds>(Membership::one_room_per_user, true));
}
TEST_CASE("worlds that are shrunk when they go wrong are as their reference: one room a connection") {
    CHECK(check<model::NumberIds>(Membership::one_room_per_connection, false));
    CHECK(check<model::NumberIds>(Membership::one_room_per_connection, true));
}
TEST_CASE("worlds that are shrunk when they go wrong are as their reference: many rooms") {
    CHECK(check<model::StringIds>(Membership::many_rooms, false));
    CHECK(check<model::StringIds>(Membership::many_rooms, true));
}
