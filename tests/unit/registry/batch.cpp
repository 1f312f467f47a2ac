// SPDX-License-Identifier: MIT
#include <algorithm>
#include <functional>

#include "unit/registry/world.hpp"

namespace {
using namespace unit;

Options batching(std::chrono::milliseconds window = 10ms) {
    Options options;
    options.room.batch_window = window;
    options.room.history = 100;
    return options;
}

void say(World& w, std::size_t first, std::size_t last, std::string_view room = "r") {
    for (const auto& text : numbered("m", first, last)) w.rooms.broadcast(room, text);
}

/// From within a callback: what is said in `act` waits in its room's queue
/// until `act` is over.
void within(World& w, std::function<void()> act) {
    const auto host = make_fake("host");
    w.rooms.attach(host);
    host->on_send = [&](std::string_view) { act(); };
    w.rooms.send(host, "now");
    w.rooms.disconnect(host);
}
}  // namespace

TEST_CASE("the first message goes at once, what comes in its window goes out as one") {
    World w{batching()};
    const auto ann = w.member("ann", "r"), bob = w.member("bob", "r");
    say(w, 1, 4);
    CHECK(ann->frames() == Texts{"m1"});
    w.after(9ms);
    CHECK(ann->frames() == Texts{"m1"});
    w.after(1ms);
    CHECK(ann->frames() == Texts{"m1", "m2\nm3\nm4"});
    CHECK(bob->frames() == ann->frames());
}

TEST_CASE("while it is busy a room sends once a window, after a pause of one at once again") {
    World w{batching()};
    const auto ann = w.member("ann", "r");
    say(w, 1, 2);
    w.after(10ms);
    say(w, 3, 4);
    CHECK(ann->frames() == Texts{"m1", "m2"});
    w.after(10ms);
    CHECK(ann->frames() == Texts{"m1", "m2", "m3\nm4"});
    w.after(10ms);
    say(w, 5, 5);
    CHECK(ann->frames().back() == "m5");
}

TEST_CASE("a message that comes after the window's end takes along what waits, without poll") {
    World w{batching()};
    const auto ann = w.member("ann", "r");
    say(w, 1, 2);
    w.clock.advance(11ms);
    say(w, 3, 3);
    CHECK(ann->frames() == Texts{"m1", "m2\nm3"});
}

TEST_CASE("the window begins when the message before has reached all, however long that took") {
    World w{batching()};
    const auto ann = w.member("ann", "r"), bob = w.member("bob", "r");
    std::size_t last = 1;
    bob->on_send = [&](std::string_view) {
        w.clock.advance(25ms);
        if (last < 10) say(w, last + 1, last + 3);
        last += 3;
    };
    say(w, 1, 1);
    w.after(9ms);
    CHECK(ann->frames() == Texts{"m1"});
    w.after(1ms);
    CHECK(ann->frames() == Texts{"m1", "m2\nm3\nm4"});
    w.after(10ms);
    CHECK(ann->frames() == Texts{"m1", "m2\nm3\nm4", "m5\nm6\nm7"});
    w.after(10ms);
    CHECK(ann->frames().back() == "m8\nm9\nm10");
}

TEST_CASE("what comes while a message is parked goes out as one, and waits for the rest of it and the window") {
    Options options = batching();
    options.turn_sends = 2;
    World w{options};
    std::vector<FakeConnection> all;
    for (const auto& name : numbered("u", 1, 5)) all.push_back(w.member(name, "r"));
    w.rooms.poll();
    say(w, 1, 1);
    for (std::size_t i = 2; all[4]->frames().empty(); ++i) {
        say(w, i, i);
        w.after(10ms);
    }
    while (w.rooms.poll() <= w.clock.now()) {}
    CHECK(all[0]->frames() == Texts{"m1"});
    w.after(10ms);
    CHECK(all[0]->frames() == Texts{"m1", "m2\nm3"});
}

TEST_CASE("what waits for its turn goes out as one, and at once where no window is open") {
    World w{batching()};
    const auto ann = w.member("ann", "r");
    within(w, [&] { say(w, 1, 3); });
    CHECK(ann->frames() == Texts{"m1\nm2\nm3"});
    say(w, 4, 4);
    CHECK(ann->frames() == Texts{"m1\nm2\nm3"});
    w.clock.advance(11ms);
    within(w, [&] { say(w, 5, 6); });
    CHECK(ann->frames() == Texts{"m1\nm2\nm3", "m4\nm5\nm6"});
}

