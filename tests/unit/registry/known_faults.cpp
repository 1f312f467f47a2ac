// SPDX-License-Identifier: MIT
// Faults that others have, or had: what went wrong there must not go wrong here.
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "unit/registry/world.hpp"

namespace {
using namespace unit;

/// Runs what is left to be done now.
void run_out(World& w) {
    while (w.rooms.poll() <= w.clock.now()) {}
}
}  // namespace

// There ChangeRoom deletes first: the room is empty for a moment, dropped, and takes nobody any more.
// https://github.com/Terry-Mao/goim/blob/master/internal/comet/bucket.go
TEST_CASE("goim: who is alone in a room and joins it again is still in it", "[invariant-3]") {
    World w;
    const auto ann = w.member("ann", "r");
    const auto epoch = w.rooms.position("r")->epoch;
    CHECK(w.join(ann, "r").status == JoinStatus::already_here);
    forget(ann);
    CHECK(w.rooms.count("r") == Counts{1, 1});
    CHECK(w.rooms.position("r")->epoch == epoch);
    w.rooms.broadcast("r", "hello");
    CHECK(ann->frames() == Texts{"hello"});
    CHECK(w.log->events == Texts{"room_opened r", "joined r ann/ann*"});
}

// The other face: who looks the room up just before the last one leaves it is put into the dropped one.
// https://github.com/Terry-Mao/goim/issues/391
TEST_CASE("goim: who joins while the last one is leaving is in a room that lives", "[invariant-1]") {
    World w;
    const auto ann = w.member("ann", "r"), bob = make_fake("bob"), cid = make_fake("cid");
    ann->on_send = [&](std::string_view text) {
        if (text == "-r") REQUIRE(w.join(bob, "r"));
    };
    w.rooms.leave(ann, "r");
    forget(bob);
    w.rooms.broadcast("r", "hello");
    CHECK(bob->frames() == Texts{"hello"});
    REQUIRE(w.join(cid, "r"));
    CHECK(w.rooms.count("r") == Counts{2, 2});
}

// There a connection whose ChangeRoom failed still names the room that it was deleted from; its Del cuts the
// list of members at its head. https://github.com/Terry-Mao/goim/pull/384 asks that very question.
TEST_CASE("goim: a join that fails, and the disconnect after it, cut nobody else off", "[invariant-2]") {
    World w;
    const auto ann = w.member("ann", "r"), bob = w.member("bob", "r"), cid = w.member("cid", "r");
    w.rooms.create_room("locked", {.keep_empty = true});
    w.rooms.lock_room("locked", true);
    for (const auto& c : {ann, bob, cid}) CHECK(w.join(c, "locked").refusal == Refusal::room_locked);
    CHECK(w.rooms.count("r") == Counts{3, 3});
    w.rooms.broadcast("r", "first");
    w.rooms.disconnect(cid);
    w.rooms.broadcast("r", "second");
    CHECK(ann->frames() == Texts{"first", "second"});
    CHECK(bob->frames() == Texts{"first", "second"});
    CHECK(cid->frames() == Texts{"first"});
    CHECK(w.rooms.count("r") == Counts{2, 2});
}

// The same Del, run twice for one connection, counts it down twice: room.go, Online.
TEST_CASE("goim: however often and by whatever way somebody goes, the counts never fall below zero", "[invariant-12]") {
    World w{{.grace = 1s, .close_timeout = 1s}};
    w.rooms.create_room("r", {.keep_empty = true});
    const auto ann = w.member("ann", "r");
    const auto bob = w.member("bob", "hall");
    const std::vector<std::function<void()>> ways{
        [&] { w.rooms.leave(ann, "r"); },
        [&] { w.rooms.leave_all(ann); },
        [&] { w.rooms.kick_from("r", "ann", {}); },
        [&] { w.rooms.kick_connection(ann, {}); },
        [&] { w.rooms.kick_user("ann", {}); },
        [&] { w.rooms.disconnect(ann); },
    };
    for (const auto& first : ways) {
        for (const auto& second : ways) {
            first();
            second();
            second();
            CHECK(w.rooms.count("r") == Counts{0, 0});
            w.rooms.disconnect(ann);
            w.rooms.disconnect(ann);
            CHECK(w.rooms.count("r") == Counts{0, 0});
            CHECK(w.rooms.count() == Counts{1, 1});
            REQUIRE(w.join(ann, "r"));
            CHECK(w.rooms.count("r") == Counts{1, 1});
            CHECK(w.rooms.count() == Counts{2, 2});
        }
    }
}

