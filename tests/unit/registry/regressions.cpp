// SPDX-License-Identifier: MIT
// Faults that there were, each told by the test that it left behind.
#include <algorithm>
#include <cstddef>
#include <functional>

#include "unit/registry/world.hpp"

namespace {
using namespace unit;

/// No pointer, nothing behind it.
struct ByText {
    std::string* heard;
    void send(std::string_view text) const { heard->append(text); }
    void close(CloseCode, std::string_view) const {}
    friend bool operator==(const ByText&, const ByText&) = default;
};
}  // namespace

template <>
struct std::hash<ByText> {
    std::size_t operator()(const ByText& handle) const noexcept { return std::hash<std::string*>{}(handle.heard); }
};

TEST_CASE("closing a room that nobody has entered frees it once") {
    World w;
    w.rooms.create_room("r", {});
    CHECK(w.rooms.close_room("r"));
    CHECK(w.rooms.room_count() == 0);
    w.rooms.create_room("r", {.ends_at = w.clock.now() + 1s});
    w.after(1s);
    CHECK(w.rooms.room_count() == 0);
}

TEST_CASE("the only room makes way for another one") {
    World w{{.max_rooms = 1, .room = {.linger = 60s}}};
    const auto ann = w.member("ann", "old");
    w.rooms.leave(ann, "old");
    CHECK(w.join(ann, "new").status == JoinStatus::joined);
    CHECK_FALSE(w.rooms.count("old"));
    w.rooms.leave(ann, "new");
    CHECK(w.rooms.create_room("ahead", {}) == CreateStatus::created);
    CHECK_FALSE(w.rooms.count("new"));
}

TEST_CASE("a member's info that a join replaces is freed without the lock") {
    World w;
    const auto ann = make_fake("ann"), phone = make_fake("ann/2");
    REQUIRE(w.rooms.join(ann, {.user = "ann", .room = "r", .info = Info("first")}));
    REQUIRE(w.rooms.join(ann, {.user = "ann", .room = "r", .info = Info("second"), .update_info = true}));
    REQUIRE(w.rooms.join(phone, {.user = "ann", .room = "r", .info = Info("third"), .update_info = true}));
    CHECK(w.rooms.info("r", "ann")->name == "third");
}

TEST_CASE("nothing is sent to a connection after its disconnect has returned on the same thread") {
    SECTION("to all devices of a user") {
        World w;
        const auto ann = make_fake("ann"), phone = make_fake("ann/2");
        w.rooms.attach(ann, "ann");
        w.rooms.attach(phone, "ann");
        ann->on_send = [&](std::string_view) { w.rooms.disconnect(phone); };
        CHECK(w.rooms.send_to_user("ann", "hello") == 1);
        CHECK(phone->frames().empty());
    }
    SECTION("a follower between moved and joined") {
        World w{{.others = OtherDevices::follow}};
        const auto ann = w.member("ann", "a"), phone = w.member("ann/2", "a");
        phone->on_send = [&](std::string_view) { w.rooms.disconnect(phone); };
        REQUIRE(w.join(ann, "b"));
        CHECK(phone->frames() == Texts{">a>b"});
    }
}

TEST_CASE("a message whose publisher was kicked before its turn is not said, and its publisher told so",
          "[invariant-4]") {
    World w{{.membership = Membership::many_rooms}};
    const auto ann = w.member("ann", "r"), bob = w.member("bob", "r");
    bob->on_send = [&](std::string_view text) {
        if (text != "go") return;
        w.rooms.publish(ann, "r", "mine", {.context = Ticket("t")});
        w.rooms.kick_from("r", "ann", {});
    };
    w.rooms.broadcast("r", "go");
    CHECK(bob->frames() == Texts{"go"});
    CHECK(ann->frames() == Texts{"go", "x r 4001", "no r t"});
    CHECK(w.rooms.position("r")->seq == 1);
}