TEST_CASE("of what waits for its turn no more goes out as one than a batch may hold", "[invariant-10]") {
    Options options = batching();
    const bool in_bytes = GENERATE(false, true);
    (in_bytes ? options.batch_bytes : options.batch_messages) = in_bytes ? 6 : 3;
    World w{options};
    const auto ann = w.member("ann", "r");
    within(w, [&] { say(w, 1, 7); });
    CHECK(ann->frames() == Texts{"m1\nm2\nm3", "m4\nm5\nm6"});
    w.after(10ms);
    CHECK(ann->frames().back() == "m7");
}

TEST_CASE("a join, and a message that is not for all, end the batch that waits for its turn", "[invariant-6]") {
    World w{batching()};
    const auto ann = w.member("ann", "r"), bob = w.member("bob", "r");
    const auto cid = make_fake("cid");
    within(w, [&] {
        say(w, 1, 2);
        w.rooms.broadcast("r", "not for bob", {.except = &bob});
        say(w, 4, 5);
        REQUIRE(w.rooms.join(cid, {.user = "cid", .room = "r", .history = 10}));
        say(w, 6, 7);
    });
    CHECK(ann->frames() == Texts{"m1\nm2", "not for bob", "m4\nm5"});
    CHECK(bob->frames() == Texts{"m1\nm2", "m4\nm5"});
    w.after(10ms);
    CHECK(ann->frames().back() == "m6\nm7");
    CHECK(cid->frames() == Texts{"+r", "m6\nm7"});
}

TEST_CASE("a message that waited for the next goes at once when that comes to nothing") {
    World w{batching()};
    const auto ann = w.member("ann", "r");
    within(w, [&] {
        say(w, 1, 1);
        w.rooms.broadcast("r", FakeSession::unencodable);
    });
    CHECK(ann->frames() == Texts{"m1"});
}

TEST_CASE("without a window each message goes alone, also of those that wait for their turn") {
    World w{batching(0ms)};
    const auto ann = w.member("ann", "r");
    within(w, [&] { say(w, 1, 3); });
    CHECK(ann->frames() == Texts{"m1", "m2", "m3"});
}

TEST_CASE("poll is asked for at a batch's time, and says it") {
    World w{batching()};
    const auto ann = w.member("ann", "r");
    w.rooms.poll();
    w.wakes.clear();
    const auto begin = w.clock.now();
    say(w, 1, 1);
    CHECK(w.wakes.empty());
    say(w, 2, 3);
    CHECK(w.wakes == std::vector<TimePoint>{begin + 10ms});
    w.clock.advance(4ms);
    CHECK(w.rooms.poll() == begin + 10ms);
    w.clock.advance(6ms);
    CHECK(w.rooms.poll() == TimePoint::max());
    CHECK(ann->frames().size() == 2);
}

TEST_CASE("a batch that is full goes before its time", "[invariant-10]") {
    Options options = batching();
    const bool in_bytes = GENERATE(false, true);
    (in_bytes ? options.batch_bytes : options.batch_messages) = in_bytes ? 6 : 3;
    World w{options};
    const auto ann = w.member("ann", "r");
    say(w, 1, 5);
    CHECK(ann->frames() == Texts{"m1", "m2\nm3\nm4"});
    w.after(10ms);
    CHECK(ann->frames().back() == "m5");
}

TEST_CASE("who joins finds no batch waiting: it has it in history, the others have it before", "[invariant-6]") {
    World w{batching()};
    const auto ann = w.member("ann", "r");
    say(w, 1, 3);
    const auto bob = make_fake("bob");
    REQUIRE(w.rooms.join(bob, {.user = "bob", .room = "r", .history = 10}));
    CHECK(ann->frames() == Texts{"m1", "m2\nm3"});
    CHECK(w.log->replies.back().history == Texts{"1=m1", "2=m2", "3=m3"});
    say(w, 4, 5);
    w.after(10ms);
    CHECK(bob->frames() == Texts{"+r", "m4\nm5"});
}

TEST_CASE("who leaves while a batch waits misses it", "[invariant-4]") {
    World w{batching()};
    const auto ann = w.member("ann", "r"), bob = w.member("bob", "r");
    say(w, 1, 3);
    w.rooms.leave(bob, "r");
    w.after(10ms);
    CHECK(bob->frames() == Texts{"m1", "-r"});
    CHECK(ann->frames() == Texts{"m1", "m2\nm3"});
}

