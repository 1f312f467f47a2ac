// SPDX-License-Identifier: MIT
#include <thread>

#include "unit/registry/world.hpp"

namespace {
using namespace unit;

void say(World& w, std::size_t first, std::size_t last, std::string_view room = "r") {
    for (const auto& text : numbered("m", first, last)) w.rooms.broadcast(room, text);
}
}  // namespace

TEST_CASE("what a busy connection did not take waits, and comes in order") {
    World w;
    const auto ann = w.member("ann", "r"), bob = w.member("bob", "r");
    ann->stall_on(2);
    say(w, 1, 3);
    CHECK(ann->frames() == Texts{"m1"});
    CHECK(bob->frames() == Texts{"m1", "m2", "m3"});
    ann->release();
    w.rooms.writable(ann);
    CHECK(ann->frames() == Texts{"m1", "m2", "m3"});
    say(w, 4, 4);
    CHECK(ann->frames().back() == "m4");
}

TEST_CASE("while something waits everything goes behind it, without asking the transport") {
    World w;
    const auto ann = w.member("ann", "r");
    ann->stall();
    say(w, 1, 1);
    const auto asked = ann->attempts();
    ann->release();
    say(w, 2, 3);
    w.rooms.send(ann, "reply");
    CHECK(ann->attempts() == asked);
    w.rooms.writable(ann);
    CHECK(ann->frames() == Texts{"m1", "m2", "m3", "reply"});
}

TEST_CASE("a connection that is busy again keeps the rest") {
    World w;
    const auto ann = w.member("ann", "r");
    ann->stall();
    say(w, 1, 5);
    ann->stall_on(3);
    w.rooms.writable(ann);
    CHECK(ann->frames() == Texts{"m1", "m2"});
    w.rooms.writable(ann);
    CHECK(ann->frames() == Texts{"m1", "m2"});
    ann->release();
    w.rooms.writable(ann);
    CHECK(ann->frames() == numbered("m", 1, 5));
}

TEST_CASE("`writable` from within the send that then answers busy is not lost") {
    World w;
    const auto ann = w.member("ann", "r");
    ann->stall();
    ann->on_send = [&](std::string_view) {
        ann->release();
        w.rooms.writable(ann);
    };
    say(w, 1, 1);
    CHECK(ann->frames() == Texts{"m1"});
}

TEST_CASE("`writable` on another thread before the send has answered busy is not lost") {
    World w;
    const auto ann = w.member("ann", "r");
    ann->stall();
    int times = 0;
    ann->on_send = [&](std::string_view) {
        // The first is the message's own send, the second the outbox's.
        if (++times > 2) return;
        std::thread([&] {
            if (times == 2) ann->release();
            w.rooms.writable(ann);
        }).join();
    };
    say(w, 1, 1);
    CHECK(ann->frames() == Texts{"m1"});
}

TEST_CASE("`writable` without need, or of nobody, does nothing") {
    World w;
    const auto ann = w.member("ann", "r");
    w.rooms.writable(ann);
    w.rooms.writable(make_fake());
    CHECK(ann->heard().empty());
}

TEST_CASE("a full outbox drops the oldest and says exactly which, before the next message", "[invariant-10]") {
    World w{{.outbox_messages = 3}};
    const auto ann = w.member("ann", "r");
    say(w, 1, 2);
    ann->stall();
    say(w, 3, 10);
    CHECK(w.rooms.statistics().dropped == 5);
    ann->release();
    w.rooms.writable(ann);
    say(w, 11, 11);
    CHECK(ann->frames() == Texts{"m1", "m2", "~r 5:3-7", "m8", "m9", "m10", "m11"});
}

TEST_CASE("an outbox is bounded in bytes too", "[invariant-10]") {
    World w{{.outbox_bytes = 5}};
    const auto ann = w.member("ann", "r");
    ann->stall();
    say(w, 1, 3);
    w.rooms.broadcast("r", "longer than all");
    ann->release();
    w.rooms.writable(ann);
    CHECK(ann->frames() == Texts{"~r 4:1-4"});
    CHECK(w.rooms.statistics().dropped == 4);
    say(w, 5, 5);
    CHECK(ann->frames().back() == "m5");
}

