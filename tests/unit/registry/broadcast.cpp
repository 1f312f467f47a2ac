// SPDX-License-Identifier: MIT
#include <algorithm>
#include <functional>
#include <thread>

#include "unit/allocations.hpp"
#include "unit/registry/world.hpp"

namespace {
using namespace unit;

/// Takes its frames by value.
struct Keeper {
    std::vector<Frame> kept{};
    bool busy = false;
    std::function<void()> on_send{};

    SendStatus send(Frame frame) {
        if (busy) return SendStatus::busy;
        kept.push_back(std::move(frame));
        if (on_send) on_send();
        return SendStatus::accepted;
    }
    void close(CloseCode, std::string_view) {}
};
struct KeeperTraits : DefaultTraits {
    using events = SilentEvents;
};
}  // namespace

TEST_CASE("a message of the host reaches every member of that room alone") {
    World w;
    const auto ann = w.member("ann", "r"), bob = w.member("bob", "r"), cat = w.member("cat", "s");
    CHECK(w.rooms.broadcast("r", "x") == Delivery::sent);
    CHECK(ann->frames() == Texts{"x"});
    CHECK(bob->frames() == Texts{"x"});
    CHECK(cat->frames().empty());
    CHECK(w.rooms.broadcast("none", "x") == Delivery::no_room);
    CHECK(w.rooms.statistics().messages == 1);
}

TEST_CASE("only who is in a room can speak in it") {
    World w;
    const auto ann = w.member("ann", "r"), bob = w.member("bob", "s");
    CHECK(w.rooms.publish(ann, "r", "x") == Delivery::sent);
    CHECK(w.rooms.publish(bob, "r", "x") == Delivery::not_in_room);
    CHECK(w.rooms.publish(make_fake(), "r", "x") == Delivery::not_in_room);
    CHECK(w.rooms.publish(ann, "none", "x") == Delivery::no_room);
    auto room = w.rooms.room("r");
    CHECK(room.publish(bob, "x") == Delivery::not_in_room);
    CHECK(ann->frames() == Texts{"x"});
    w.rooms.kick_user("ann", {});
    CHECK(w.rooms.publish(ann, "s", "x") == Delivery::closing);
}

TEST_CASE("filters choose by tags and leave one connection out") {
    World w;
    const auto plain = make_fake("plain"), one = make_fake("one"), both = make_fake("both");
    REQUIRE(w.rooms.join(plain, {.user = "plain", .room = "r"}));
    REQUIRE(w.rooms.join(one, {.user = "one", .room = "r", .tags = 1}));
    REQUIRE(w.rooms.join(both, {.user = "both", .room = "r", .tags = 3}));
    forget(plain, one, both);
    w.rooms.broadcast("r", "need 1", {.require = 1});
    w.rooms.broadcast("r", "need 1 and 2", {.require = 3});
    w.rooms.broadcast("r", "without 2", {.exclude = 2});
    w.rooms.broadcast("r", "without either", {.exclude = 3});
    w.rooms.broadcast("r", "1 without 2", {.require = 1, .exclude = 2});
    w.rooms.broadcast("r", "not one", {.except = &one});
    w.rooms.publish(plain, "r", "published", {.require = 2});
    const auto stranger = make_fake();
    w.rooms.broadcast("r", "all", {.except = &stranger});
    CHECK(plain->frames() == Texts{"without 2", "without either", "not one", "all"});
    CHECK(one->frames() == Texts{"need 1", "without 2", "1 without 2", "all"});
    CHECK(both->frames() == Texts{"need 1", "need 1 and 2", "not one", "published", "all"});
}

TEST_CASE("tags can be changed by who is in the room") {
    World w;
    const auto ann = w.member("ann", "r");
    CHECK(w.rooms.set_tags(ann, "r", 8));
    CHECK_FALSE(w.rooms.set_tags(ann, "s", 8));
    CHECK_FALSE(w.rooms.set_tags(make_fake(), "r", 8));
    w.rooms.broadcast("r", "eight", {.require = 8});
    CHECK(ann->frames() == Texts{"eight"});
}

TEST_CASE("who publishes may get a form of its own under the same number, and is told the number") {
    World w{{.room = {.history = 5}}};
    const auto ann = make_fake("ann", 1), bob = make_fake("bob", 1);
    REQUIRE(w.join(ann, "r"));
    REQUIRE(w.join(bob, "r"));
    forget(ann, bob);
    w.rooms.publish(ann, "r", "shared", {.own = "own", .context = Ticket("17")});
    CHECK(ann->frames() == Texts{"ok r 1 17", "1:own"});
    CHECK(bob->frames() == Texts{"1:shared"});
    const auto cat = make_fake("cat");
    REQUIRE(w.rooms.join(cat, {.user = "cat", .room = "r", .history = 5}));
    CHECK(w.log->replies.back().history == Texts{"1=shared"});
}

