// SPDX-License-Identifier: MIT
#include <thread>

#include "unit/registry/world.hpp"

namespace {
using namespace unit;
}

TEST_CASE("a removal goes: out of all indexes, farewell, close, terminate") {
    World w{{.grace = 3s, .close_timeout = 5s}};
    const auto ann = w.member("ann", "r"), bob = w.member("bob", "r");
    ann->on_send = [&](std::string_view) {
        CHECK_FALSE(w.rooms.is_member(ann, "r"));
        CHECK(w.rooms.count() == Counts{1, 1});
    };
    const Removal removal = w.rooms.kick_user("ann", {CloseCode::removed_from_room, "spam"});
    CHECK(removal.connections == 1);
    CHECK(removal.permitted);
    CHECK(removal);
    CHECK(w.rooms.count("r") == Counts{1, 1});
    CHECK(w.rooms.user_of(ann) == std::nullopt);
    CHECK(ann->heard() == std::vector<Heard>{{Heard::Kind::send, "! 4001 r"}});
    w.rooms.broadcast("r", "later");
    w.after(2999ms);
    CHECK(ann->heard().size() == 1);
    w.after(1ms);
    CHECK(ann->heard().back() == Heard{Heard::Kind::close, "spam", CloseCode::removed_from_room});
    CHECK(w.rooms.statistics().forced_closes == 1);
    w.after(4999ms);
    CHECK(ann->terminates() == 0);
    w.after(1ms);
    CHECK(ann->terminates() == 1);
    CHECK(w.rooms.statistics().terminated == 1);
    CHECK(ann->heard().size() == 3);
    CHECK_FALSE(w.rooms.disconnect(ann));
    CHECK(bob->frames() == Texts{"later"});
}

TEST_CASE("the transport's end at any step of a removal ends it", "[invariant-12]") {
    for (const int steps : {0, 1, 2}) {
        World w{{.grace = 1s, .close_timeout = 1s}};
        auto ann = w.member("ann", "r");
        std::weak_ptr<FakeSession> session = ann;
        w.rooms.kick_connection(ann, {});
        for (int i = 0; i < steps; ++i) w.after(1s);
        CHECK(w.rooms.disconnect(ann) == (steps < 2));
        const auto said = ann->heard().size();
        w.after(1h);
        CHECK(ann->heard().size() == said);
        ann.reset();
        CHECK(session.expired());
    }
}

TEST_CASE("a grace period of nothing closes with the next poll") {
    World w{{.grace = 0ms, .close_timeout = 0ms}};
    const auto ann = w.member("ann", "r");
    w.rooms.kick_user("ann", {});
    CHECK(ann->closes() == 0);
    w.rooms.poll();
    CHECK(ann->closes() == 1);
    w.rooms.poll();
    CHECK(ann->terminates() == 1);
}

TEST_CASE("a farewell of no text, or that cannot be written, closes at once") {
    World w;
    const auto ann = w.member("ann", "r"), bob = w.member("bob", "r");
    w.rooms.kick_user("bob", {CloseCode::banned, "throw"});
    CHECK(bob->heard() == std::vector<Heard>{{Heard::Kind::close, "throw", CloseCode::banned}});
    w.log->silent_farewells = true;
    w.rooms.kick_user("ann", {CloseCode::banned, "bye"});
    CHECK(ann->heard() == std::vector<Heard>{{Heard::Kind::close, "bye", CloseCode::banned}});
}

TEST_CASE("a close whose farewell the connection did not take comes at once") {
    World w;
    const auto ann = w.member("ann", "r");
    ann->fail_on(1);
    w.rooms.kick_user("ann", {CloseCode::banned, "bye"});
    CHECK(ann->heard() == std::vector<Heard>{{Heard::Kind::close, "bye", CloseCode::banned}});
    CHECK(w.rooms.statistics().broken_connections == 0);
}

TEST_CASE("after a kick the same thread sends nothing but the farewell", "[invariant-4]") {
    World w;
    const auto ann = w.member("ann", "r"), bob = w.member("bob", "r"), cat = w.member("cat", "r");
    ann->on_send = [&](std::string_view frame) {
        if (frame == "1") w.rooms.kick_user("cat", {});
        if (frame == "1") w.rooms.broadcast("r", "2");
    };
    w.rooms.broadcast("r", "1");
    CHECK(cat->frames() == Texts{"! 4001 r"});
    CHECK(bob->frames() == Texts{"1", "2"});
}

