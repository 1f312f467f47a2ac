// SPDX-License-Identifier: MIT
#include <algorithm>

#include "unit/registry/world.hpp"

namespace {
using namespace unit;
}

TEST_CASE("a room made ahead waits for its first member, and is nobody's") {
    World w;
    CHECK(w.rooms.create_room("r", {}) == CreateStatus::created);
    CHECK(w.rooms.create_room("r", {}) == CreateStatus::exists);
    CHECK(w.rooms.create_room("", {}) == CreateStatus::refused);
    w.after(1h);
    CHECK(w.rooms.count("r") == Counts{0, 0});
    CHECK(w.rooms.creator("r") == std::nullopt);
    CHECK(w.rooms.creator("s") == std::nullopt);
    const auto ann = w.member("ann", "r");
    CHECK(w.log->replies.back().creator.empty());
    w.rooms.disconnect(ann);
    CHECK(w.rooms.room_count() == 0);
    CHECK(w.log->events.back() == "room_closed r");
}

TEST_CASE("a room that is kept stays when empty") {
    World w{{.room = {.linger = 1s}}};
    w.rooms.create_room("r", {.linger = 1s, .keep_empty = true});
    const auto ann = w.member("ann", "r");
    w.rooms.disconnect(ann);
    w.after(1h);
    CHECK(w.rooms.count("r") == Counts{0, 0});
}

TEST_CASE("a lingering room waits as long as it should and not longer") {
    World w{{.room = {.linger = 60s}}};
    const auto ann = w.member("ann", "r");
    w.rooms.disconnect(ann);
    CHECK(w.wakes == std::vector<TimePoint>{w.clock.now() + 60s});
    w.after(60s - 1ms);
    CHECK(w.rooms.room_count() == 1);
    w.after(1ms);
    CHECK(w.rooms.room_count() == 0);
}

TEST_CASE("a lingering room that is entered again lingers anew") {
    World w{{.room = {.linger = 60s}}};
    const auto ann = w.member("ann", "r");
    w.rooms.disconnect(ann);
    w.after(50s);
    const auto bob = w.member("bob", "r");
    w.after(50s);
    CHECK(w.rooms.is_member(bob, "r"));
    w.rooms.disconnect(bob);
    w.after(50s);
    CHECK(w.rooms.room_count() == 1);
    w.after(10s);
    CHECK(w.rooms.room_count() == 0);
}

TEST_CASE("a room without join or message for its idle time is closed") {
    World w{{.room = {.idle = 60s}}};
    const auto ann = w.member("ann", "r");
    w.after(60s);
    CHECK(w.rooms.is_member(ann, "r"));
    w.rooms.broadcast("r", "x");
    w.after(60s);
    CHECK(w.rooms.is_member(ann, "r"));
    w.after(60s);
    CHECK_FALSE(w.rooms.is_member(ann, "r"));
    CHECK(w.rooms.room_count() == 0);
    CHECK(ann->frames() == Texts{"x", "! 4006 r"});
    w.after(3s);
    CHECK(ann->heard().back().text == "the room was idle");
}

TEST_CASE("a room ends at its time, with everybody in it") {
    World w;
    const TimePoint end = w.clock.now() + 1h;
    w.rooms.create_room("r", {.ends_at = end});
    const auto ann = w.member("ann", "r");
    CHECK(w.rooms.poll() == end);
    w.after(1h - 1ms);
    CHECK(w.rooms.is_member(ann, "r"));
    w.after(1ms);
    CHECK(w.rooms.room_count() == 0);
    CHECK(ann->frames() == Texts{"! 4006 r"});
    w.after(3s);
    CHECK(ann->heard().back().text == "the room has ended");
}

TEST_CASE("closing a room removes all at once, tells them, then closes") {
    World w;
    const auto ann = w.member("ann", "r"), bob = w.member("bob", "r");
    ann->on_send = [&](std::string_view) {
        CHECK(w.rooms.count("r") == std::nullopt);
        CHECK_FALSE(w.rooms.is_member(bob, "r"));
    };
    CHECK(w.rooms.close_room("r", {CloseCode::room_closed, "over"}));
    CHECK_FALSE(w.rooms.close_room("r"));
    CHECK(ann->frames() == Texts{"! 4006 r"});
    CHECK(bob->frames() == Texts{"! 4006 r"});
    w.after(3s);
    CHECK(bob->heard().back() == Heard{Heard::Kind::close, "over", CloseCode::room_closed});
    CHECK(w.rooms.count() == Counts{0, 0});
}

TEST_CASE("a room closed in the middle of a message sends the rest of it to nobody", "[invariant-4]") {
    World w{{.membership = Membership::many_rooms}};
    const auto ann = w.member("ann", "r"), bob = w.member("bob", "r"), cat = w.member("cat", "r");
    ann->on_send = [&](std::string_view frame) {
        if (frame == "1") w.rooms.broadcast("r", "2");
        if (frame == "1") w.rooms.close_room("r");
    };
    w.rooms.broadcast("r", "1");
    CHECK(ann->frames() == Texts{"1", "x r 4006"});
    CHECK(bob->frames() == Texts{"x r 4006"});
    CHECK(cat->frames() == Texts{"x r 4006"});
}

TEST_CASE("a join that was not told yet when its room closed hears only the farewell") {
    World w;
    const auto ann = w.member("ann", "r"), bob = make_fake("bob");
    ann->on_send = [&](std::string_view frame) {
        if (frame != "1") return;
        REQUIRE(w.join(bob, "r"));
        w.rooms.close_room("r");
    };
    w.rooms.broadcast("r", "1");
    CHECK(bob->frames() == Texts{"! 4006 r"});
}