TEST_CASE("a message without a number takes none and is not remembered") {
    World w{{.room = {.history = 5}}};
    const auto ann = make_fake("ann", 1);
    REQUIRE(w.rooms.join(ann, {.user = "ann", .room = "r"}));
    forget(ann);
    w.rooms.broadcast("r", "1");
    w.rooms.broadcast("r", "likes", {.numbered = false});
    w.rooms.publish(ann, "r", "mine", {.context = Ticket("4"), .numbered = false});
    w.rooms.broadcast("r", "2");
    CHECK(ann->frames() == Texts{"1:1", "likes", "mine", "2:2"});
    CHECK(w.rooms.position("r")->seq == 2);
    const auto bob = make_fake("bob");
    REQUIRE(w.rooms.join(bob, {.user = "bob", .room = "r", .history = 5}));
    CHECK(w.log->replies.back().history == Texts{"1=1", "2=2"});
}

TEST_CASE("connections of several encodings hear the same messages in one room") {
    World w;
    const auto raw = w.member("raw", "r");
    const auto text = make_fake("text", 1), full = make_fake("full", 2);
    REQUIRE(w.join(text, "r"));
    REQUIRE(w.join(full, "r"));
    forget(text, full);
    w.rooms.broadcast("r", "x");
    const std::string epoch = epoch_text(w.rooms.position("r")->epoch);
    CHECK(raw->frames() == Texts{"x"});
    CHECK(text->frames() == Texts{"1:x"});
    CHECK(full->frames() == Texts{epoch + "/1:x"});
    w.rooms.disconnect(raw);
    w.rooms.broadcast("r", "y");
    CHECK(text->frames() == Texts{"1:x", "2:y"});
}

TEST_CASE("a message is encoded once for each encoding in use, whatever the number of members") {
    struct Session {
        int wanted = 0;
        const char* sent = nullptr;
        SendStatus send(const Frame& frame) {
            sent = frame.data();
            return SendStatus::accepted;
        }
        void close(CloseCode, std::string_view) {}
        int encoding() const { return wanted; }
        static Frame encode(const Message& message, int) { return Frame(std::string(message.payload.view())); }
    };
    RoomRegistry<Session*> rooms;
    std::vector<Session> sessions(40);
    for (std::size_t i = 0; i < sessions.size(); ++i) {
        sessions[i].wanted = static_cast<int>(i % 2);
        REQUIRE(rooms.join(&sessions[i], {.user = std::to_string(i), .room = "r"}));
    }
    rooms.broadcast("r", "x");
    CHECK(sessions[0].sent != sessions[1].sent);
    for (std::size_t i = 0; i < sessions.size(); ++i) CHECK(sessions[i].sent == sessions[i % 2].sent);
}

TEST_CASE("a message is not encoded for those who have left") {
    struct Session {
        int wanted = 0;
        int heard = 0;
        SendStatus send(const Frame& frame) {
            heard += frame.view() == "x";
            return SendStatus::accepted;
        }
        void close(CloseCode, std::string_view) {}
        int encoding() const { return wanted; }
        static Frame encode(const Message& message, int encoding) {
            if (encoding == 1 && message.payload.view() == "x") throw std::runtime_error("told to throw");
            return message.payload;
        }
    };
    RoomRegistry<Session*> rooms;
    Session ann, bob{.wanted = 1}, cat{.wanted = 1};
    REQUIRE(rooms.join(&ann, {.user = "ann", .room = "r"}));
    REQUIRE(rooms.join(&bob, {.user = "bob", .room = "r"}));
    REQUIRE(rooms.join(&cat, {.user = "cat", .room = "r"}));
    rooms.leave(&bob, "r");
    rooms.broadcast("r", "x");  // cat cannot have it, so nobody has
    CHECK(ann.heard == 0);
    rooms.disconnect(&cat);
    rooms.broadcast("r", "x");
    CHECK(ann.heard == 1);
    CHECK(rooms.statistics().not_encoded == 1);
}

TEST_CASE("a message that cannot be encoded uses no number and stops nothing") {
    World w;
    const auto ann = w.member("ann", "r");
    w.log->events.clear();
    w.rooms.broadcast("r", "1");
    CHECK(w.rooms.publish(ann, "r", FakeSession::unencodable) == Delivery::sent);
    w.rooms.publish(ann, "r", "own fails", {.own = FakeSession::unencodable});
    w.rooms.broadcast("r", "2");
    CHECK(ann->frames() == Texts{"1", "2"});
    CHECK(w.rooms.position("r")->seq == 2);
    CHECK(w.rooms.statistics().not_encoded == 2);
    CHECK(w.log->events == Texts{"message_dropped r", "message_dropped r"});
    CHECK(w.rooms.is_member(ann, "r"));
}