TEST_CASE("a message whose publisher left before its turn is said, and answered before `left`", "[invariant-4]") {
    World w;
    const auto ann = w.member("ann", "r"), bob = w.member("bob", "r");
    bob->on_send = [&](std::string_view text) {
        if (text != "go") return;
        w.rooms.publish(ann, "r", "mine", {.context = Ticket("t")});
        w.rooms.leave(ann, "r", Ticket("l"));
        CHECK_FALSE(w.rooms.is_member(ann, "r"));
    };
    w.rooms.broadcast("r", "go");
    CHECK(bob->frames() == Texts{"go", "mine"});
    CHECK(ann->frames() == Texts{"go", "ok r 2 t", "-r l"});
}

TEST_CASE("the host hears of a message's number also when its publisher is gone") {
    World w;
    const auto ann = w.member("ann", "r"), bob = w.member("bob", "r");
    bob->on_send = [&](std::string_view text) {
        if (text != "go") return;
        w.rooms.publish(ann, "r", "mine", {.context = Ticket("t")});
        w.rooms.disconnect(ann);
    };
    w.rooms.broadcast("r", "go");
    CHECK(bob->frames() == Texts{"go", "mine"});
    CHECK(w.log->published == Texts{"ok r 2 t"});
}

TEST_CASE("every join is answered, also when what came after it was faster than its room") {
    World w{{.membership = Membership::many_rooms}};
    const auto bob = w.member("bob", "r"), ann = w.member("ann", "hall");
    const auto join = [&](const char* id) { REQUIRE(w.rooms.join(ann, {.room = "r", .context = Ticket(id)})); };
    bob->on_send = [&](std::string_view text) {
        if (text != "go") return;
        join("j1");
        w.rooms.leave(ann, "r", Ticket("l1"));
        join("j2");
        w.rooms.kick_from("r", "ann", {});
        join("j3");
    };
    w.rooms.broadcast("r", "go");
    CHECK(ann->frames() == Texts{"x r 4001", "+r", "-r l1", "no +r j2", "+r"});
    CHECK(w.log->replies[w.log->replies.size() - 2].ticket == "j1");
    CHECK(w.log->replies.back().ticket == "j3");
}

TEST_CASE("what waits in a room that is closed is answered") {
    World w{{.membership = Membership::many_rooms}};
    const auto bob = w.member("bob", "r"), ann = w.member("ann", "r"), cid = w.member("cid", "hall");
    bob->on_send = [&](std::string_view text) {
        if (text != "go") return;
        w.rooms.publish(ann, "r", "mine", {.context = Ticket("t")});
        REQUIRE(w.rooms.join(cid, {.room = "r", .context = Ticket("j")}));
        w.rooms.close_room("r");
    };
    w.rooms.broadcast("r", "go");
    CHECK(ann->frames() == Texts{"no r t", "x r 4006"});
    CHECK(cid->frames() == Texts{"no +r j", "x r 4006"});
    CHECK(w.rooms.statistics().dropped == 1);
}