TEST_CASE("after a kick on another thread at most the send under way arrives, then the farewell", "[invariant-4]") {
    World w;
    const auto ann = w.member("ann", "r"), bob = w.member("bob", "r"), cat = w.member("cat", "r");
    std::size_t in_send = 0;
    ann->on_send = [&](std::string_view frame) {
        if (frame != "1") return;
        // The kick returns while this message is under way; the farewell must
        // not overtake what this thread is about to send.
        std::thread([&] {
            CHECK(w.rooms.kick_user("ann", {}).connections == 1);
            CHECK(w.rooms.kick_user("cat", {}).connections == 1);
        }).join();
        in_send = ann->frames().size() + cat->frames().size();
    };
    w.rooms.broadcast("r", "1");
    w.rooms.broadcast("r", "2");
    CHECK(in_send == 1);
    CHECK(ann->frames() == Texts{"1", "! 4001 r"});
    CHECK(cat->frames() == Texts{"! 4001 r"});
    CHECK(bob->frames() == Texts{"1", "2"});
}

TEST_CASE("nothing of a room that waited for a busy connection comes after it was removed", "[invariant-4]") {
    World w;
    const auto ann = w.member("ann", "r");
    ann->stall();
    w.rooms.broadcast("r", "1");
    w.rooms.send_to_user("ann", "personal");
    w.rooms.broadcast("r", "2");
    w.rooms.kick_user("ann", {});
    ann->release();
    w.rooms.writable(ann);
    CHECK(ann->frames() == Texts{"personal", "! 4001 r"});
}

TEST_CASE("a member kicked from the room hears so within 1,024 sends of the message under way", "[invariant-4]") {
    World w{{.membership = Membership::many_rooms, .turn_sends = 0}};
    std::vector<FakeConnection> members;
    for (int i = 0; i < 3000; ++i) members.push_back(w.member("u" + std::to_string(i), "r"));
    std::size_t sent = 0, at_farewell = 0;
    for (const auto& c : members)
        c->on_send = [&](std::string_view frame) {
            if (++sent == 100) w.rooms.kick_from("r", "u5", {});
            if (frame.starts_with('x')) at_farewell = sent;
        };
    w.rooms.broadcast("r", "message");
    CHECK(at_farewell > 100);
    CHECK(at_farewell <= 100 + 1024);
    CHECK(sent == 3001);
}

TEST_CASE("kicking a user takes all devices, kicking a connection only that") {
    World w;
    const auto one = w.member("ann/1", "r"), two = w.member("ann/2", "r"), three = make_fake("ann/3");
    REQUIRE(w.rooms.attach(three, "ann"));
    CHECK(w.rooms.kick_connection(one, {CloseCode::banned}).connections == 1);
    CHECK(one->frames() == Texts{"! 4005 r"});
    CHECK(w.rooms.count() == Counts{1, 2});
    CHECK(w.rooms.kick_connection(one, {}).connections == 0);
    CHECK(w.rooms.kick_user("ann", {}).connections == 2);
    CHECK(two->frames() == Texts{"! 4001 r"});
    CHECK(three->frames() == Texts{"! 4001"});
    CHECK_FALSE(w.rooms.kick_user("ann", {}));
    CHECK_FALSE(w.rooms.kick_connection(make_fake(), {}));
    CHECK(w.rooms.count() == Counts{0, 0});
}

TEST_CASE("kicked from its only room a connection goes altogether, by the default of one room") {
    World w;
    const auto one = w.member("ann/1", "r"), two = w.member("ann/2", "r");
    w.member("bob", "r");
    CHECK(w.rooms.kick_from("r", "ann", {CloseCode::banned}).connections == 2);
    CHECK(one->frames() == Texts{"! 4005 r"});
    CHECK(two->frames() == Texts{"! 4005 r"});
    CHECK(w.rooms.count() == Counts{1, 1});
}