TEST_CASE("a message that cannot be encoded is nobody's where nobody observes, too") {
    RoomRegistry<FakeConnection> rooms;
    const auto ann = make_fake("ann", 1);
    REQUIRE(rooms.join(ann, {.user = "ann", .room = "r"}));
    forget(ann);
    CHECK(rooms.broadcast("r", FakeSession::unencodable) == Delivery::sent);
    rooms.broadcast("r", "x");
    CHECK(ann->frames().size() == 1);
    CHECK(rooms.position("r")->seq == 1);
    CHECK(rooms.statistics().not_encoded == 1);
}

TEST_CASE("all members hear one order, also of what is broadcast from within sends", "[invariant-5]") {
    World w;
    std::vector<FakeConnection> members;
    for (int i = 0; i < 5; ++i) {
        members.push_back(make_fake("u" + std::to_string(i), 1));
        REQUIRE(w.join(members.back(), "r"));
        forget(members.back());
    }
    int said = 0;
    for (const auto& c : members)
        c->on_send = [&, self = c.get()](std::string_view) {
            if (said < 20) {
                ++said;
                CHECK(w.rooms.broadcast("r", self->name() + " says " + std::to_string(said)) == Delivery::queued);
            }
        };
    CHECK(w.rooms.broadcast("r", "first") == Delivery::sent);
    const Texts order = members[0]->frames();
    CHECK(order.size() == 21);
    for (std::size_t i = 0; i < order.size(); ++i) CHECK(order[i].starts_with(std::to_string(i + 1) + ':'));
    for (const auto& c : members) CHECK(c->frames() == order);
}

TEST_CASE("what one thread says in the middle of a message is heard in the order in which it said it",
          "[invariant-5]") {
    World w;
    const auto ann = w.member("ann", "r"), bob = w.member("bob", "r");
    ann->on_send = [&](std::string_view frame) {
        if (frame != "0") return;
        for (const auto& text : numbered("", 1, 5)) w.rooms.publish(ann, "r", text);
    };
    w.rooms.broadcast("r", "0");
    CHECK(ann->frames() == numbered("", 0, 5));
    CHECK(bob->frames() == numbered("", 0, 5));
}

TEST_CASE("another thread's message in the middle of one goes behind it", "[invariant-5]") {
    World w;
    const auto ann = w.member("ann", "r"), bob = w.member("bob", "r");
    ann->on_send = [&](std::string_view frame) {
        if (frame == "1")
            std::thread([&] { CHECK(w.rooms.broadcast("r", "2") == Delivery::queued); }).join();
    };
    w.rooms.broadcast("r", "1");
    CHECK(ann->frames() == Texts{"1", "2"});
    CHECK(bob->frames() == Texts{"1", "2"});
}

TEST_CASE("a broadcast from within sends does not recurse") {
    World w{{.max_queued = 10}};
    const auto ann = w.member("ann", "r");
    int depth = 0, deepest = 0, left = 5000;
    ann->on_send = [&](std::string_view) {
        deepest = std::max(deepest, ++depth);
        if (left-- > 0) w.rooms.broadcast("r", "again");
        --depth;
    };
    w.rooms.broadcast("r", "x");
    while (left > 0) w.rooms.poll();
    CHECK(deepest == 1);
}

TEST_CASE("a full queue answers overloaded, counts it, and loses nothing that it took", "[invariant-10]") {
    World w{{.max_queued = 3}};
    const auto ann = w.member("ann", "r");
    ann->on_send = [&](std::string_view frame) {
        if (frame != "1") return;
        for (const auto& text : numbered("q", 1, 3)) CHECK(w.rooms.broadcast("r", text) == Delivery::queued);
        CHECK(w.rooms.broadcast("r", "over") == Delivery::overloaded);
        CHECK(w.rooms.publish(ann, "r", "over") == Delivery::overloaded);
        // Joins and removals are never refused.
        CHECK(w.join(make_fake("late"), "r"));
    };
    w.rooms.broadcast("r", "1");
    CHECK(ann->frames() == Texts{"1", "q1", "q2", "q3"});
    CHECK(w.rooms.statistics().overloaded == 2);
    CHECK(w.rooms.statistics().messages == 4);
    CHECK(w.rooms.broadcast("r", "again") == Delivery::sent);
}

TEST_CASE("a message to all rooms reaches each, and says how many") {
    World w;
    std::vector<FakeConnection> members;
    for (int i = 0; i < 600; ++i)
        members.push_back(w.member("u" + std::to_string(i), "room " + std::to_string(i % 300)));
    CHECK(w.rooms.broadcast_all("x", {.except = &members[7]}) == 300);
    for (std::size_t i = 0; i < members.size(); ++i)
        CHECK(members[i]->frames() == (i == 7 ? Texts{} : Texts{"x"}));
    CHECK(World().rooms.broadcast_all("x") == 0);
}