TEST_CASE("a message that is not for all goes alone, after what waits") {
    World w{batching()};
    const auto ann = w.member("ann", "r"), bob = w.member("bob", "r");
    say(w, 1, 3);
    w.rooms.broadcast("r", "not for bob", {.except = &bob});
    say(w, 5, 6);
    w.after(10ms);
    CHECK(ann->frames() == Texts{"m1", "m2\nm3", "not for bob", "m5\nm6"});
    CHECK(bob->frames() == Texts{"m1", "m2\nm3", "m5\nm6"});
}

TEST_CASE("who published gets the form of its own in its place of the batch") {
    World w{batching()};
    const auto ann = w.member("ann", "r"), bob = w.member("bob", "r"), cid = w.member("cid", "r");
    say(w, 1, 1);
    REQUIRE(w.rooms.publish(ann, "r", "a2", {.own = "a2 (yours)", .context = {"t"}}));
    REQUIRE(w.rooms.publish(bob, "r", "b3", {.own = "b3 (yours)"}));
    CHECK(ann->frames() == Texts{"m1", "ok r 2 t"});
    w.after(10ms);
    CHECK(ann->frames() == Texts{"m1", "ok r 2 t", "a2 (yours)", "b3"});
    CHECK(bob->frames() == Texts{"m1", "a2", "b3 (yours)"});
    CHECK(cid->frames() == Texts{"m1", "a2\nb3"});
}

TEST_CASE("a batch is joined for each encoding in use") {
    World w{batching()};
    const auto plain = w.member("ann", "r");
    const auto counted = make_fake("bob", 1);
    REQUIRE(w.join(counted, "r"));
    forget(plain, counted);
    say(w, 1, 3);
    w.after(10ms);
    CHECK(plain->frames() == Texts{"m1", "m2\nm3"});
    CHECK(counted->frames() == Texts{"1:m1", "2:m2\n3:m3"});
}

TEST_CASE("a batch that cannot be joined goes message by message", "[invariant-8]") {
    struct Session {
        Texts heard{};
        SendStatus send(const Frame& frame) {
            heard.emplace_back(frame.view());
            return SendStatus::accepted;
        }
        void close(CloseCode, std::string_view) {}
        static Frame join_frames(std::span<const Frame>) { throw std::runtime_error("told to throw"); }
    };
    struct Traits : DefaultTraits {
        using clock = ManualClock;
        using events = SilentEvents;
    };
    ManualClock clock;
    RoomRegistry<Session*, Traits> rooms({.room = {.batch_window = 10ms}}, {{}, {}, clock});
    Session ann;
    REQUIRE(rooms.join(&ann, {.user = "ann", .room = "r"}));
    for (const auto& text : numbered("m", 1, 3)) rooms.broadcast("r", text);
    clock.advance(10ms);
    rooms.poll();
    CHECK(ann.heard == Texts{"m1", "m2", "m3"});
}

TEST_CASE("a busy connection has a batch waiting message by message", "[invariant-10]") {
    Options options = batching();
    options.outbox_messages = 2;
    World w{options};
    const auto ann = w.member("ann", "r"), bob = w.member("bob", "r");
    say(w, 1, 1);
    ann->stall();
    say(w, 2, 5);
    w.after(10ms);
    CHECK(bob->frames() == Texts{"m1", "m2\nm3\nm4\nm5"});
    CHECK(w.rooms.statistics().dropped == 2);
    ann->release();
    w.rooms.writable(ann);
    CHECK(ann->frames() == Texts{"m1", "~r 2:2-3", "m4", "m5"});
}

TEST_CASE("a batch is parked in its middle like any message, and goes on with those who stayed") {
    Options options = batching();
    options.turn_sends = 2;
    World w{options};
    std::vector<FakeConnection> all;
    for (const auto& name : numbered("u", 1, 5)) all.push_back(w.member(name, "r"));
    w.rooms.poll();
    say(w, 1, 3);
    while (w.rooms.poll() <= w.clock.now()) {}
    w.clock.advance(10ms);
    w.rooms.poll();
    w.rooms.kick_user("u5", {});
    while (w.rooms.poll() <= w.clock.now()) {}
    for (std::size_t i = 0; i < 4; ++i) CHECK(all[i]->frames() == Texts{"m1", "m2\nm3"});
    CHECK(all[4]->frames() == Texts{"m1", "! 4001 r"});
}

