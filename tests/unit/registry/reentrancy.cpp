// SPDX-License-Identifier: MIT
#include <random>

#include "unit/registry/world.hpp"

namespace {
using namespace unit;

/// Everything that a callback may do to a registry.
void do_all(World& w, const FakeConnection& me) {
    CHECK_FALSE(CheckedMutex::locked_by_this_thread());
    const auto guest = make_fake("guest");
    static_cast<void>(w.join(guest, "r"));
    w.rooms.publish(guest, "r", "from a callback");
    w.rooms.broadcast("r", "x");
    w.rooms.broadcast_all("x");
    w.rooms.send(guest, "x");
    w.rooms.send_to_user("guest", "x");
    w.rooms.writable(guest);
    w.rooms.set_tags(guest, "r", 1);
    w.rooms.set_info("r", "guest", Info("g"));
    static_cast<void>(w.join(guest, "s"));
    w.rooms.leave(guest, "s");
    static_cast<void>(w.join(guest, "r"));
    w.rooms.kick_from("r", "guest", {});
    w.rooms.disconnect(guest);
    w.rooms.create_room("made", {.keep_empty = true});
    w.rooms.lock_room("made", false);
    w.rooms.poll();
    if (me) w.rooms.send(me, "x");
    static_cast<void>(w.rooms.count());
    static_cast<void>(w.rooms.members("r"));
    static_cast<void>(w.rooms.top_rooms(3));
    static_cast<void>(w.rooms.room("r").position());
    static_cast<void>(w.rooms.statistics());
}
}  // namespace

TEST_CASE("every callback runs without the lock and may call everything", "[invariant-7]") {
    World w{{.room = {.history = 3}, .grace = 0ms, .close_timeout = 0ms}};
    std::size_t sends = 0, closes = 0, terminates = 0, destroyed = 0, observed = 0;
    int depth = 0;
    const auto once = [&](std::size_t& count, const FakeConnection& me) {
        ++count;
        if (++depth <= 2 && count < 20) do_all(w, me);
        --depth;
    };
    w.log->on_event = [&](const std::string&) { once(observed, nullptr); };
    {
        auto ann = make_fake("ann"), bob = make_fake("bob");
        for (const auto& c : {ann, bob}) {
            std::weak_ptr<FakeSession> self = c;
            c->on_send = [&, self](std::string_view) { once(sends, self.lock()); };
            c->on_close = [&, self](CloseCode) { once(closes, self.lock()); };
            c->on_terminate = [&, self] { once(terminates, self.lock()); };
            c->on_destroyed = [&] { once(destroyed, nullptr); };
        }
        REQUIRE(w.join(ann, "r"));
        REQUIRE(w.join(bob, "r"));
        w.rooms.broadcast("r", "x");
        bob->stall();
        w.rooms.broadcast("r", "y");
        bob->release();
        w.rooms.writable(bob);
        w.rooms.kick_user("ann", {});
        w.rooms.close_room("r");
    }
    for (int i = 0; i < 10; ++i) w.rooms.poll();
    CHECK(sends > 4);
    CHECK(closes == 2);
    CHECK(terminates == 2);
    CHECK(destroyed == 2);
    CHECK(observed > 5);
}

TEST_CASE("the last handle of a connection is released without the lock, and may call back", "[invariant-7]") {
    World w;
    int destroyed = 0;
    const auto make = [&](const std::string& name) {
        auto c = make_fake(name);
        c->on_destroyed = [&] {
            ++destroyed;
            CHECK_FALSE(CheckedMutex::locked_by_this_thread());
            w.rooms.broadcast("r", "one has gone");
            static_cast<void>(w.rooms.count());
        };
        return c;
    };
    const auto witness = w.member("witness", "r");
    FakeSession* raw = nullptr;
    {
        auto c = make("ann");
        raw = c.get();
        REQUIRE(w.join(c, "r"));
    }
    // The registry holds the only handle; its own transport says goodbye from within a send.
    raw->on_send = [&](std::string_view) {
        const auto members = w.rooms.members("r").members;
        for (const auto& m : members)
            if (m.user == "ann") w.rooms.disconnect(m.connections.front());
    };
    w.rooms.broadcast("r", "x");
    CHECK(destroyed == 1);
    CHECK(witness->frames() == Texts{"x", "one has gone"});

    { REQUIRE(w.join(make("bob"), "r")); }
    w.rooms.kick_user("bob", {});
    w.after(3s);
    CHECK(destroyed == 1);
    w.after(5s);
    CHECK(destroyed == 2);

    // Refused: the handle goes with the call.
    w.rooms.lock_room("r", true);
    CHECK_FALSE(w.join(make("cat"), "r"));
    CHECK(destroyed == 3);
}