TEST_CASE("a message to a user reaches all its devices, in a room or not") {
    World w;
    const auto one = w.member("ann/1", "r"), two = make_fake("ann/2"), three = make_fake("ann/3");
    REQUIRE(w.rooms.attach(two, "ann"));
    REQUIRE(w.rooms.attach(three, "ann"));
    three->fail_on(1);
    CHECK(w.rooms.send_to_user("ann", "x") == 2);
    CHECK(one->frames() == Texts{"x"});
    CHECK(two->frames() == Texts{"x"});
    CHECK(w.rooms.send_to_user("ann", "y") == 2);
    CHECK(w.rooms.send_to_user("bob", "x") == 0);
    CHECK(w.rooms.send_to_user("ann", FakeSession::unencodable) == 0);
    CHECK(w.rooms.count() == Counts{1, 2});
}

TEST_CASE("a message to a connection needs a known one") {
    World w;
    const auto ann = make_fake("ann");
    CHECK_FALSE(w.rooms.send(ann, "x"));
    REQUIRE(w.rooms.attach(ann));
    CHECK(w.rooms.send(ann, "y"));
    CHECK(w.rooms.send(ann, "z", MessageClass::normal));
    CHECK(ann->frames() == Texts{"y", "z"});
}

TEST_CASE("who joins in the middle of a message hears it in history or not at all, never twice", "[invariant-6]") {
    World w{{.room = {.history = 10}}};
    const auto ann = w.member("ann", "r"), bob = make_fake("bob", 1);
    ann->on_send = [&](std::string_view frame) {
        if (frame != "1") return;
        w.rooms.broadcast("r", "2");
        CHECK(w.rooms.join(bob, {.user = "bob", .room = "r", .history = 10}));
        w.rooms.broadcast("r", "3");
    };
    w.rooms.broadcast("r", "1");
    CHECK(w.log->replies.back().history == Texts{"1=1", "2=2"});
    CHECK(w.log->replies.back().position.seq == 2);
    CHECK(bob->frames() == Texts{"+r", "3:3"});
}

TEST_CASE("who publishes may want no echo, and hears the number all the same") {
    World w;
    const auto ann = w.member("ann", "r"), tab = w.member("ann/2", "r"), bob = w.member("bob", "r");
    CHECK(w.rooms.publish(ann, "r", "cursor", {.echo = false, .context = Ticket("t")}) == Delivery::sent);
    CHECK(ann->frames() == Texts{"ok r 1 t"});
    CHECK(tab->frames() == Texts{"cursor"});
    CHECK(bob->frames() == Texts{"cursor"});
}

TEST_CASE("a member whose tags change while it answers misses nothing in silence, and does not stay when it is gone") {
    World w;
    const auto ann = make_fake("ann"), bob = w.member("bob", "r");
    REQUIRE(w.rooms.join(ann, {.user = "ann", .room = "r", .tags = 1}));
    forget(ann);
    ann->on_send = [&](std::string_view) { w.rooms.set_tags(ann, "r", 0); };
    SECTION("busy") {
        ann->stall();
        w.rooms.broadcast("r", "for some", {.require = 1});
        ann->release();
        w.rooms.writable(ann);
        CHECK(ann->frames() == Texts{"for some"});
    }
    SECTION("gone") {
        ann->fail_on(1);
        w.rooms.broadcast("r", "for some", {.require = 1});
        CHECK_FALSE(w.rooms.is_member(ann, "r"));
    }
}

TEST_CASE("who keeps frames has one of each message that was meant for it, and the last holder frees it") {
    const std::size_t members = GENERATE(std::size_t{5}, std::size_t{700});  // past the queue, or in turns
    std::size_t refused = 0, wrong = 0;  // an assertion takes memory of its own
    const auto before = allocations::live_bytes();
    {
        std::vector<Keeper> sessions(members);
        RoomRegistry<Keeper*, KeeperTraits> rooms;
        for (std::size_t i = 0; i < members; ++i)
            refused += !rooms.join(&sessions[i], {.user = "u" + std::to_string(i), .room = "r"});
        sessions[1].busy = true;
        sessions[2].on_send = [&] { rooms.disconnect(&sessions[4]); };
        for (const char* text : {"one", "two"}) rooms.broadcast("r", text);
        sessions[1].busy = false;
        rooms.writable(&sessions[1]);
        for (std::size_t i = 0; i < members; ++i) {
            const auto& kept = sessions[i].kept;
            if (i == 4) wrong += !kept.empty();
            else wrong += kept.size() != 2 || kept[0].view() != "one" || kept[1].data() != sessions[0].kept[1].data();
        }
    }
    const auto after = allocations::live_bytes();
    CHECK(refused == 0);
    CHECK(wrong == 0);
    CHECK(after == before);
}