// There the subscription went into the hub after the closing client had been cleaned up, and stayed for ever.
// https://github.com/centrifugal/centrifuge/pull/209
TEST_CASE("centrifuge: who is gone before its join has been told leaves no ghost", "[invariant-12]") {
    World w;
    const auto bob = w.member("bob", "r");
    auto ann = make_fake("ann");
    const std::weak_ptr<FakeSession> session = ann;
    SECTION("while the room is busy with a message") {
        bob->on_send = [&](std::string_view text) {
            if (text != "go") return;
            REQUIRE(w.join(ann, "r"));
            w.rooms.disconnect(ann);
        };
        w.rooms.broadcast("r", "go");
        CHECK(ann->heard().empty());
    }
    SECTION("while its reply is being sent") {
        ann->on_send = [&](std::string_view) { w.rooms.disconnect(ann); };
        REQUIRE(w.join(ann, "r"));
        CHECK(ann->frames() == Texts{"+r"});
    }
    SECTION("while its reply is being sent, and answered that it is closed") {
        ann->fail_on(1);
        REQUIRE(w.join(ann, "r"));
        w.rooms.disconnect(ann);
        CHECK(ann->frames().empty());
    }
    w.rooms.broadcast("r", "later");
    CHECK(ann->attempts() <= 1);
    CHECK(w.rooms.count("r") == Counts{1, 1});
    CHECK(w.rooms.members("r").members.size() == 1);
    CHECK_FALSE(w.rooms.has_member("r", "ann"));
    CHECK(w.rooms.count() == Counts{1, 1});
    ann->on_send = nullptr;
    ann.reset();
    CHECK(session.expired());
}

// There an unsubscribe is known by its channel: one that comes late takes the newer subscription with it.
// https://github.com/centrifugal/centrifuge/pull/372, https://github.com/centrifugal/centrifuge-js/pull/424
TEST_CASE("centrifuge: an end that is told late does not end the newer membership", "[invariant-12]") {
    World w{{.membership = Membership::many_rooms}};
    const auto bob = w.member("bob", "r"), ann = w.member("ann", "r");
    REQUIRE(w.join(ann, "hall"));
    forget(ann);
    const bool removed = GENERATE(false, true);
    bob->on_send = [&](std::string_view text) {
        if (text != "go") return;
        for (const char* const id : {"1", "2"}) {
            if (removed) w.rooms.kick_from("r", "ann", {});
            else w.rooms.leave(ann, "r", Ticket("l" + std::string(id)));
            REQUIRE(w.rooms.join(ann, {.room = "r", .context = Ticket("j" + std::string(id))}));
        }
    };
    w.rooms.broadcast("r", "go");
    CHECK(w.rooms.is_member(ann, "r"));
    CHECK(w.rooms.count("r") == Counts{2, 2});
    REQUIRE_FALSE(w.log->replies.empty());
    CHECK(w.log->replies.back().ticket == "j2");
    CHECK(ann->take_frames().back() == "+r");
    w.rooms.broadcast("r", "later");
    CHECK(ann->frames() == Texts{"later"});
}

// There who evicts takes the hub's lock, which the fan-out that found the full buffer holds.
// https://github.com/superplanehq/superplane/issues/6427
TEST_CASE("hubs that evict while they send: a slow reader that goes in the middle of a message stops nobody",
          "[invariant-7]") {
    Options options;
    options.outbox_messages = 1;
    options.room.slow_readers = SlowReaders::disconnect;
    World w{options};
    std::vector<FakeConnection> members;
    for (int i = 0; i < 5; ++i) members.push_back(w.member("u" + std::to_string(i), "r"));
    for (const std::size_t slow : {0u, 2u, 4u}) members[slow]->stall();
    // What a host does when it hears of it: it asks, speaks, and lets go.
    w.log->on_event = [&](const std::string& line) {
        if (!line.starts_with("left")) return;
        CHECK_FALSE(w.rooms.has_member("r", "u0"));
        w.rooms.broadcast("r", "somebody left");
    };
    for (const auto& member : members)
        member->on_close = [&](CloseCode) { w.rooms.disconnect(member); };
    for (const auto& text : {"m1", "m2", "m3"}) w.rooms.broadcast("r", text);
    w.after(1h);
    CHECK(w.rooms.count("r") == Counts{2, 2});
    CHECK(w.rooms.count() == Counts{2, 2});
    CHECK(w.rooms.statistics().slow_consumers == 3);
    CHECK(w.rooms.statistics().closing == 0);
    for (const std::size_t quick : {1u, 3u})
        CHECK(members[quick]->frames() == Texts{"m1", "m2", "somebody left", "somebody left", "somebody left", "m3"});
    for (const std::size_t slow : {0u, 2u, 4u}) CHECK(members[slow]->closes() == 1);
}