TEST_CASE("kicked from one of many rooms a connection hears `removed` and stays", "[invariant-7]") {
    World w{{.membership = Membership::many_rooms}};
    const auto ann = w.member("ann", "a");
    REQUIRE(w.join(ann, "b"));
    forget(ann);
    CHECK(w.rooms.kick_from("b", "ann", {}).connections == 1);
    CHECK(w.rooms.kick_from("a", "ann", {}).connections == 1);
    w.after(1h);
    CHECK(ann->heard() == std::vector<Heard>{{Heard::Kind::send, "x b 4001"}, {Heard::Kind::send, "x a 4001"}});
    CHECK(w.rooms.count() == Counts{1, 1});
}

TEST_CASE("with many rooms the loss of the last one can be a reason to close") {
    World w{{.membership = Membership::many_rooms, .last_room = LastRoom::close}};
    const auto ann = w.member("ann", "a");
    REQUIRE(w.join(ann, "b"));
    forget(ann);
    w.rooms.kick_from("a", "ann", {});
    w.rooms.kick_from("b", "ann", {});
    CHECK(ann->frames() == Texts{"x a 4001", "! 4001 b"});
    CHECK(w.rooms.count() == Counts{0, 0});
}

TEST_CASE("only a member may kick on its own behalf, and only who is there") {
    World w;
    const auto ann = w.member("ann", "r"), bob = w.member("bob", "r"), eve = w.member("eve", "other");
    const Removal by_stranger = w.rooms.kick_from("r", "bob", {}, &eve);
    CHECK_FALSE(by_stranger.permitted);
    CHECK(by_stranger.connections == 0);
    CHECK(w.rooms.is_member(bob, "r"));
    const Removal of_absent = w.rooms.kick_from("r", "eve", {}, &ann);
    CHECK(of_absent.permitted);
    CHECK(of_absent.connections == 0);
    CHECK(w.rooms.kick_from("no room", "bob", {}).connections == 0);
    CHECK_FALSE(w.rooms.kick_from("no room", "bob", {}, &ann).permitted);
    const Removal by_member = w.rooms.kick_from("r", "bob", {}, &ann);
    CHECK(by_member.permitted);
    CHECK(by_member.connections == 1);
    CHECK_FALSE(w.rooms.kick_from("r", "ann", {}, &bob).permitted);
}

TEST_CASE("a gone transport takes its memberships along and hears nothing") {
    World w{{.membership = Membership::many_rooms}};
    const auto ann = w.member("ann", "a"), bob = w.member("bob", "a");
    REQUIRE(w.join(ann, "b"));
    forget(ann);
    w.log->events.clear();
    CHECK(w.rooms.disconnect(ann));
    CHECK_FALSE(w.rooms.disconnect(ann));
    CHECK(w.rooms.count() == Counts{1, 1});
    w.rooms.broadcast("a", "x");
    w.after(1h);
    CHECK(ann->heard().empty());
    CHECK(w.log->events == Texts{"left a ann/ann disconnected*", "left b ann/ann disconnected*", "room_closed b"});
}

TEST_CASE("a failing send ends that connection alone, with one leave that says why", "[invariant-8]") {
    for (const bool throwing : {false, true}) {
        World w;
        const auto ann = w.member("ann", "r"), bob = w.member("bob", "r"), cat = w.member("cat", "r");
        w.log->events.clear();
        if (throwing) ann->throw_on(2);
        else ann->fail_on(2);
        for (const auto& text : numbered("m", 1, 4)) w.rooms.broadcast("r", text);
        CHECK(bob->frames() == numbered("m", 1, 4));
        CHECK(cat->frames() == numbered("m", 1, 4));
        CHECK(ann->frames() == Texts{"m1"});
        CHECK(w.log->events == Texts{"left r ann/ann broken internal_error*"});
        CHECK(w.rooms.count("r") == Counts{2, 2});
        CHECK(w.rooms.statistics().broken_connections == 1);
        CHECK(ann->attempts() == 3);
        CHECK(ann->terminates() == 1);
        w.rooms.disconnect(ann);
        CHECK(w.log->events.size() == 1);
    }
}

TEST_CASE("a connection whose every member breaks empties the room in one message", "[invariant-8]") {
    World w;
    std::vector<FakeConnection> members;
    for (int i = 0; i < 50; ++i) {
        members.push_back(w.member("u" + std::to_string(i), "r"));
        members.back()->throw_on(1);
    }
    w.log->events.clear();
    w.rooms.broadcast("r", "x");
    CHECK(w.log->events.size() == 51);
    CHECK(w.log->events.back() == "room_closed r");
    CHECK(w.rooms.count() == Counts{0, 0});
}