TEST_CASE("each room has its own gap, and what has no number none", "[invariant-10]") {
    World w{{.membership = Membership::many_rooms, .outbox_messages = 2}};
    const auto ann = w.member("ann", "a");
    REQUIRE(w.join(ann, "b"));
    forget(ann);
    ann->stall();
    for (const auto& text : numbered("", 1, 4)) {
        w.rooms.broadcast("a", "a" + text);
        w.rooms.broadcast("b", "likes", {.numbered = false});
        w.rooms.broadcast("b", "b" + text);
    }
    CHECK(w.rooms.statistics().dropped == 10);
    ann->release();
    w.rooms.writable(ann);
    CHECK(ann->frames() == Texts{"~a 4:1-4", "~b 3:1-3", "likes", "b4"});
}

TEST_CASE("what is dropped after a gap went out has a gap of its own", "[invariant-10]") {
    World w{{.outbox_messages = 2}};
    const auto ann = w.member("ann", "r");
    ann->stall();
    say(w, 1, 4);
    ann->stall_on(2);
    w.rooms.writable(ann);
    CHECK(ann->frames() == Texts{"~r 2:1-2"});
    say(w, 5, 5);
    ann->release();
    w.rooms.writable(ann);
    CHECK(ann->frames() == Texts{"~r 2:1-2", "~r 1:3-3", "m4", "m5"});
}

TEST_CASE("a gap that cannot be written ends its connection alone", "[invariant-8]") {
    Options options;
    options.outbox_messages = 1;
    World w{options};
    const auto ann = w.member("ann", "throw"), bob = w.member("bob", "throw");
    ann->stall();
    say(w, 1, 2, "throw");
    ann->release();
    w.log->events.clear();
    w.rooms.writable(ann);
    CHECK(w.log->events == Texts{"left throw ann/ann broken internal_error*"});
    CHECK(bob->frames() == Texts{"m1", "m2"});
}

TEST_CASE("a gap that was not taken grows while it waits", "[invariant-10]") {
    World w{{.outbox_messages = 2}};
    const auto ann = w.member("ann", "r");
    ann->stall();
    say(w, 1, 4);
    w.rooms.writable(ann);
    say(w, 5, 5);
    ann->release();
    w.rooms.writable(ann);
    CHECK(ann->frames() == Texts{"~r 3:1-3", "m4", "m5"});
}

TEST_CASE("a gap of messages that were skipped by a filter counts only what was meant for the connection") {
    World w{{.outbox_messages = 1}};
    const auto ann = w.member("ann", "r");
    ann->stall();
    say(w, 1, 1);
    w.rooms.broadcast("r", "not for ann", {.except = &ann});
    say(w, 3, 4);
    ann->release();
    w.rooms.writable(ann);
    CHECK(ann->frames() == Texts{"~r 2:1-3", "m4"});
}

TEST_CASE("control events are never dropped, but too many of them end the connection", "[invariant-10]") {
    World w{{.outbox_messages = 1, .outbox_control_messages = 3}};
    const auto ann = w.member("ann", "r");
    ann->stall();
    for (const auto& text : numbered("reply ", 1, 3)) CHECK(w.rooms.send(ann, text));
    say(w, 1, 3);
    CHECK(w.rooms.is_member(ann, "r"));
    w.rooms.send(ann, "one too many");
    CHECK_FALSE(w.rooms.is_member(ann, "r"));
    CHECK(w.rooms.statistics().slow_consumers == 1);
    CHECK(w.log->events.back() == "room_closed r");
    CHECK(w.log->events[2] == "left r ann/ann removed slow_consumer*");
    ann->release();
    w.rooms.writable(ann);
    CHECK(ann->frames() == Texts{"reply 1", "reply 2", "reply 3", "one too many", "! 4100 r"});
    w.after(3s);
    CHECK(ann->heard().back() == Heard{Heard::Kind::close, "read too slowly", CloseCode::slow_consumer});
}

TEST_CASE("control events are bounded in bytes too", "[invariant-10]") {
    World w{{.outbox_control_bytes = 10}};
    const auto ann = w.member("ann", "r");
    ann->stall();
    w.rooms.send(ann, "1234567890");
    CHECK(w.rooms.is_member(ann, "r"));
    w.rooms.send(ann, "x");
    CHECK_FALSE(w.rooms.is_member(ann, "r"));
    CHECK(w.rooms.statistics().slow_consumers == 1);
}

