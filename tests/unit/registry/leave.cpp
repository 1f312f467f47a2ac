// SPDX-License-Identifier: MIT
#include "unit/registry/world.hpp"

namespace {
using namespace unit;
}

TEST_CASE("who leaves hears `left` last and stays known, its connection open") {
    World w;
    const auto ann = w.member("ann", "r"), bob = w.member("bob", "r");
    CHECK(w.rooms.leave(ann, "r", Ticket("5")) == LeaveStatus::left);
    w.rooms.broadcast("r", "later");
    CHECK(ann->frames() == Texts{"-r 5"});
    CHECK(bob->frames() == Texts{"later"});
    CHECK(w.rooms.count() == Counts{2, 2});
    CHECK(w.rooms.count("r") == Counts{1, 1});
    CHECK(w.rooms.room_of("ann") == std::nullopt);
    w.after(1h);
    CHECK(ann->closes() == 0);
    CHECK(w.rooms.send(ann, "still here"));
}

TEST_CASE("leaving says where one was not") {
    World w;
    const auto ann = w.member("ann", "r");
    CHECK(w.rooms.leave(ann, "s") == LeaveStatus::not_in_room);
    w.member("bob", "s");
    CHECK(w.rooms.leave(ann, "s") == LeaveStatus::not_in_room);
    CHECK(w.rooms.leave(make_fake(), "r") == LeaveStatus::unknown_connection);
    w.rooms.kick_user("ann", {});
    CHECK(w.rooms.leave(ann, "r") == LeaveStatus::unknown_connection);
}

TEST_CASE("leaving all rooms answers each with its own `left`") {
    World w{{.membership = Membership::many_rooms}};
    const auto ann = w.member("ann", "a");
    REQUIRE(w.join(ann, "b"));
    REQUIRE(w.join(ann, "c"));
    forget(ann);
    CHECK(w.rooms.leave_all(ann, Ticket("9")) == 3);
    CHECK(ann->frames() == Texts{"-a 9", "-b 9", "-c 9"});
    CHECK(w.rooms.leave_all(ann) == 0);
    CHECK(w.rooms.leave_all(make_fake()) == 0);
    CHECK(w.rooms.room_count() == 0);
}

TEST_CASE("one device leaving does not take the user's others along", "[invariant-1]") {
    World w;
    const auto one = w.member("ann/1", "r"), two = w.member("ann/2", "r");
    w.log->events.clear();
    REQUIRE(w.rooms.leave(one, "r") == LeaveStatus::left);
    CHECK(w.rooms.has_member("r", "ann"));
    CHECK(w.rooms.count("r") == Counts{1, 1});
    REQUIRE(w.rooms.leave(two, "r") == LeaveStatus::left);
    CHECK(w.log->events == Texts{"left r ann/ann/1 left", "left r ann/ann/2 left*", "room_closed r"});
}

TEST_CASE("a room goes with its last member, and begins anew after that") {
    World w;
    const auto ann = w.member("ann", "r");
    w.rooms.broadcast("r", "x");
    const Position before = *w.rooms.position("r");
    REQUIRE(w.rooms.leave(ann, "r") == LeaveStatus::left);
    CHECK(w.rooms.room_count() == 0);
    CHECK(w.rooms.count("r") == std::nullopt);
    REQUIRE(w.join(ann, "r"));
    CHECK(w.rooms.position("r")->epoch != before.epoch);
    CHECK(w.rooms.position("r")->seq == 0);
}

TEST_CASE("a `left` that cannot be written ends the connection") {
    World w;
    const auto ann = w.member("ann", "r");
    REQUIRE(w.rooms.leave(ann, "r", Ticket("throw")) == LeaveStatus::left);
    CHECK(w.rooms.count() == Counts{0, 0});
    CHECK(w.rooms.statistics().broken_connections == 1);
}

TEST_CASE("who leaves in the middle of a message does not hear the rest of it", "[invariant-4]") {
    World w;
    const auto ann = w.member("ann", "r"), bob = w.member("bob", "r"), cat = w.member("cat", "r");
    ann->on_send = [&](std::string_view frame) {
        if (frame != "x") return;
        CHECK(w.rooms.leave(bob, "r") == LeaveStatus::left);
        CHECK(w.rooms.leave(cat, "r") == LeaveStatus::left);
    };
    w.rooms.broadcast("r", "x");
    CHECK(ann->frames() == Texts{"x"});
    CHECK(bob->frames() == Texts{"-r"});
    CHECK(cat->frames() == Texts{"-r"});
}