// There only what a client has received tells it where it was, so that one who has received nothing yet starts
// anew. https://github.com/socketio/socket.io/issues/4888, https://github.com/socketio/socket.io/issues/5538
TEST_CASE("Socket.IO: who has heard no message yet recovers like everybody else", "[invariant-6]") {
    World w{{.room = {.history = 10, .linger = 60s}}};
    const auto ann = w.member("ann", "r");
    const Position seen = w.log->replies.back().position;
    CHECK(seen.seq == 0);
    Texts missed;
    SECTION("with nothing missed, in a room that was empty meanwhile") { CHECK(w.rooms.disconnect(ann)); }
    SECTION("with all that was said since") {
        const auto bob = w.member("bob", "r");
        CHECK(w.rooms.disconnect(ann));
        for (const auto& text : numbered("m", 1, 2)) w.rooms.broadcast("r", text);
        missed = {"1=m1", "2=m2"};
    }
    const auto again = make_fake("ann/2");
    REQUIRE(w.rooms.join(again, {.user = "ann", .room = "r", .since = seen}));
    CHECK(w.log->replies.back().was_recovering);
    CHECK(w.log->replies.back().recovered);
    CHECK(w.log->replies.back().history == missed);
}

// There a position is good only while its packet is kept: whoever was told nothing for a while has lost it.
// https://github.com/socketio/socket.io/issues/5282
TEST_CASE("Socket.IO: a session that was quiet for longer than history is kept recovers", "[invariant-6]") {
    World w{{.room = {.history = 10, .history_age = 120s, .linger = 1h}}};
    const auto ann = w.member("ann", "r");
    w.rooms.broadcast("r", "hello");
    const Position seen = *w.rooms.position("r");
    w.after(300s);
    w.rooms.disconnect(ann);
    const auto again = make_fake("ann/2");
    REQUIRE(w.rooms.join(again, {.user = "ann", .room = "r", .since = seen}));
    CHECK(w.log->replies.back().recovered);
    CHECK(w.log->replies.back().history.empty());
    forget(again);
    w.rooms.broadcast("r", "m2");
    CHECK(again->frames() == Texts{"m2"});
}

// There a callback of a publish must not publish, subscribe or unsubscribe, who changes topics while they are
// walked ends the process (std::terminate in TopicTree.h), and a socket that closed while a topic was published
// crashed it: https://github.com/uNetworking/uWebSockets/issues/1038
TEST_CASE("uWebSockets: a room may change in every way while a message is sent in it", "[invariant-4]") {
    const auto sends = GENERATE(4'096u, 1u);  // in one turn, parked after each
    World w{{.membership = Membership::many_rooms, .last_room = LastRoom::keep, .turn_sends = sends}};
    std::vector<FakeConnection> members;
    for (int i = 0; i < 12; ++i) members.push_back(w.member("u" + std::to_string(i), "r"));
    const auto late = make_fake("late");
    const auto on = [&](std::size_t i, std::function<void()> change) {
        members[i]->on_send = [change](std::string_view text) {
            if (text == "said") change();
        };
    };
    on(0, [&] { w.rooms.leave(members[0], "r"); });
    on(1, [&] { REQUIRE(w.join(late, "r")); });
    on(2, [&] { w.rooms.disconnect(members[3]); });
    on(4, [&] { w.rooms.kick_user("u5", {}); });
    on(6, [&] { REQUIRE(w.join(members[6], "elsewhere")); });
    on(7, [&] { w.rooms.leave(members[6], "r"); });
    on(8, [&] {
        w.rooms.leave(members[11], "r");
        REQUIRE(w.join(members[11], "r"));
    });
    members[9]->fail_on(1);
    w.rooms.broadcast("r", "said");
    run_out(w);
    for (const std::size_t i : {0u, 1u, 2u, 4u, 6u, 7u, 8u, 10u}) CHECK(members[i]->frames().front() == "said");
    for (const std::size_t i : {3u, 9u}) CHECK(members[i]->frames().empty());
    CHECK(members[5]->frames() == Texts{"! 4001 r"});
    CHECK(members[11]->frames() == Texts{"-r", "+r"});
    CHECK(late->frames() == Texts{"+r"});
    CHECK(w.rooms.count("r") == Counts{8, 8});
    on(1, [&] { w.rooms.close_room("r"); });
    w.rooms.broadcast("r", "said");
    run_out(w);
    CHECK_FALSE(w.rooms.count("r"));
    CHECK(members[1]->frames().back() == "x r 4006");
}