TEST_CASE("a large room is closed in steps, between which others can act", "[invariant-15]") {
    World w;
    std::vector<FakeConnection> members;
    for (int i = 0; i < 10'000; ++i) members.push_back(w.member("u" + std::to_string(i), "r"));
    const auto other = w.member("other", "elsewhere");
    const auto& last = members.front();
    std::size_t before = w.rooms.count().connections, most = 0, steps = 0, acted = 0;
    const Watch watch([&] {
        const std::size_t now = w.rooms.count().connections;
        if (now < before) {
            ++steps;
            most = std::max(most, before - now);
        }
        before = now;
        if (now > 1000 && w.rooms.count("r") == std::nullopt && acted < 50) {
            ++acted;
            // Somebody else goes on; a member of the closed room can no more.
            CHECK(w.rooms.publish(other, "elsewhere", "x") != Delivery::not_in_room);
            CHECK_FALSE(w.rooms.is_member(last, "r"));
            CHECK(w.rooms.publish(last, "r", "x") == Delivery::no_room);
            CHECK(w.rooms.rooms_of(last).empty());
            CHECK(w.rooms.room_of("u0") == std::nullopt);
        }
    });
    REQUIRE(w.rooms.close_room("r"));
    while (w.rooms.count().connections > 1) w.rooms.poll();
    CHECK(acted > 10);
    CHECK(steps >= 10'000 / 256);
    CHECK(most <= 256);
    std::size_t told = 0;
    for (const auto& c : members) told += c->frames() == Texts{"! 4006 r"};
    CHECK(told == members.size());
}

TEST_CASE("a member of a closed room that was not taken apart yet can be kicked, or go elsewhere") {
    for (const bool keep : {false, true}) {
        World w{{.last_room = keep ? LastRoom::keep : LastRoom::close}};
        std::vector<FakeConnection> members;
        for (int i = 0; i < 600; ++i) members.push_back(w.member("u" + std::to_string(i), "r"));
        bool acted = false;
        members.back()->on_send = [&](std::string_view) {
            if (std::exchange(acted, true)) return;
            CHECK_FALSE(w.rooms.kick_from("r", "u0", {}));
            CHECK(w.rooms.kick_user("u1", {}).connections == (keep ? 1 : 0));
            CHECK(w.join(members[2], "s").status == (keep ? JoinStatus::joined : JoinStatus::refused));
            CHECK(w.rooms.leave_all(members[3]) == 0);
            w.rooms.disconnect(members[4]);
        };
        REQUIRE(w.rooms.close_room("r"));
        CHECK(acted);
        CHECK(w.rooms.count().connections == (keep ? 598 : 0));
        CHECK(members[0]->frames() == Texts{keep ? "x r 4006" : "! 4006 r"});
        CHECK(members[4]->frames().empty());
        CHECK(w.rooms.rooms_of(members[2]) == (keep ? Texts{"s"} : Texts{}));
    }
}

TEST_CASE("shutdown removes all in batches, through poll, and refuses newcomers") {
    World w;
    std::vector<FakeConnection> members;
    for (int i = 0; i < 25; ++i) members.push_back(w.member("u" + std::to_string(i), "room " + std::to_string(i % 3)));
    REQUIRE(w.rooms.attach(make_fake()));
    w.rooms.shutdown({CloseCode::restarting, "restart", 500ms}, 10, 100ms);
    CHECK(w.wakes.back() == w.clock.now());
    CHECK(w.rooms.count().connections == 26);
    CHECK(w.join(make_fake("late"), "r").refusal == Refusal::shutting_down);
    CHECK(w.rooms.attach(make_fake()).refusal == Refusal::shutting_down);
    CHECK(w.rooms.create_room("r", {}) == CreateStatus::refused);
    CHECK(w.rooms.poll() == w.clock.now() + 100ms);
    CHECK(w.rooms.count().connections == 16);
    w.after(99ms);
    CHECK(w.rooms.count().connections == 16);
    w.after(1ms);
    CHECK(w.rooms.count().connections == 6);
    w.after(100ms);
    CHECK(w.rooms.count() == Counts{0, 0});
    CHECK(w.rooms.room_count() == 0);
    for (const auto& c : members) CHECK(c->frames().front().starts_with("! 4200 room"));
    w.after(3s);
    for (const auto& c : members) CHECK(c->heard().back() == Heard{Heard::Kind::close, "restart", CloseCode::restarting});
    w.after(5s);
    CHECK(w.rooms.poll() == TimePoint::max());
}

TEST_CASE("a Room always means its name, also after the room has gone and come again") {
    World w;
    auto room = w.rooms.room("r");
    CHECK(room.broadcast("nobody") == Delivery::no_room);
    const auto ann = w.member("ann", "r");
    CHECK(room.broadcast("1") == Delivery::sent);
    w.rooms.disconnect(ann);
    CHECK(room.broadcast("nobody") == Delivery::no_room);
    const auto bob = w.member("bob", "r");
    CHECK(room.broadcast("2") == Delivery::sent);
    w.rooms.close_room("r");
    CHECK(room.broadcast("nobody") == Delivery::no_room);
    CHECK(room.count() == std::nullopt);
    CHECK(ann->frames() == Texts{"1"});
    CHECK(bob->frames() == Texts{"2", "! 4006 r"});
}

TEST_CASE("Rooms can be copied, moved and assigned") {
    World w;
    const auto ann = w.member("ann", "r");
    auto one = w.rooms.room("r");
    one.broadcast("1");
    auto two = one;
    two.broadcast("2");
    auto three = std::move(one);
    three.broadcast("3");
    auto other = w.rooms.room("s");
    other = three;
    other.broadcast("4");
    CHECK(other.id() == "r");
    CHECK(ann->frames() == Texts{"1", "2", "3", "4"});
}
