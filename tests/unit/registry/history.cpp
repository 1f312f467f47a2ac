// SPDX-License-Identifier: MIT
#include "unit/registry/world.hpp"

namespace {
using namespace unit;

/// A world with a room `r` that stays, and `count` messages in it.
struct Past : World {
    Past(std::size_t count, RoomOptions room, Options o = {}) : World(std::move(o)) {
        room.keep_empty = true;
        rooms.create_room("r", room);
        for (const auto& text : numbered("m", 1, count)) rooms.broadcast("r", text);
    }

    std::uint64_t epoch() { return rooms.position("r")->epoch; }
    Reply ask(std::optional<Position> since, std::size_t history = 0) {
        const auto c = make_fake("reader" + std::to_string(++readers_));
        REQUIRE(rooms.join(c, {.user = c->name(), .room = "r", .history = history, .since = since}));
        CHECK(c->frames() == Texts{"+r"});
        rooms.disconnect(c);
        return log->replies.back();
    }

private:
    int readers_ = 0;
};
}  // namespace

TEST_CASE("a join gets the newest messages it asks for, oldest first") {
    Past w(7, {.history = 5});
    CHECK(w.ask({}).history.empty());
    CHECK(w.ask({}, 2).history == Texts{"6=m6", "7=m7"});
    const Reply all = w.ask({}, 100);
    CHECK(all.history == Texts{"3=m3", "4=m4", "5=m5", "6=m6", "7=m7"});
    CHECK_FALSE(all.was_recovering);
    CHECK_FALSE(all.recovered);
    CHECK(all.position == Position{w.epoch(), 7});
}

TEST_CASE("a join gets everything after the position it has seen, exactly once", "[invariant-6]") {
    Past w(7, {.history = 5});
    for (std::uint64_t seen = 2; seen <= 7; ++seen) {
        const Reply reply = w.ask(Position{w.epoch(), seen}, 1);
        CHECK(reply.was_recovering);
        CHECK(reply.recovered);
        CHECK(reply.position.seq == 7);
        REQUIRE(reply.history.size() == 7 - seen);
        for (std::uint64_t i = seen + 1; i <= 7; ++i)
            CHECK(reply.history[i - seen - 1] == std::to_string(i) + "=m" + std::to_string(i));
    }
}

TEST_CASE("what history no longer reaches is not called recovered", "[invariant-6]") {
    Past w(7, {.history = 5});
    const Texts all{"3=m3", "4=m4", "5=m5", "6=m6", "7=m7"};
    for (const Position since : {Position{w.epoch(), 1}, Position{w.epoch(), 0}, Position{w.epoch() + 1, 6},
                                 Position{w.epoch(), 8}, Position{0, 0}}) {
        const Reply reply = w.ask(since);
        CHECK(reply.was_recovering);
        CHECK_FALSE(reply.recovered);
        CHECK(reply.history == all);
    }
}

TEST_CASE("a join's history is cut to the newest that fit, and then not called recovered", "[invariant-6]") {
    Past w(5, {.history = 100}, {.join_history_bytes = 4});
    const Reply reply = w.ask(Position{w.epoch(), 0});
    CHECK(reply.history == Texts{"4=m4", "5=m5"});
    CHECK_FALSE(reply.recovered);
    CHECK(w.ask(Position{w.epoch(), 3}).recovered);
}

TEST_CASE("a room keeps as many messages and bytes as it may", "[invariant-10]") {
    Past w(0, {.history = 100, .history_bytes = 10});
    w.rooms.broadcast("r", "12345");
    w.rooms.broadcast("r", "67890");
    CHECK(w.ask({}, 9).history == Texts{"1=12345", "2=67890"});
    w.rooms.broadcast("r", "a");
    CHECK(w.ask({}, 9).history == Texts{"2=67890", "3=a"});
    w.rooms.broadcast("r", "longer than all");
    CHECK(w.ask({}, 9).history.empty());
    CHECK_FALSE(w.ask(Position{w.epoch(), 3}).recovered);
    Past counted(50, {.history = 3, .history_bytes = 0});
    CHECK(counted.ask({}, 9).history.size() == 3);
}

TEST_CASE("a room without history still numbers, and recovers only who missed nothing") {
    Past w(3, RoomOptions{});
    CHECK(w.ask(Position{w.epoch(), 3}).recovered);
    const Reply behind = w.ask(Position{w.epoch(), 2});
    CHECK_FALSE(behind.recovered);
    CHECK(behind.history.empty());
}