TEST_CASE("infos and contexts are released without the lock, whatever ends them", "[invariant-7]") {
    World w{{.room = {.max_users = 2, .history = 2}, .max_queued = 1}};
    const auto ann = make_fake("ann"), bob = make_fake("bob");
    REQUIRE(w.rooms.join(ann, {.user = "ann", .room = "r", .info = Info("a"), .context = Ticket("1")}));
    REQUIRE(w.rooms.join(ann, {.user = "ann", .room = "r", .info = Info("unused"), .context = Ticket("2")}));
    REQUIRE(w.rooms.join(bob, {.user = "bob", .room = "r", .info = Info("b"), .context = Ticket("3")}));
    CHECK_FALSE(w.rooms.join(make_fake("cat"), {.user = "cat", .room = "r", .info = Info("c"), .context = Ticket("4")}));
    w.rooms.set_info("r", "ann", Info("new"));
    for (int i = 0; i < 5; ++i) w.rooms.publish(ann, "r", "x", {.context = Ticket("5")});
    w.rooms.publish(ann, "r", FakeSession::unencodable, {.context = Ticket("6")});
    ann->on_send = [&](std::string_view frame) {
        if (frame != "y") return;
        w.rooms.publish(ann, "r", "z", {.context = Ticket("7")});
        CHECK(w.rooms.publish(ann, "r", "over", {.context = Ticket("8")}) == Delivery::overloaded);
    };
    w.rooms.publish(ann, "r", "y", {.context = Ticket("9")});
    CHECK(w.rooms.publish(make_fake(), "r", "z", {.context = Ticket("10")}) == Delivery::not_in_room);
    w.rooms.leave(ann, "r", Ticket("11"));
    w.rooms.leave(ann, "none", Ticket("12"));
    w.rooms.close_room("r");
    CHECK(w.rooms.count("r") == std::nullopt);
}

TEST_CASE("destroying a registry with everything still inside releases all, in silence") {
    std::vector<std::weak_ptr<FakeSession>> sessions;
    std::size_t destroyed = 0;
    {
        auto w = std::make_unique<World>(Options{.room = {.history = 5, .linger = 1h}, .turn_sends = 10});
        const auto hold = [&](const FakeConnection& c) {
            sessions.push_back(c);
            c->on_send = [](std::string_view) { FAIL("sent from the destructor"); };
            c->on_close = [](CloseCode) { FAIL("closed from the destructor"); };
            c->on_terminate = [] { FAIL("terminated from the destructor"); };
            c->on_destroyed = [&] { ++destroyed; };
        };
        std::vector<FakeConnection> members;
        for (int i = 0; i < 50; ++i) members.push_back(w->member("u" + std::to_string(i), "r"));
        const auto busy = w->member("busy", "busy"), gone = w->member("gone", "lingers"), kicked = w->member("kicked", "r");
        const auto known = make_fake("known");
        REQUIRE(w->rooms.attach(known));
        busy->stall();
        w->rooms.broadcast("busy", "waits");
        w->rooms.broadcast("lingers", "remembered");
        w->rooms.disconnect(gone);
        w->rooms.kick_user("kicked", {});
        w->rooms.broadcast("r", "stays under way");
        w->rooms.broadcast("r", "stays queued", {.except = &members[3]});
        REQUIRE(w->rooms.join(make_fake("late"), {.user = "late", .room = "r"}));
        w->rooms.leave(members[40], "r");
        w->rooms.close_room("busy");
        for (const auto& c : members) hold(c);
        hold(busy);
        hold(kicked);
        hold(known);
        members.clear();
    }
    CHECK(destroyed == sessions.size());
    for (const auto& session : sessions) CHECK(session.expired());
}

TEST_CASE("handles that go with their registry may still call it") {
    auto w = std::make_unique<World>();
    int calls = 0;
    {
        const auto ann = w->member("ann", "r");
        ann->on_destroyed = [&, rooms = &w->rooms] {
            ++calls;
            CHECK(rooms->broadcast("r", "x") == Delivery::no_room);
            CHECK(rooms->join(make_fake("bob"), {.user = "bob", .room = "r"}).refusal == Refusal::shutting_down);
            CHECK(rooms->count() == Counts{0, 0});
        };
    }
    w.reset();
    CHECK(calls == 1);
}

TEST_CASE("two registries may call each other from their callbacks", "[invariant-7]") {
    World one, two;
    const auto ann = one.member("ann", "r"), bob = two.member("bob", "r");
    int left = 20;
    ann->on_send = [&](std::string_view) {
        if (left-- > 0) two.rooms.broadcast("r", "to two");
    };
    bob->on_send = [&](std::string_view) {
        if (left-- > 0) one.rooms.broadcast("r", "to one");
    };
    one.rooms.broadcast("r", "first");
    CHECK(left <= 0);
    CHECK(ann->frames().size() + bob->frames().size() == 21);
}