TEST_CASE("the farewell of a kicked member does not wait for the rest of a long message") {
    World w{{.turn_sends = 0}};
    std::vector<FakeConnection> members;
    for (int i = 0; i < 3'000; ++i) members.push_back(w.member("u" + std::to_string(i), "r"));
    members[0]->on_send = [&](std::string_view) { w.rooms.kick_user("u1", {}); };
    std::ptrdiff_t heard_before = -1;
    members[1]->on_send = [&](std::string_view) {
        heard_before = std::count_if(members.begin(), members.end(), [](const auto& m) { return !m->frames().empty(); });
    };
    w.rooms.broadcast("r", "long");
    CHECK(members[1]->frames() == Texts{"! 4001 r"});
    CHECK(heard_before > 0);
    CHECK(heard_before <= 1'024);
    CHECK(members.back()->frames() == Texts{"long"});
}

TEST_CASE("a handle may be an object of its own, and what cannot send is no connection") {
    STATIC_REQUIRE(connection<ByText>);
    STATIC_REQUIRE_FALSE(connection<std::shared_ptr<int>>);
    STATIC_REQUIRE_FALSE(connection<int>);
    RoomRegistry<ByText> rooms;
    std::string heard;
    REQUIRE(rooms.join(ByText{&heard}, {.user = "ann", .room = "r"}));
    heard.clear();
    rooms.broadcast("r", "hello");
    CHECK(heard == "hello");
}

TEST_CASE("what waits for a busy connection is not sent after its close") {
    World w;
    const auto ann = w.member("ann", "r");
    ann->stall();
    w.rooms.send(ann, "waits", MessageClass::normal);
    w.rooms.kick_user("ann", {CloseCode::banned});
    w.after(3s);
    REQUIRE(ann->heard().back().kind == Heard::Kind::close);
    ann->release();
    w.rooms.writable(ann);
    CHECK(ann->heard().back().kind == Heard::Kind::close);
    CHECK(ann->frames().empty());
}

TEST_CASE("joins that nobody answers yet are bounded for each connection", "[invariant-10]") {
    World w{{.turn_sends = 1}};
    const auto ann = w.member("ann", "r"), bob = w.member("bob", "r");
    w.rooms.broadcast("r", "long");  // parked after one send
    std::size_t accepted = 0;
    JoinResult last{JoinStatus::joined};
    while (accepted < 1'000 && (last = w.join(ann, "r"))) ++accepted;
    CHECK(accepted == 16);
    CHECK(last.refusal == Refusal::overloaded);
    while (w.rooms.poll() <= w.clock.now()) {}
    CHECK(w.join(ann, "r").status == JoinStatus::already_here);
}

TEST_CASE("a gap that could not be sent takes up what was missed meanwhile") {
    World w{{.outbox_messages = 2}};
    const auto ann = w.member("ann", "r");
    ann->stall();
    for (const auto& text : numbered("m", 1, 4)) w.rooms.broadcast("r", text);
    // While the gap of 1 and 2 is under way two more are said.
    bool once = true;
    ann->on_send = [&](std::string_view text) {
        if (text.front() != '~' || !std::exchange(once, false)) return;
        for (const auto& said : numbered("m", 5, 6)) w.rooms.broadcast("r", said);
    };
    w.rooms.writable(ann);
    w.rooms.broadcast("r", "m7");
    ann->release();
    w.rooms.writable(ann);
    CHECK(ann->frames() == Texts{"~r 5:1-5", "m6", "m7"});
}

TEST_CASE("a connection that is replaced makes place for the one that replaces it") {
    World w{{.max_connections = 1}};
    const auto ann = w.member("ann", "r"), again = make_fake("ann/2");
    CHECK(w.rooms.join(again, {.user = "ann", .room = "r", .replaces = &ann}).status == JoinStatus::device_added);
    CHECK(w.rooms.count() == Counts{1, 1});
}

TEST_CASE("a registry that is destroyed tells nobody and leaks nothing") {
    const auto log = [] {
        World w;
        const auto ann = w.member("ann", "r");
        w.rooms.create_room("ahead", {.keep_empty = true});
        return w.log;
    }();
    CHECK(log->events == Texts{"room_opened r", "joined r ann/ann*", "room_opened ahead"});
}

TEST_CASE("a slow observer does not hold up what the same thread has to send") {
    World w;
    const auto ann = w.member("ann", "r");
    std::size_t told = 0;
    std::size_t heard_when_half_told = 0;
    w.log->on_event = [&](const std::string&) {
        if (++told == 200) heard_when_half_told = ann->frames().size();
        if (told < 400) {
            const std::string room = "x" + std::to_string(told);
            w.rooms.create_room(room, {});
            if (told == 1) w.rooms.broadcast("r", "said");
        }
    };
    w.rooms.create_room("first", {});
    CHECK(told >= 400);
    CHECK(heard_when_half_told == 1);
}

TEST_CASE("who leaves a room and is removed altogether before it has heard of it hears of both") {
    World w{{.membership = Membership::many_rooms, .last_room = LastRoom::close}};
    const auto host = w.member("host", "hall"), ann = w.member("ann", "a"), bob = w.member("bob", "a");
    REQUIRE(w.join(ann, "b"));
    forget(ann);
    host->on_send = [&](std::string_view) {
        w.rooms.kick_from("a", "ann", {CloseCode::banned});
        w.rooms.kick_from("b", "ann", {CloseCode::removed_from_room});
        w.rooms.leave(bob, "a", Ticket("bye"));
        w.rooms.kick_connection(bob, {CloseCode::restarting});
    };
    w.rooms.broadcast("hall", "go");
    CHECK(ann->frames() == Texts{"x a 4005", "! 4001 b"});
    CHECK(bob->frames() == Texts{"-a bye", "! 4200"});
}

TEST_CASE("who is removed for reading too slowly has no more waiting of its rooms than its outbox holds") {
    World w{{.membership = Membership::many_rooms, .outbox_control_messages = 2}};
    const auto host = w.member("host", "hall"), ann = w.member("ann", "r1");
    for (const auto& room : numbered("r", 2, 9)) REQUIRE(w.join(ann, room));
    forget(ann);
    ann->stall();
    host->on_send = [&](std::string_view) { w.rooms.leave_all(ann); };
    w.rooms.broadcast("hall", "go");
    ann->release();
    w.rooms.writable(ann);
    CHECK(ann->frames() == Texts{"-r1", "-r2", "-r3", "! 4100"});
}

TEST_CASE("who comes back into a room hears first that it was removed, however many were") {
    SECTION("and though the turn ends among them") {
        World w{{.membership = Membership::many_rooms, .turn_sends = 1}};
        const auto host = w.member("host", "hall"), ann = w.member("ann", "r"), phone = w.member("ann/2", "r");
        host->on_send = [&](std::string_view) {
            w.rooms.kick_from("r", "ann", {});
            REQUIRE(w.join(phone, "r"));
        };
        w.rooms.broadcast("hall", "go");
        while (w.rooms.poll() <= w.clock.now()) {}
        CHECK(ann->frames() == Texts{"x r 4001"});
        CHECK(phone->frames() == Texts{"x r 4001", "+r"});
    }
    SECTION("and though it was removed while the places of others were given up") {
        World w{{.membership = Membership::many_rooms}};
        std::vector<FakeConnection> crowd;
        for (int i = 0; i < 300; ++i) crowd.push_back(w.member("crowd/" + std::to_string(i), "r"));
        const auto ann = w.member("ann", "r");
        bool back = false;
        const Watch watch([&] {
            if (crowd.back()->frames().empty() || std::exchange(back, true)) return;
            w.rooms.leave(ann, "r");
            REQUIRE(w.join(ann, "r"));
        });
        w.rooms.kick_from("r", "crowd", {});
        REQUIRE(back);
        CHECK(ann->frames() == Texts{"-r", "+r"});
    }
}

TEST_CASE("a deletion that a reset has overtaken deletes nothing of the new numbers", "[invariant-6]") {
    World w{{.room = {.history = 10}}};
    const auto ann = w.member("ann", "r"), bob = w.member("bob", "r");
    for (const auto& text : numbered("m", 1, 2)) w.rooms.broadcast("r", text);
    forget(ann, bob);
    bob->on_send = [&](std::string_view text) {
        if (text != "go") return;
        w.rooms.reset("r");
        w.rooms.broadcast("r", "new 1");
        CHECK(w.rooms.delete_message("r", 1) == Delivery::queued);
    };
    w.rooms.broadcast("r", "go");
    CHECK(ann->frames() == Texts{"go", "^r", "new 1"});
    REQUIRE(w.rooms.join(ann, {.room = "r", .since = Position{w.rooms.position("r")->epoch, 0}}));
    CHECK(w.log->replies.back().history == Texts{"1=new 1"});
}

TEST_CASE("who was away for a moment is not named, though it was altogether gone") {
    Options options;
    options.room.presence = 1s;
    options.room.presence_names = 10;
    World w{options};
    const auto ann = w.member("ann", "r"), bob = w.member("bob", "r");
    w.after(1s);
    forget(ann);
    w.rooms.disconnect(bob);
    const auto again = w.member("bob", "r");
    w.after(2s);
    CHECK(ann->frames().empty());
}

TEST_CASE("an empty room lingers no longer than it may, though it has something to tell") {
    Options options;
    options.room.linger = 50ms;
    options.room.presence = 1s;
    World w{options};
    const auto ann = w.member("ann", "r");
    w.rooms.leave(ann, "r");
    w.after(200ms);
    CHECK(w.rooms.room_count() == 0);
}

TEST_CASE("a message that waits for others does not keep the handle of who published it") {
    Options options;
    options.room.batch_window = 10ms;
    World w{options};
    const auto ann = w.member("ann", "r");
    auto bob = w.member("bob", "r");
    w.rooms.broadcast("r", "first");
    REQUIRE(w.rooms.publish(bob, "r", "waits"));
    w.rooms.disconnect(bob);
    CHECK(bob.use_count() == 1);
    w.after(10ms);
    CHECK(ann->frames() == Texts{"first", "waits"});
}

TEST_CASE("who has gone back is not told by a late answer that it has left") {
    World w;
    const auto host = w.member("host", "hall"), ann = w.member("ann", "a");
    host->on_send = [&](std::string_view) {
        REQUIRE(w.join(ann, "b"));
        w.rooms.leave(ann, "b");
        REQUIRE(w.join(ann, "a"));
    };
    w.log->replies.clear();
    w.rooms.broadcast("hall", "go");
    CHECK(ann->frames() == Texts{"+a", "+b", "-b"});
    REQUIRE(w.log->replies.size() == 2);
    CHECK(w.log->replies.back().room == "b");
    CHECK(w.log->replies.back().from == "");
}

TEST_CASE("a join is answered though its connection goes while the answer is put into words", "[invariant-4]") {
    World w;
    const auto ann = make_fake("ann");
    const auto join_while_told = [&](std::function<void()> go) {
        forget(ann);
        w.log->on_joined = std::move(go);
        REQUIRE(w.rooms.join(ann, {.user = "ann", .room = "r", .context = Ticket("j")}));
        return ann->frames();
    };
    CHECK(join_while_told([&] { w.rooms.leave(ann, "r", Ticket("l")); }) == Texts{"+r", "-r l"});
    CHECK(join_while_told([&] { REQUIRE(w.join(ann, "b")); }) == Texts{"no +r j", "+b"});
    CHECK(join_while_told([&] { w.rooms.close_room("r"); }) == Texts{"no +r j", "! 4006 r"});
}

TEST_CASE("that it was in waits for a slow reader, whatever ended that since", "[invariant-4]") {
    World w{{.membership = Membership::many_rooms}};
    const auto ann = w.member("ann", "hall"), bob = w.member("bob", "r");
    ann->stall();
    const auto join = [&](const char* room) {
        REQUIRE(w.rooms.join(ann, {.room = room, .context = Ticket(std::string("j-") + room)}));
    };
    join("r");
    w.rooms.broadcast("r", "lost");
    w.rooms.leave(ann, "r");
    join("s");
    w.rooms.kick_from("s", "ann", {});
    ann->release();
    w.rooms.writable(ann);
    CHECK(ann->frames() == Texts{"+r", "-r", "+s", "x s 4001"});
}

TEST_CASE("a slow reader that goes through many rooms loses the oldest answers, and stays", "[invariant-10]") {
    World w{{.outbox_messages = 2, .outbox_control_messages = 2}};
    const auto ann = w.member("ann", "r0");
    ann->stall();
    for (const auto& room : numbered("r", 1, 6)) REQUIRE(w.join(ann, room));
    ann->release();
    w.rooms.writable(ann);
    CHECK(ann->frames() == Texts{"+r4", "+r5", "+r6"});
    CHECK(w.rooms.statistics().dropped == 3);
}
