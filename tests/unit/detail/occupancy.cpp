// SPDX-License-Identifier: MIT
#include "roomcast/detail/occupancy.hpp"

#include "support/catch.hpp"

using roomcast::detail::Occupancy;

TEST_CASE("a free room is its caller's, and until it gives it back nobody else's") {
    Occupancy room;
    CHECK(room.free());
    CHECK(room.call() == Occupancy::Turn::ours);
    CHECK(room.busy());
    CHECK(room.call() == Occupancy::Turn::known);
    CHECK_FALSE(room.begin_express());
    CHECK_FALSE(room.take());
    CHECK_FALSE(room.end());
    room.give_back(true);
    CHECK(room.free());
}

TEST_CASE("who leaves a room that was called meanwhile has it in hand") {
    Occupancy room;
    REQUIRE(room.begin_express());
    CHECK_FALSE(room.free());
    CHECK_FALSE(room.busy());
    CHECK_FALSE(room.begin_express());
    CHECK_FALSE(room.take());
    CHECK(room.end_express());
    REQUIRE(room.begin_express());
    CHECK(room.call() == Occupancy::Turn::theirs);
    CHECK(room.call() == Occupancy::Turn::known);
    CHECK(room.busy());
    CHECK_FALSE(room.end_express());
    CHECK(room.busy());
    CHECK(room.call() == Occupancy::Turn::known);
    room.give_back(true);
    CHECK(room.begin_express());
}

TEST_CASE("a room that is no more is never entered again") {
    Occupancy one, other;
    CHECK(one.end());
    REQUIRE(other.take());
    other.give_back(false);
    for (Occupancy* room : {&one, &other}) {
        CHECK_FALSE(room->begin_express());
        CHECK_FALSE(room->take());
        CHECK_FALSE(room->free());
        CHECK_FALSE(room->busy());
        CHECK(room->call() == Occupancy::Turn::known);
    }
}
