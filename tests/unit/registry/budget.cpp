// SPDX-License-Identifier: MIT
#include "unit/registry/world.hpp"

namespace {
using namespace unit;

const std::string thousand_bytes(1000, 'x');

Options bounded(std::size_t memory) {
    Options options;
    options.membership = Membership::many_rooms;
    options.memory = memory;
    options.room.history = 100;
    return options;
}
std::size_t used(const World& w) { return w.rooms.statistics().memory; }
}  // namespace

TEST_CASE("outboxes and histories are added up, and come back to nothing") {
    World w{bounded(0)};
    const auto ann = w.member("ann", "r");
    CHECK(used(w) == 0);
    w.rooms.broadcast("r", thousand_bytes);
    const auto kept = used(w);
    CHECK(kept >= 1000);
    ann->stall();
    w.rooms.broadcast("r", thousand_bytes, {.numbered = false});
    CHECK(used(w) >= kept + 1000);
    ann->release();
    w.rooms.writable(ann);
    CHECK(used(w) == kept);
    w.rooms.leave(ann, "r");
    CHECK(used(w) == 0);
}

TEST_CASE("past the budget the history of the room that was silent longest shrinks first", "[invariant-10]") {
    World w{bounded(10'000)};
    const auto ann = w.member("ann", "old");
    REQUIRE(w.join(ann, "new"));
    for (int i = 0; i < 4; ++i) w.rooms.broadcast("new", thousand_bytes);
    for (int i = 0; i < 4; ++i) w.rooms.broadcast("old", thousand_bytes);
    w.rooms.broadcast("new", thousand_bytes);
    for (int i = 0; i < 3; ++i) w.rooms.broadcast("new", thousand_bytes);
    CHECK(used(w) <= 10'000);
    CHECK(w.rooms.statistics().shrunk > 0);
    const auto bob = make_fake("bob");
    REQUIRE(w.rooms.join(bob, {.user = "bob", .room = "new", .history = 100}));
    CHECK(w.log->replies.back().history.size() == 8);
    REQUIRE(w.rooms.join(bob, {.user = "bob", .room = "old", .history = 100}));
    CHECK(w.log->replies.back().history.size() < 4);
    CHECK(w.log->replies.back().position.seq == 4);
}

TEST_CASE("when histories have given what they can, whoever has read nothing for longest goes", "[invariant-10]") {
    Options options = bounded(10'000);
    options.room.history = 0;
    World w{options};
    const auto ann = w.member("ann", "r"), bob = w.member("bob", "r"), cid = w.member("cid", "r");
    bob->stall();
    w.rooms.broadcast("r", thousand_bytes);
    w.clock.advance(1s);
    ann->stall();
    for (int i = 0; i < 6; ++i) w.rooms.broadcast("r", thousand_bytes);
    CHECK(used(w) <= 10'000);
    CHECK_FALSE(w.rooms.is_member(bob, "r"));
    CHECK(w.rooms.is_member(ann, "r"));
    CHECK(cid->frames().size() == 7);
    CHECK(w.rooms.statistics().slow_consumers == 1);
    bob->release();
    w.rooms.writable(bob);
    CHECK(bob->frames() == Texts{"! 4100 r"});
}

TEST_CASE("a busy room's own history gives way when nothing else is left to give") {
    World w{bounded(5'000)};
    const auto ann = w.member("ann", "r");
    for (int i = 0; i < 20; ++i) {
        w.rooms.broadcast("r", thousand_bytes);
        CHECK(used(w) <= 5'000);
    }
    CHECK(w.rooms.position("r")->seq == 20);
    const auto bob = make_fake("bob");
    REQUIRE(w.rooms.join(bob, {.user = "bob", .room = "r", .since = Position{w.rooms.position("r")->epoch, 19}}));
    CHECK(w.log->replies.back().recovered);
    REQUIRE(w.rooms.join(bob, {.user = "bob", .room = "r", .since = Position{w.rooms.position("r")->epoch, 1}}));
    CHECK_FALSE(w.log->replies.back().recovered);
}

TEST_CASE("when nothing gives way, joins are refused, and taken again when there is room", "[invariant-10]") {
    Options options = bounded(2'000);
    options.room.history = 0;
    World w{options};
    const auto ann = w.member("ann", "r");
    ann->stall();
    for (int i = 0; i < 3; ++i) w.rooms.send(ann, thousand_bytes);  // control: never given up
    CHECK(used(w) > 2'000);
    const auto bob = make_fake("bob");
    CHECK(w.join(bob, "r").refusal == Refusal::overloaded);
    CHECK_FALSE(w.rooms.is_member(ann, "r"));
    w.after(3s);
    w.after(5s);
    CHECK(used(w) == 0);
    CHECK(w.join(bob, "r"));
}

TEST_CASE("history goes before any reader does, also that of the room that speaks") {
    World w{bounded(5'000)};
    const auto ann = w.member("ann", "r");
    ann->stall();
    w.rooms.broadcast("r", thousand_bytes);
    for (int i = 0; i < 3; ++i) w.rooms.delete_message("r", 1);
    for (int i = 0; i < 2; ++i) w.rooms.broadcast("r", thousand_bytes);
    CHECK(used(w) <= 5'000);
    CHECK(w.rooms.is_member(ann, "r"));
    CHECK(w.rooms.statistics().shrunk > 0);
}
