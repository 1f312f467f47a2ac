// SPDX-License-Identifier: MIT
// Messages of the host to a room in which nobody works go past its queue: what
// comes in the middle of one is served when it has reached all.
#include "unit/registry/world.hpp"

namespace {
using namespace unit;

/// `ann` and `bob` in room r; `during` runs once, in the middle of the next broadcast.
struct Express : World {
    FakeConnection ann = member("ann", "r"), bob = member("bob", "r");
    Room<FakeConnection, WorldTraits> room = rooms.room("r");

    Express() {
        room.broadcast("before");
        forget(ann, bob);
    }
    template <class During>
    Delivery broadcast(std::string_view text, During&& during) {
        ann->on_send = [during, done = false](std::string_view) mutable {
            if (!std::exchange(done, true)) during();
        };
        return room.broadcast(text);
    }
};
}  // namespace

TEST_CASE("a message from within another's express comes after it, to all", "[invariant-5]") {
    Express w;
    Delivery inner{};
    CHECK(w.broadcast("1", [&] { inner = w.room.broadcast("2"); }) == Delivery::sent);
    CHECK(inner == Delivery::queued);
    CHECK(w.ann->frames() == Texts{"1", "2"});
    CHECK(w.bob->frames() == Texts{"1", "2"});
    CHECK(w.rooms.position("r")->seq == 3);
    CHECK(w.rooms.statistics().messages == 3);
}

TEST_CASE("who joins during an express is told after it, and gets what comes then") {
    Express w;
    FakeConnection cat;
    w.broadcast("1", [&] { cat = w.member("cat", "r"); });
    CHECK(w.log->replies.back().position.seq == 2);
    w.room.broadcast("2");
    CHECK(cat->frames() == Texts{"+r", "2"});
}

TEST_CASE("who is removed during an express hears of it after it, and nothing else", "[invariant-4]") {
    Express w;
    w.broadcast("1", [&] { w.rooms.kick_user("bob", {CloseCode::removed_from_room}); });
    w.room.broadcast("2");
    CHECK(w.bob->frames() == Texts{"! 4001 r"});
    CHECK(w.ann->frames() == Texts{"1", "2"});
}

TEST_CASE("who disconnects during an express keeps nobody else from it") {
    Express w;
    const auto cat = w.member("cat", "r"), dan = w.member("dan", "r");
    forget(w.ann, w.bob, cat, dan);
    w.broadcast("1", [&] {
        w.rooms.disconnect(w.ann);
        w.rooms.disconnect(cat);
    });
    w.room.broadcast("2");
    CHECK(w.bob->frames() == Texts{"1", "2"});
    CHECK(cat->frames().empty());
    CHECK(dan->frames() == Texts{"1", "2"});
}

TEST_CASE("a room that is closed during an express sends no more, and its name is free", "[invariant-4]") {
    Express w;
    w.broadcast("1", [&] {
        w.rooms.close_room("r");
        CHECK_FALSE(w.rooms.count("r"));
        CHECK(w.room.broadcast("nobody") == Delivery::no_room);
    });
    CHECK(w.bob->frames() == Texts{"! 4006 r"});
    const auto cat = w.member("cat", "r");
    CHECK(w.room.broadcast("2") == Delivery::sent);
    CHECK(cat->frames() == Texts{"2"});
    CHECK(w.rooms.position("r")->seq == 1);
}

TEST_CASE("a room that all leave during an express goes after it", "[invariant-11]") {
    Express w;
    w.broadcast("1", [&] {
        CHECK(w.rooms.leave(w.ann, "r") == LeaveStatus::left);
        CHECK(w.rooms.disconnect(w.bob));
    });
    CHECK(w.rooms.room_count() == 0);
    CHECK(w.log->events.back() == "room_closed r");
    CHECK(w.ann->frames() == Texts{"1", "-r"});
}

TEST_CASE("a busy member has an express in its outbox, a broken one leaves by it", "[invariant-8]") {
    Express w;
    w.ann->stall();
    w.bob->throw_on(1);
    CHECK(w.room.broadcast("1") == Delivery::sent);
    CHECK_FALSE(w.rooms.is_member(w.bob, "r"));
    CHECK(w.room.broadcast("2") == Delivery::sent);
    w.ann->release();
    w.rooms.writable(w.ann);
    CHECK(w.ann->frames() == Texts{"1", "2"});
    CHECK(w.rooms.statistics().broken_connections == 1);
}

TEST_CASE("an express reaches each in its encoding, and one that cannot be encoded uses no number", "[invariant-8]") {
    Express w;
    const auto cat = make_fake("cat", 1);
    REQUIRE(w.join(cat, "r"));
    forget(cat);
    w.room.broadcast("x");
    CHECK(w.bob->frames() == Texts{"x"});
    CHECK(cat->frames() == Texts{"2:x"});
    CHECK(w.room.broadcast(FakeSession::unencodable) == Delivery::sent);
    CHECK(w.log->events.back() == "message_dropped r");
    CHECK(w.rooms.statistics().not_encoded == 1);
    w.room.broadcast("y");
    CHECK(cat->frames() == Texts{"2:x", "3:y"});
}

TEST_CASE("an express from within that of another room waits for it: there is no recursion", "[invariant-5]") {
    Express w;
    const auto cat = w.member("cat", "s");
    forget(cat);
    std::size_t heard = 1;
    w.broadcast("1", [&] {
        CHECK(w.rooms.broadcast("s", "2") == Delivery::queued);
        heard = cat->frames().size();
    });
    CHECK(heard == 0);
    CHECK(cat->frames() == Texts{"2"});
}