TEST_CASE("between a reply and the first live message there is no gap and no repeat", "[invariant-6]") {
    World w{{.room = {.history = 100}}};
    const auto ann = w.member("ann", "r");
    const auto reader = make_fake("reader", 1);
    // Every send of the talker makes the next message; the reader joins amidst.
    int said = 1;
    ann->on_send = [&](std::string_view) {
        if (said == 10) CHECK(w.rooms.join(reader, {.user = "reader", .room = "r", .since = Position{w.rooms.position("r")->epoch, 4}}));
        if (said < 20) w.rooms.broadcast("r", "m" + std::to_string(++said));
    };
    w.rooms.broadcast("r", "m1");
    const Reply reply = w.log->replies.back();
    CHECK(reply.recovered);
    Texts heard = reply.history;
    for (const auto& frame : reader->frames())
        if (const auto colon = frame.find(':'); colon != frame.npos) heard.push_back(frame.substr(0, colon) + '=' + frame.substr(colon + 1));
    Texts expected;
    for (int i = 5; i <= 20; ++i) expected.push_back(std::to_string(i) + "=m" + std::to_string(i));
    CHECK(heard == expected);
}

TEST_CASE("a lingering room keeps its numbers and its history") {
    World w{{.room = {.history = 10, .linger = 60s}}};
    const auto ann = w.member("ann", "r");
    w.rooms.broadcast("r", "1");
    const Position before = *w.rooms.position("r");
    w.rooms.disconnect(ann);
    CHECK(w.rooms.count("r") == Counts{0, 0});
    w.after(59s);
    const auto bob = make_fake("bob");
    REQUIRE(w.rooms.join(bob, {.user = "bob", .room = "r", .since = Position{before.epoch, 0}}));
    CHECK(w.log->replies.back().recovered);
    CHECK(w.log->replies.back().history == Texts{"1=1"});
    w.after(60s);
    CHECK(w.rooms.room_count() == 1);
    w.rooms.disconnect(bob);
    w.after(60s);
    CHECK(w.rooms.room_count() == 0);
}

TEST_CASE("numbers that a lost room had given are not recovered from the next of its name", "[invariant-6]") {
    World w{{.room = {.history = 10}}};
    const auto ann = w.member("ann", "r");
    w.rooms.broadcast("r", "old");
    const Position before = *w.rooms.position("r");
    w.rooms.disconnect(ann);
    const auto bob = w.member("bob", "r");
    w.rooms.broadcast("r", "new");
    w.rooms.broadcast("r", "newer");
    const auto cat = make_fake("cat");
    REQUIRE(w.rooms.join(cat, {.user = "cat", .room = "r", .since = before}));
    CHECK_FALSE(w.log->replies.back().recovered);
    CHECK(w.log->replies.back().history == Texts{"1=new", "2=newer"});
}

TEST_CASE("a deleted message leaves its number in history, and all hear of it in the room's order", "[invariant-6]") {
    Options options;
    options.room.history = 10;
    World w{options};
    const auto ann = w.member("ann", "r");
    for (const auto& text : numbered("m", 1, 3)) w.rooms.broadcast("r", text);
    CHECK(w.rooms.delete_message("r", 2) == Delivery::sent);
    w.rooms.broadcast("r", "m4");
    CHECK(ann->frames() == Texts{"m1", "m2", "m3", "#r 2", "m4"});
    const auto bob = make_fake("bob");
    REQUIRE(w.rooms.join(bob, {.user = "bob", .room = "r", .since = Position{w.rooms.position("r")->epoch, 1}}));
    CHECK(w.log->replies.back().history == Texts{"2=#", "3=m3", "4=m4"});
    CHECK(w.log->replies.back().recovered);
}

TEST_CASE("what has no such message cannot delete it, nor who is not in the room") {
    World w;
    const auto ann = w.member("ann", "r"), eve = w.member("eve", "other");
    w.rooms.broadcast("r", "m1");
    CHECK(w.rooms.delete_message("nowhere", 1) == Delivery::no_room);
    CHECK(w.rooms.delete_message("r", 0) == Delivery::no_message);
    CHECK(w.rooms.delete_message("r", 2) == Delivery::no_message);
    CHECK(w.rooms.delete_message("r", 1, &eve) == Delivery::not_in_room);
    CHECK(w.rooms.delete_message("r", 1, &ann) == Delivery::sent);
    CHECK(ann->frames() == Texts{"m1", "#r 1"});
}

TEST_CASE("a deletion is never given up by a slow reader's outbox", "[invariant-10]") {
    World w{{.outbox_messages = 1}};
    const auto ann = w.member("ann", "r");
    w.rooms.broadcast("r", "m1");
    ann->stall();
    w.rooms.delete_message("r", 1);
    for (const auto& text : numbered("m", 2, 5)) w.rooms.broadcast("r", text);
    ann->release();
    w.rooms.writable(ann);
    CHECK(ann->frames() == Texts{"m1", "#r 1", "~r 3:2-4", "m5"});
}

