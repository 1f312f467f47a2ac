// SPDX-License-Identifier: MIT
// While a Cork lives, operations take effect and what follows from them waits.
#include <thread>

#include "roomcast/cork.hpp"
#include "unit/registry/world.hpp"

namespace {
using namespace unit;

/// `ann` and `bob` in room r.
struct Corked : World {
    FakeConnection ann = member("ann", "r"), bob = member("bob", "r");
    Corked() { forget(ann, bob); }
};
}  // namespace

TEST_CASE("what is published under a cork goes out when it ends, in its order", "[invariant-5]") {
    Corked w;
    {
        Cork cork(w.rooms);
        CHECK(w.rooms.publish(w.ann, "r", "1").delivery == Delivery::queued);
        CHECK(w.rooms.broadcast("r", "2") == Delivery::queued);
        CHECK(w.rooms.room("r").broadcast("3") == Delivery::queued);
        CHECK(w.bob->frames().empty());
    }
    CHECK(w.ann->frames() == Texts{"1", "2", "3"});
    CHECK(w.bob->frames() == Texts{"1", "2", "3"});
}

TEST_CASE("who joins, leaves or is removed under a cork does so at once, and hears of it when it ends",
          "[invariant-4]") {
    Corked w;
    const auto cat = make_fake("cat");
    w.log->events.clear();
    {
        Cork cork(w.rooms);
        CHECK(w.join(cat, "r").status == JoinStatus::joined);
        CHECK(w.rooms.is_member(cat, "r"));
        CHECK(w.rooms.leave(w.ann, "r") == LeaveStatus::left);
        CHECK(w.rooms.publish(w.ann, "r", "no").delivery == Delivery::not_in_room);
        CHECK(w.rooms.kick_user("bob", {CloseCode::removed_from_room}));
        CHECK_FALSE(w.rooms.is_member(w.bob, "r"));
        CHECK(w.rooms.count("r") == Counts{1, 1});
        CHECK(cat->frames().size() + w.ann->frames().size() + w.bob->frames().size() == 0);
        CHECK(w.log->events.empty());
    }
    CHECK(cat->frames() == Texts{"+r"});
    CHECK(w.ann->frames() == Texts{"-r"});
    CHECK(w.bob->frames() == Texts{"! 4001 r"});
    CHECK(w.log->events == Texts{"joined r cat/cat*", "left r ann/ann left*", "left r bob/bob removed removed_from_room*"});
    w.after(3s);
    CHECK(w.bob->closes() == 1);
}

TEST_CASE("what somebody said who is kicked before the cork ends is not said", "[invariant-4]") {
    Corked w;
    {
        Cork cork(w.rooms);
        CHECK(w.rooms.publish(w.ann, "r", "1").delivery == Delivery::queued);
        CHECK(w.rooms.publish(w.bob, "r", "2").delivery == Delivery::queued);
        w.rooms.kick_user("ann", {CloseCode::removed_from_room});
    }
    CHECK(w.bob->frames() == Texts{"2"});
    CHECK(w.rooms.statistics().dropped == 1);
}

TEST_CASE("a cork holds as much of a room as its queue does") {
    World w({.max_queued = 2});
    const auto ann = w.member("ann", "r");
    {
        Cork cork(w.rooms);
        CHECK(w.rooms.broadcast("r", "1") == Delivery::queued);
        CHECK(w.rooms.broadcast("r", "2") == Delivery::queued);
        CHECK(w.rooms.broadcast("r", "3") == Delivery::overloaded);
    }
    CHECK(ann->frames() == Texts{"1", "2"});
}

TEST_CASE("what is sent to one connection under a cork is sent at once") {
    Corked w;
    Cork cork(w.rooms);
    CHECK(w.rooms.send(w.ann, "now"));
    CHECK(w.ann->frames() == Texts{"now"});
}

TEST_CASE("corks of one thread are one: the outermost sends") {
    Corked w;
    {
        Cork outer(w.rooms);
        {
            Cork inner(w.rooms);
            w.rooms.broadcast("r", "1");
        }
        CHECK(w.bob->frames().empty());
    }
    CHECK(w.bob->frames() == Texts{"1"});
}

TEST_CASE("under a cork what is due is done when it ends, and the next time is asked for", "[invariant-4]") {
    Corked w;
    w.rooms.kick_user("bob", {CloseCode::removed_from_room});
    w.clock.advance(3s);
    {
        Cork cork(w.rooms);
        w.rooms.poll();
        CHECK(w.bob->closes() == 0);
        w.wakes.clear();
    }
    CHECK(w.bob->closes() == 1);
    CHECK(w.wakes.size() == 1);
}

TEST_CASE("what another thread says in a room that a cork holds is sent by the cork, after its own", "[invariant-5]") {
    Corked w;
    std::thread::id sender{};
    w.bob->on_send = [&](std::string_view) { sender = std::this_thread::get_id(); };
    {
        Cork cork(w.rooms);
        w.rooms.broadcast("r", "mine");
        std::thread([&] { CHECK(w.rooms.broadcast("r", "theirs") == Delivery::queued); }).join();
        CHECK(w.bob->frames().empty());
    }
    CHECK(w.bob->frames() == Texts{"mine", "theirs"});
    CHECK(sender == std::this_thread::get_id());
}

TEST_CASE("a cork under which nothing happens takes no lock") {
    Corked w;
    const auto before = WatchedMutex::locks;
    { Cork cork(w.rooms); }
    CHECK(WatchedMutex::locks == before);
}
