// SPDX-License-Identifier: MIT
// Where nobody is told of joins and ends, none of them waits for a room that
// nobody works in; for one that somebody works in they wait as elsewhere.
#include <array>
#include <functional>

#include "unit/allocations.hpp"
#include "unit/registry/world.hpp"

namespace {
using namespace unit;

struct Listener {
    Texts heard;
    std::function<void()> once_on_send;
    int closed = 0;
    SendStatus send(const Frame& frame) {
        heard.emplace_back(frame);
        if (auto action = std::exchange(once_on_send, nullptr)) action();
        return SendStatus::accepted;
    }
    void close(CloseCode, std::string_view) { ++closed; }
    void terminate() {}
};
struct SilentTraits : DefaultTraits {
    using clock = ManualClock;
    using events = SilentEvents;
};
using SilentRooms = RoomRegistry<Listener*, SilentTraits>;
}  // namespace

TEST_CASE("in a silent registry who has joined hears the next message, who has gone none", "[invariant-2]") {
    SilentRooms rooms;
    Listener ann, bob, eve;
    REQUIRE(rooms.join(&ann, {.user = "ann", .room = "r"}));
    REQUIRE(rooms.join(&bob, {.user = "bob", .room = "r"}));
    REQUIRE(rooms.join(&eve, {.user = "eve", .room = "r"}));
    rooms.broadcast("r", Frame("1"));
    CHECK(rooms.leave(&bob, "r") == LeaveStatus::left);
    rooms.broadcast("r", Frame("2"));
    CHECK(rooms.join(&ann, {.user = "ann", .room = "s"}).status == JoinStatus::migrated);
    rooms.broadcast("r", Frame("3"));
    rooms.broadcast("s", Frame("4"));
    CHECK(rooms.kick_user("eve", {CloseCode::removed_from_room, "spam"}).connections == 1);
    CHECK(eve.closed == 1);
    CHECK(rooms.room_count() == 1);
    CHECK(rooms.join(&bob, {.user = "bob", .room = "s"}).status == JoinStatus::joined);
    CHECK(rooms.join(&bob, {.user = "bob", .room = "s"}).status == JoinStatus::already_here);
    rooms.broadcast("s", Frame("5"));
    CHECK(ann.heard == Texts{"1", "2", "4", "5"});
    CHECK(bob.heard == Texts{"1", "5"});
    CHECK(eve.heard == Texts{"1", "2", "3"});
}

TEST_CASE("in a silent registry who joins or goes while a room is at work waits for it", "[invariant-2]") {
    SilentRooms rooms;
    std::array<Listener, 4> here;
    Listener late;
    for (std::size_t i = 0; i < here.size(); ++i)
        REQUIRE(rooms.join(&here[i], {.user = "user" + std::to_string(i), .room = "r"}));
    here[0].once_on_send = [&] {
        CHECK(rooms.leave(&here[0], "r") == LeaveStatus::left);
        CHECK(rooms.leave(&here[2], "r") == LeaveStatus::left);
        rooms.broadcast("r", Frame("2"));
        CHECK(rooms.join(&late, {.user = "late", .room = "r"}).status == JoinStatus::joined);
        rooms.broadcast("r", Frame("3"));
    };
    rooms.broadcast("r", Frame("1"));
    CHECK(here[0].heard == Texts{"1"});
    CHECK(here[1].heard == Texts{"1", "2", "3"});
    CHECK(here[2].heard.empty());
    CHECK(here[3].heard == Texts{"1", "2", "3"});
    CHECK(late.heard == Texts{"3"});
    CHECK(rooms.count("r")->connections == 3);
}

TEST_CASE("in a silent registry who joins hears nothing that was said before, though it waits for a batch",
          "[invariant-2]") {
    ManualClock clock;
    SilentRooms rooms({.room = {.batch_window = 10ms}}, {{}, {}, clock});
    Listener ann, bob;
    REQUIRE(rooms.join(&ann, {.user = "ann", .room = "r"}));
    for (const char* text : {"1", "2", "3"}) rooms.broadcast("r", Frame(text));
    REQUIRE(rooms.join(&bob, {.user = "bob", .room = "r"}));
    CHECK(ann.heard == Texts{"1", "2", "3"});
    rooms.broadcast("r", Frame("4"));
    clock.advance(10ms);
    rooms.poll();
    CHECK(ann.heard == Texts{"1", "2", "3", "4"});
    CHECK(bob.heard == Texts{"4"});
}