TEST_CASE("a connection that never takes anything is closed and cut off all the same") {
    World w;
    const auto ann = w.member("ann", "r");
    ann->stall();
    say(w, 1, 1);
    w.rooms.kick_user("ann", {});
    w.after(3s);
    w.after(5s);
    CHECK(ann->frames().empty());
    CHECK(ann->closes() == 1);
    CHECK(ann->terminates() == 1);
    w.rooms.writable(ann);
    CHECK(ann->frames().empty());
}

TEST_CASE("an emptied outbox is gone: the next message goes straight to the transport") {
    World w;
    const auto ann = w.member("ann", "r");
    ann->stall();
    say(w, 1, 1);
    ann->release();
    w.rooms.writable(ann);
    const auto asked = ann->attempts();
    say(w, 2, 2);
    CHECK(ann->attempts() == asked + 1);
    CHECK(ann->frames() == Texts{"m1", "m2"});
}

TEST_CASE("a connection that disconnects while its outbox is being emptied hears no more") {
    World w;
    const auto ann = w.member("ann", "r");
    ann->stall();
    say(w, 1, 3);
    ann->release();
    ann->on_send = [&](std::string_view) { w.rooms.disconnect(ann); };
    w.rooms.writable(ann);
    CHECK(ann->frames() == Texts{"m1"});
    CHECK(w.rooms.count() == Counts{0, 0});
}

TEST_CASE("one thread empties an outbox, whatever comes from others meanwhile") {
    World w;
    const auto ann = w.member("ann", "r");
    ann->stall();
    say(w, 1, 2);
    ann->release();
    ann->on_send = [&](std::string_view frame) {
        if (frame != "m1") return;
        std::thread([&] {
            w.rooms.writable(ann);
            say(w, 3, 3);
            w.rooms.send(ann, "reply");
        }).join();
        CHECK(ann->frames() == Texts{"m1"});
    };
    w.rooms.writable(ann);
    CHECK(ann->frames() == Texts{"m1", "m2", "m3", "reply"});
}

TEST_CASE("a full outbox gives up what is worth least, whenever it came", "[invariant-10]") {
    World w{{.outbox_messages = 3}};
    const auto ann = w.member("ann", "r");
    ann->stall();
    w.rooms.broadcast("r", "gift", {.message_class = MessageClass::paid});
    w.rooms.broadcast("r", "staff", {.message_class = MessageClass::moderator});
    say(w, 3, 6);
    w.rooms.broadcast("r", "gift 2", {.message_class = MessageClass::paid});
    w.rooms.broadcast("r", "tick", {.numbered = false, .message_class = MessageClass::bulk});
    ann->release();
    w.rooms.writable(ann);
    CHECK(ann->frames() == Texts{"gift", "staff", "~r 4:3-6", "gift 2"});
}

TEST_CASE("a room may keep what waits and drop what comes", "[invariant-10]") {
    Options options{.outbox_messages = 2};
    options.room.slow_readers = SlowReaders::drop_newest;
    World w{options};
    const auto ann = w.member("ann", "r");
    ann->stall();
    say(w, 1, 5);
    ann->release();
    w.rooms.writable(ann);
    say(w, 6, 6);
    CHECK(ann->frames() == Texts{"m1", "m2", "~r 3:3-5", "m6"});
    CHECK(w.rooms.statistics().dropped == 3);
}

TEST_CASE("a room may want nobody who misses anything", "[invariant-10]") {
    Options options{.outbox_messages = 2};
    options.room.slow_readers = SlowReaders::disconnect;
    World w{options};
    const auto ann = w.member("ann", "r"), bob = w.member("bob", "r");
    ann->stall();
    say(w, 1, 2);
    CHECK(w.rooms.is_member(ann, "r"));
    say(w, 3, 3);
    CHECK_FALSE(w.rooms.is_member(ann, "r"));
    CHECK(w.rooms.statistics().slow_consumers == 1);
    CHECK(bob->frames() == Texts{"m1", "m2", "m3"});
    ann->release();
    w.rooms.writable(ann);
    CHECK(ann->frames() == Texts{"! 4100 r"});
}

TEST_CASE("another room's flood does not drop what a room wants nobody to miss", "[invariant-10]") {
    World w{{.membership = Membership::many_rooms, .outbox_messages = 2}};
    RoomOptions strict;
    strict.slow_readers = SlowReaders::disconnect;
    w.rooms.create_room("strict", strict);
    const auto ann = w.member("ann", "strict");
    REQUIRE(w.join(ann, "r"));
    forget(ann);
    ann->stall();
    say(w, 1, 1, "strict");
    say(w, 1, 1);
    CHECK(w.rooms.is_member(ann, "strict"));
    say(w, 2, 2);
    CHECK_FALSE(w.rooms.is_member(ann, "strict"));
    CHECK(w.rooms.statistics().slow_consumers == 1);
}

