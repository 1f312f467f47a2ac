// SPDX-License-Identifier: MIT
#include "unit/registry/world.hpp"

namespace {
using namespace unit;
}

TEST_CASE("a room takes as many users as it may, and any number of their devices", "[invariant-10]") {
    World w{{.room = {.max_users = 2}}};
    w.member("ann", "r");
    const auto bob = w.member("bob", "r");
    CHECK(w.join(make_fake("cat"), "r").refusal == Refusal::room_full);
    CHECK(w.join(make_fake("ann/2"), "r").status == JoinStatus::device_added);
    w.rooms.disconnect(bob);
    CHECK(w.join(make_fake("cat"), "r").status == JoinStatus::joined);
}

TEST_CASE("a locked room lets in only who is there") {
    World w;
    const auto ann = w.member("ann", "r");
    CHECK(w.rooms.lock_room("r", true));
    CHECK(w.join(make_fake("bob"), "r").refusal == Refusal::room_locked);
    CHECK(w.join(make_fake("ann/2"), "r").status == JoinStatus::device_added);
    CHECK(w.rooms.lock_room("r", false));
    CHECK(w.join(make_fake("bob"), "r"));
    CHECK_FALSE(w.rooms.lock_room("s", true));
}

TEST_CASE("by default a user's oldest connection makes way for the newest", "[invariant-10]") {
    World w{{.max_devices = 2}};
    const auto one = w.member("ann/1", "r"), two = w.member("ann/2", "r"), three = w.member("ann/3", "r");
    CHECK(one->frames() == Texts{"! 4004 r"});
    CHECK(two->frames().empty());
    CHECK(w.rooms.count("r") == Counts{1, 2});
    const auto four = make_fake("ann/4");
    CHECK(w.rooms.attach(four, "ann").status == AttachStatus::attached);
    CHECK(two->frames() == Texts{"! 4004 r"});
    CHECK(w.rooms.count("r") == Counts{1, 1});
    CHECK(w.rooms.count() == Counts{1, 2});
    w.after(3s);
    CHECK(one->heard().back() == Heard{Heard::Kind::close, "too many devices", CloseCode::too_many_devices});
}

TEST_CASE("the newest device can be refused instead", "[invariant-10]") {
    World w{{.max_devices = 2, .devices = DeviceLimit::refuse}};
    const auto one = w.member("ann/1", "r"), two = w.member("ann/2", "r"), three = make_fake("ann/3");
    CHECK(w.join(three, "r").refusal == Refusal::too_many_devices);
    CHECK(w.rooms.attach(three, "ann").refusal == Refusal::too_many_devices);
    CHECK(w.rooms.join(two, {.room = "r"}).status == JoinStatus::already_here);
    // Who comes into another room evicts the others, so there is place again.
    CHECK(w.join(three, "s").status == JoinStatus::migrated);
    CHECK(w.rooms.count() == Counts{1, 1});
    CHECK(one->frames() == Texts{"! 4003 s"});
}

TEST_CASE("rooms are limited, and without a lingering one a new one is refused", "[invariant-10]") {
    World w{{.max_rooms = 2}};
    const auto ann = w.member("ann", "a");
    w.member("bob", "b");
    CHECK(w.join(make_fake("cat"), "c").refusal == Refusal::too_many_rooms);
    CHECK(w.rooms.create_room("c", {}) == CreateStatus::refused);
    CHECK(w.join(make_fake("cat"), "a"));
    w.rooms.kick_user("ann", {});
    w.rooms.kick_user("cat", {});
    CHECK(w.join(make_fake("cat/2"), "c"));
}

TEST_CASE("the room that lingers longest makes way when rooms are at their limit", "[invariant-10]") {
    World w{{.max_rooms = 3, .room = {.linger = 60s}}};
    const auto ann = w.member("ann", "a"), bob = w.member("bob", "b"), cat = w.member("cat", "c");
    w.rooms.disconnect(bob);
    w.clock.advance(1s);
    w.rooms.disconnect(ann);
    w.member("dan", "d");
    CHECK(w.rooms.count("b") == std::nullopt);
    CHECK(w.rooms.count("a") == Counts{0, 0});
    w.member("eve", "e");
    CHECK(w.rooms.count("a") == std::nullopt);
    CHECK(w.join(make_fake("fay"), "f").refusal == Refusal::too_many_rooms);
    CHECK(w.rooms.room_count() == 3);
}

TEST_CASE("a connection takes as many rooms as it may", "[invariant-10]") {
    World w{{.membership = Membership::many_rooms, .max_rooms_per_connection = 2}};
    const auto ann = w.member("ann", "a");
    REQUIRE(w.join(ann, "b"));
    CHECK(w.join(ann, "c").refusal == Refusal::too_many_rooms_of_connection);
    CHECK(w.join(ann, "b").status == JoinStatus::already_here);
    REQUIRE(w.rooms.leave(ann, "a") == LeaveStatus::left);
    CHECK(w.join(ann, "c"));
}

TEST_CASE("connections are limited, but removed ones do not count", "[invariant-10]") {
    World w{{.max_connections = 2}};
    const auto ann = w.member("ann", "r");
    REQUIRE(w.rooms.attach(make_fake()));
    CHECK(w.join(make_fake("bob"), "r").refusal == Refusal::too_many_connections);
    CHECK(w.rooms.attach(make_fake()).refusal == Refusal::too_many_connections);
    CHECK(w.join(ann, "s").status == JoinStatus::migrated);
    w.rooms.kick_user("ann", {});
    CHECK(w.join(make_fake("bob"), "r"));
}

TEST_CASE("limits of zero do not limit") {
    World w{{.membership = Membership::many_rooms}};
    const auto ann = make_fake("ann");
    for (int i = 0; i < 300; ++i) REQUIRE(w.join(ann, "room " + std::to_string(i)));
    for (int i = 0; i < 300; ++i) REQUIRE(w.rooms.attach(make_fake(), "ann"));
    CHECK(w.rooms.count() == Counts{1, 301});
    CHECK(w.rooms.room_count() == 300);
}