TEST_CASE("in a silent registry a user's other devices follow with their tags, and hear the new room alone",
          "[invariant-1]") {
    SilentRooms rooms({.others = OtherDevices::follow});
    Listener phone, tablet, laptop;
    REQUIRE(rooms.join(&phone, {.user = "ann", .room = "r", .tags = 1}));
    REQUIRE(rooms.join(&tablet, {.user = "ann", .room = "r", .tags = 2}));
    REQUIRE(rooms.join(&laptop, {.user = "ann", .room = "s", .tags = 4}));
    CHECK_FALSE(rooms.count("r"));
    CHECK(rooms.count("s") == Counts{1, 3});
    rooms.broadcast("s", Frame("all"));
    rooms.broadcast("s", Frame("tablets"), {.require = 2});
    CHECK(phone.heard == Texts{"all"});
    CHECK(tablet.heard == Texts{"all", "tablets"});
    CHECK(laptop.heard == Texts{"all"});
}

TEST_CASE("in a silent registry all of a user's many devices follow, though what they leave makes room for itself",
          "[invariant-1]") {
    constexpr std::size_t many = 400;  // slabs of memberships
    SilentRooms rooms({.others = OtherDevices::follow});
    std::vector<Listener> devices(many), others(many), last(many);
    for (std::size_t i = 0; i < many; ++i) {
        REQUIRE(rooms.join(&devices[i], {.user = "ann", .room = "r"}));
        REQUIRE(rooms.join(&others[i], {.user = "bob", .room = "r"}));
    }
    for (Listener& listener : last) REQUIRE(rooms.join(&listener, {.user = "bob", .room = "r"}));
    // Half of each slab is free now, and one is empty.
    for (Listener& listener : last) rooms.disconnect(&listener);
    for (Listener& listener : others) rooms.disconnect(&listener);
    REQUIRE(rooms.join(&devices[0], {.user = "ann", .room = "s"}));
    CHECK(rooms.count("s") == Counts{1, many});
    rooms.broadcast("s", Frame("all"));
    for (const Listener& listener : devices) REQUIRE(listener.heard == Texts{"all"});
}

TEST_CASE("in a silent registry who comes and goes leaves no memory, and needs none of its own for being told",
          "[invariant-11]") {
    const auto before = allocations::live_bytes();
    {
        SilentRooms rooms;
        Listener ann, bob;
        const auto empty = allocations::live_bytes();
        REQUIRE(rooms.join(&ann, {.user = "ann", .room = "r"}));
        for (int i = 0; i < 100; ++i) {
            const auto made = allocations::made();
            REQUIRE(rooms.join(&bob, {.user = "bob", .room = "r"}));
            if (i > 0) REQUIRE(allocations::made() == made);
            REQUIRE(rooms.leave(&bob, "r") == LeaveStatus::left);
        }
        rooms.disconnect(&bob);
        rooms.disconnect(&ann);
        CHECK(rooms.room_count() == 0);
        CHECK(allocations::live_bytes() == empty);
    }
    CHECK(allocations::live_bytes() == before);
}

TEST_CASE("in a silent registry who is removed for the same reason as the one before needs no memory for it",
          "[invariant-11]") {
    SilentRooms rooms;
    std::array<Listener, 4> listeners;
    for (Listener& listener : listeners)
        REQUIRE(rooms.join(&listener, {.user = std::to_string(&listener - listeners.data()), .room = "r"}));
    const std::string spam(1000, 's'), abuse(1000, 'a');
    REQUIRE(rooms.kick_user("0", {CloseCode::banned, spam}));
    const auto made = allocations::made();
    REQUIRE(rooms.kick_user("1", {CloseCode::banned, spam}));
    REQUIRE(rooms.kick_connection(&listeners[2], {CloseCode::banned, spam}));
    CHECK(allocations::made() == made);
    REQUIRE(rooms.kick_from("r", "3", {CloseCode::banned, abuse}));
    CHECK(allocations::made() == made + 1);
    for (const Listener& listener : listeners) CHECK(listener.closed == 1);
}