TEST_CASE("a newer message with the same key takes an earlier one's place in the outbox", "[invariant-10]") {
    World w;
    const auto ann = w.member("ann", "r");
    ann->stall();
    w.rooms.broadcast("r", "1 viewer", {.numbered = false, .message_class = MessageClass::bulk, .key = 9});
    say(w, 1, 1);
    w.rooms.broadcast("r", "2 viewers", {.numbered = false, .message_class = MessageClass::bulk, .key = 9});
    ann->release();
    w.rooms.writable(ann);
    CHECK(ann->frames() == Texts{"m1", "2 viewers"});
    CHECK(w.rooms.statistics().replaced == 1);
}

TEST_CASE("what waits of a room that was left goes at once, however busy the room is", "[invariant-11]") {
    World w{{.membership = Membership::many_rooms}};
    const auto ann = w.member("ann", "r");
    const auto bob = w.member("bob", "r");
    ann->stall();
    say(w, 1, 3);
    std::size_t left = 1;
    bob->on_send = [&](std::string_view) {
        CHECK(w.rooms.statistics().memory != 0);
        CHECK(w.rooms.leave(ann, "r") == LeaveStatus::left);
        left = w.rooms.statistics().memory;
        bob->on_send = {};
    };
    say(w, 4, 4);
    CHECK(left == 0);
}

TEST_CASE("of readers that became too slow at the same time the first goes first") {
    World w{{.outbox_age = 10s}};
    const auto zoe = w.member("zoe", "r");
    Texts names;
    for (int i = 9; i > 0; --i) names.push_back("u" + std::to_string(i));
    for (const auto& name : names) w.member(name, "r")->stall();
    say(w, 1, 1);
    w.log->events.clear();
    w.after(10s);
    REQUIRE(w.log->events.size() == names.size());
    for (std::size_t i = 0; i < names.size(); ++i)
        CHECK(w.log->events[i] == "left r " + names[i] + "/" + names[i] + " removed slow_consumer*");
}

TEST_CASE("a connection whose oldest frame is too old is ended", "[invariant-10]") {
    World w{{.outbox_age = 10s}};
    const auto ann = w.member("ann", "r"), bob = w.member("bob", "r");
    ann->stall();
    w.rooms.poll();
    w.wakes.clear();
    say(w, 1, 1);
    CHECK(w.wakes == std::vector<TimePoint>{w.clock.now() + 10s});
    w.after(9s);
    say(w, 2, 2);
    CHECK(w.rooms.is_member(ann, "r"));
    w.after(1s);
    CHECK_FALSE(w.rooms.is_member(ann, "r"));
    CHECK(w.rooms.statistics().slow_consumers == 1);
    CHECK(w.log->events.back() == "left r ann/ann removed slow_consumer*");
    CHECK(bob->frames() == Texts{"m1", "m2"});
}

TEST_CASE("a reader that goes on reading may be behind for ever, one that stopped may not hide behind what is dropped",
          "[invariant-10]") {
    World w{{.outbox_messages = 2, .outbox_age = 10s}};
    const auto slow = w.member("slow", "r"), dead = w.member("dead", "r");
    slow->stall();
    dead->stall();
    for (std::size_t i = 1; i <= 20; ++i) {
        say(w, i, i);
        w.after(1s);
        slow->stall_on(2);
        w.rooms.writable(slow);
    }
    CHECK(w.rooms.is_member(slow, "r"));
    CHECK_FALSE(w.rooms.is_member(dead, "r"));
}

TEST_CASE("a member that joins anew in the middle of a flood has a gap before its reply and one after",
          "[invariant-6]") {
    World w{{.membership = Membership::many_rooms, .outbox_messages = 1}};
    const auto ann = w.member("ann", "r");
    ann->stall();
    say(w, 1, 3);
    REQUIRE(w.join(ann, "r"));
    say(w, 4, 6);
    ann->release();
    w.rooms.writable(ann);
    CHECK(ann->frames() == Texts{"~r 3:1-3", "+r", "~r 2:4-5", "m6"});
}