TEST_CASE("a broken outbox, reply or direct send ends the connection once", "[invariant-8]") {
    World w;
    const auto ann = w.member("ann", "r"), bob = make_fake("bob"), cat = w.member("cat", "r");
    ann->stall();
    w.rooms.broadcast("r", "1");
    ann->fail_on(1);
    w.rooms.writable(ann);
    CHECK_FALSE(w.rooms.is_member(ann, "r"));
    bob->fail_on(1);
    REQUIRE(w.join(bob, "r"));
    CHECK_FALSE(w.rooms.is_member(bob, "r"));
    cat->throw_on(1);
    CHECK_FALSE(w.rooms.send(cat, "x"));
    CHECK_FALSE(w.rooms.is_member(cat, "r"));
    CHECK(w.rooms.statistics().broken_connections == 3);
    CHECK(w.rooms.count() == Counts{0, 0});
}

TEST_CASE("a late disconnect of an old connection does not touch its user's new one", "[invariant-12]") {
    World w;
    const auto old = w.member("ann/old", "r");
    w.rooms.kick_connection(old, {});
    const auto young = w.member("ann/young", "r");
    CHECK(w.rooms.count() == Counts{1, 1});
    CHECK(w.rooms.disconnect(old));
    CHECK(w.rooms.count() == Counts{1, 1});
    CHECK(w.rooms.is_member(young, "r"));
    CHECK(w.rooms.send_to_user("ann", "hello") == 1);
    w.after(1h);
    CHECK(young->heard() == std::vector<Heard>{{Heard::Kind::send, "hello"}});
}

TEST_CASE("a late close and terminate of an old connection do not touch its user's new one", "[invariant-12]") {
    World w;
    const auto old = w.member("ann/old", "r");
    w.rooms.kick_connection(old, {});
    const auto young = w.member("ann/young", "r");
    w.after(3s);
    w.after(5s);
    CHECK(old->terminates() == 1);
    CHECK(w.rooms.has_member("r", "ann"));
    CHECK(w.rooms.count() == Counts{1, 1});
    CHECK(young->heard().empty());
}

TEST_CASE("a member of a closed room is no member of the room that takes its name", "[invariant-12]") {
    World w{{.membership = Membership::many_rooms}};
    std::vector<FakeConnection> members;
    for (int i = 0; i < 600; ++i) members.push_back(w.member("u" + std::to_string(i), "r"));
    const auto young = make_fake("young");
    bool entered = false;
    members.back()->on_send = [&](std::string_view) {
        if (std::exchange(entered, true)) return;
        // Most of the old room has not been taken apart yet.
        CHECK(w.join(young, "r").status == JoinStatus::joined);
        CHECK_FALSE(w.rooms.is_member(members[0], "r"));
        CHECK(w.rooms.publish(members[0], "r", "x") == Delivery::not_in_room);
        CHECK(w.rooms.leave(members[0], "r") == LeaveStatus::not_in_room);
    };
    REQUIRE(w.rooms.close_room("r"));
    CHECK(entered);
    CHECK(w.rooms.count("r") == Counts{1, 1});
    CHECK(w.rooms.is_member(young, "r"));
    CHECK(young->frames() == Texts{"+r"});
    for (const auto& c : members) CHECK(c->frames() == Texts{"x r 4006"});
}

TEST_CASE("kicking cannot be undone by a join from the farewell") {
    World w;
    const auto ann = w.member("ann", "r");
    ann->on_send = [&](std::string_view) { CHECK(w.join(ann, "r").refusal == Refusal::closing); };
    w.rooms.kick_user("ann", {});
    CHECK(w.rooms.count() == Counts{0, 0});
}

TEST_CASE("the farewell waits for a direct send under way on another thread") {
    World w;
    const auto ann = w.member("ann", "r");
    ann->on_send = [&](std::string_view frame) {
        if (frame != "slow") return;
        std::thread([&] { w.rooms.kick_user("ann", {}); }).join();
        CHECK(ann->frames().back() == "slow");
    };
    w.rooms.send(ann, "slow");
    CHECK(ann->frames() == Texts{"slow", "! 4001 r"});
}