TEST_CASE("a reset begins the numbers anew, in a new epoch and with an empty history") {
    Options options;
    options.room.history = 10;
    World w{options};
    const auto ann = w.member("ann", "r");
    w.rooms.broadcast("r", "m1");
    const auto before = *w.rooms.position("r");
    CHECK(w.rooms.reset("r") == Delivery::sent);
    CHECK(w.rooms.reset("nowhere") == Delivery::no_room);
    CHECK(w.rooms.position("r")->epoch != before.epoch);
    CHECK(w.rooms.position("r")->seq == 0);
    w.rooms.broadcast("r", "new 1");
    CHECK(ann->frames() == Texts{"m1", "^r", "new 1"});
    const auto bob = make_fake("bob");
    REQUIRE(w.rooms.join(bob, {.user = "bob", .room = "r", .since = before}));
    CHECK_FALSE(w.log->replies.back().recovered);
    CHECK(w.log->replies.back().history == Texts{"1=new 1"});
}

TEST_CASE("history older than its age is not given, nor called recovered", "[invariant-6]") {
    Options options;
    options.room.history = 10;
    options.room.history_age = 60s;
    World w{options};
    const auto ann = w.member("ann", "r");
    w.rooms.broadcast("r", "m1");
    w.clock.advance(30s);
    w.rooms.broadcast("r", "m2");
    w.clock.advance(30s);
    const auto bob = make_fake("bob");
    REQUIRE(w.rooms.join(bob, {.user = "bob", .room = "r", .since = Position{w.rooms.position("r")->epoch, 0}}));
    CHECK(w.log->replies.back().history == Texts{"2=m2"});
    CHECK_FALSE(w.log->replies.back().recovered);
    CHECK(w.log->replies.back().position.seq == 2);
}

TEST_CASE("who missed nothing has recovered, though history is empty") {
    Options options;
    options.room.history = 10;
    options.room.history_age = 1s;
    World w{options};
    const auto ann = w.member("ann", "r");
    w.rooms.broadcast("r", "m1");
    w.clock.advance(2s);
    const auto bob = make_fake("bob");
    REQUIRE(w.rooms.join(bob, {.user = "bob", .room = "r", .since = w.rooms.position("r")}));
    CHECK(w.log->replies.back().recovered);
    CHECK(w.log->replies.back().history.empty());
}

TEST_CASE("a busy connection's join waits in its outbox with all of its history, and what follows is live",
          "[invariant-6]") {
    Options options;
    options.room.history = 10;
    World w{options};
    const auto ann = w.member("ann", "r");
    w.rooms.broadcast("r", "m1");
    const auto bob = w.member("bob", "elsewhere");
    bob->stall();
    REQUIRE(w.rooms.join(bob, {.room = "r", .since = Position{w.rooms.position("r")->epoch, 0}}));
    w.rooms.broadcast("r", "m2");
    CHECK(bob->frames().empty());
    bob->release();
    w.rooms.writable(bob);
    CHECK(bob->frames() == Texts{"+r", "m2"});
    CHECK(w.log->replies.back().history == Texts{"1=m1"});
}

TEST_CASE("a connection that dies halfway through its reply is gone, and recovers on the next") {
    Options options;
    options.room.history = 10;
    World w{options};
    const auto ann = w.member("ann", "r");
    w.rooms.broadcast("r", "m1");
    const Position seen = *w.rooms.position("r");
    const auto bob = make_fake("bob");
    bob->fail_on(1);
    REQUIRE(w.rooms.join(bob, {.user = "bob", .room = "r", .since = seen}));
    CHECK_FALSE(w.rooms.is_member(bob, "r"));
    w.rooms.broadcast("r", "m2");
    const auto again = make_fake("bob/2");
    REQUIRE(w.rooms.join(again, {.user = "bob", .room = "r", .since = seen}));
    CHECK(w.log->replies.back().history == Texts{"2=m2"});
    CHECK(w.log->replies.back().recovered);
    CHECK(again->frames() == Texts{"+r"});
}

TEST_CASE("a change of the log of which the host tells nothing happens in silence") {
    struct Traits : DefaultTraits {
        using events = SilentEvents;
    };
    RoomRegistry<FakeConnection, Traits> rooms({.room = {.history = 10}});
    const auto ann = make_fake("ann");
    REQUIRE(rooms.join(ann, {.user = "ann", .room = "r"}));
    rooms.broadcast("r", "m1");
    CHECK(rooms.delete_message("r", 1) == Delivery::sent);
    CHECK(rooms.reset("r") == Delivery::sent);
    rooms.broadcast("r", "m1 again");
    CHECK(ann->frames() == Texts{"m1", "m1 again"});
    CHECK(rooms.position("r")->seq == 1);
}