TEST_CASE("a room that closes, or empties, forgets the batch that waits, and who spoke in it", "[invariant-11]") {
    World w{batching()};
    const auto ann = w.member("ann", "r");
    say(w, 1, 1);
    REQUIRE(w.rooms.publish(ann, "r", "mine", {.own = "my own"}));
    SECTION("closes") { CHECK(w.rooms.close_room("r")); }
    SECTION("empties") { CHECK(w.rooms.leave(ann, "r") == LeaveStatus::left); }
    SECTION("empties, and stays for a while") {
        w.rooms.create_room("s", {.linger = 1h, .batch_window = 10ms});
        REQUIRE(w.join(ann, "s"));
        say(w, 1, 1, "s");
        REQUIRE(w.rooms.publish(ann, "s", "mine", {.own = "my own"}));
        w.rooms.leave(ann, "s");
    }
    w.rooms.disconnect(ann);
    CHECK(ann.use_count() == 1);
    w.after(10ms);
    const auto frames = ann->frames();
    CHECK(std::count(frames.begin(), frames.end(), "my own") == 0);
}

TEST_CASE("the registry may go while batches wait") {
    World w{batching()};
    const auto ann = w.member("ann", "r");
    say(w, 1, 3);
    REQUIRE(w.rooms.publish(ann, "r", "mine", {.own = "my own"}));
    CHECK(ann->frames() == Texts{"m1"});
}

TEST_CASE("each room has a window of its own") {
    Options options = batching();
    options.membership = Membership::many_rooms;
    World w{options};
    const auto ann = w.member("ann", "a");
    REQUIRE(w.join(ann, "b"));
    forget(ann);
    say(w, 1, 2, "a");
    w.clock.advance(5ms);
    say(w, 1, 2, "b");
    CHECK(ann->frames() == Texts{"m1", "m1"});
    w.after(5ms);
    CHECK(ann->frames().size() == 3);
    w.after(5ms);
    CHECK(ann->frames().size() == 4);
}

namespace {
/// A transport that cannot join frames.
struct Single {
    std::vector<std::string> heard;
    void send(std::string_view frame) { heard.emplace_back(frame); }
    void close(CloseCode, std::string_view) {}
};
struct SingleTraits : DefaultTraits {
    using clock = ManualClock;
    using events = SilentEvents;
};
}  // namespace

TEST_CASE("a transport that joins no frames gets a batch one by one") {
    ManualClock clock;
    RoomRegistry<Single*, SingleTraits>::Options options;
    options.room.batch_window = 10ms;
    RoomRegistry<Single*, SingleTraits> rooms(options, {.clock = clock});
    Single ann, bob;
    REQUIRE(rooms.join(&ann, {.user = "ann", .room = "r"}));
    REQUIRE(rooms.join(&bob, {.user = "bob", .room = "r"}));
    for (const auto& text : numbered("m", 1, 3)) rooms.broadcast("r", text);
    CHECK(ann.heard == Texts{"m1"});
    clock.advance(10ms);
    rooms.poll();
    CHECK(ann.heard == Texts{"m1", "m2", "m3"});
    CHECK(bob.heard == ann.heard);
}

TEST_CASE("who is removed in the middle of a batch that goes one by one gets no more of it", "[invariant-4]") {
    World w{batching()};
    const auto ann = w.member("ann", "r"), bob = w.member("bob", "r");
    say(w, 1, 1);
    // Its own copy in the batch makes it go one by one for ann.
    REQUIRE(w.rooms.publish(ann, "r", "a2", {.own = "a2 (yours)"}));
    say(w, 3, 4);
    forget(ann, bob);
    ann->on_send = [&](std::string_view text) {
        if (text == "m3") w.rooms.kick_user("ann", {});
    };
    w.after(10ms);
    CHECK(ann->frames() == Texts{"a2 (yours)", "m3", "! 4001 r"});
    CHECK(bob->frames() == Texts{"a2\nm3\nm4"});
}

TEST_CASE("who hears the end of its room in the middle of a batch gets no more of it", "[invariant-4]") {
    World w{batching()};
    const auto ann = w.member("ann", "r");
    say(w, 1, 1);
    REQUIRE(w.rooms.publish(ann, "r", "a2", {.own = "a2 (yours)"}));
    say(w, 3, 4);
    forget(ann);
    ann->on_send = [&](std::string_view text) {
        if (text == "m3") w.rooms.close_room("r");
    };
    w.after(10ms);
    CHECK(ann->frames() == Texts{"a2 (yours)", "m3", "! 4006 r"});
}
