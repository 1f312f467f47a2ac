// SPDX-License-Identifier: MIT
#include "unit/registry/world.hpp"

namespace {
using namespace unit;
}

TEST_CASE("a user who joins another room has left the first", "[invariant-1]") {
    World w;
    const auto ann = w.member("ann", "a"), bob = w.member("bob", "a");
    w.log->events.clear();
    const JoinResult result = w.join(ann, "b");
    CHECK(result.status == JoinStatus::migrated);
    CHECK(w.rooms.rooms_of_user("ann") == Texts{"b"});
    CHECK(w.rooms.rooms_of(ann) == Texts{"b"});
    CHECK_FALSE(w.rooms.is_member(ann, "a"));
    CHECK_FALSE(w.rooms.has_member("a", "ann"));
    CHECK(w.rooms.count("a") == Counts{1, 1});
    CHECK(w.rooms.count("b") == Counts{1, 1});
    w.rooms.broadcast("a", "to a");
    w.rooms.broadcast("b", "to b");
    CHECK(ann->frames() == Texts{"+b", "to b"});
    CHECK(w.log->replies.back().from == "a");
    CHECK(w.log->events == Texts{"room_opened b", "migrated b from a moved 1 ann/ann*"});
}

TEST_CASE("nobody sees a migrating user in two rooms nor in none", "[invariant-1]") {
    for (const OtherDevices others : {OtherDevices::evict, OtherDevices::follow}) {
        World w{{.others = others}};
        const auto ann = w.member("ann/1", "a"), tab = w.member("ann/2", "a");
        std::size_t looks = 0;
        const auto look = [&] {
            ++looks;
            CHECK(w.rooms.rooms_of_user("ann").size() == 1);
            CHECK(w.rooms.has_member("a", "ann") != w.rooms.has_member("b", "ann"));
            CHECK(w.rooms.is_member(ann, "a") != w.rooms.is_member(ann, "b"));
        };
        w.log->on_event = [&](const std::string&) { look(); };
        ann->on_send = tab->on_send = [&](std::string_view) { look(); };
        const Watch watch(look);
        CHECK(w.join(ann, "b").status == JoinStatus::migrated);
        CHECK(looks > 8);
    }
}

TEST_CASE("who migrates alone takes nothing of the old room along, and is never without one", "[invariant-1]") {
    World w;
    const auto ann = make_fake("ann");
    REQUIRE(w.rooms.join(ann, {.user = "ann", .room = "a", .tags = 1, .info = Info("in a")}));
    ann->stall();
    w.rooms.broadcast("a", "old");
    forget(ann);
    std::size_t looks = 0;
    {
        const Watch watch([&] {
            ++looks;
            CHECK(w.rooms.rooms_of_user("ann").size() == 1);
            CHECK(w.rooms.has_member("a", "ann") != w.rooms.has_member("b", "ann"));
        });
        CHECK(w.rooms.join(ann, {.room = "b", .tags = 2, .info = Info("in b")}).status == JoinStatus::migrated);
    }
    CHECK(looks > 2);
    CHECK(w.log->replies.back().info == "in b");
    w.rooms.broadcast("b", "to 1", {.require = 1});
    w.rooms.broadcast("b", "to 2", {.require = 2});
    ann->release();
    w.rooms.writable(ann);
    CHECK(ann->frames() == Texts{"+b", "to 2"});
    CHECK(w.rooms.room_count() == 1);
    CHECK(w.rooms.count("b") == Counts{1, 1});
}

TEST_CASE("an observer is told of one migration, never of a leave and a join", "[invariant-1]") {
    World w{{.others = OtherDevices::follow}};
    const auto ann = w.member("ann/1", "a"), tab = w.member("ann/2", "a");
    w.log->events.clear();
    REQUIRE(w.join(tab, "b").status == JoinStatus::migrated);
    CHECK(w.log->events == Texts{"room_opened b", "migrated b from a moved 2 ann/ann/2*", "room_closed a"});
}

TEST_CASE("a user's other devices are evicted with the new room in their farewell") {
    World w;
    const auto ann = w.member("ann/1", "a"), tab = w.member("ann/2", "a");
    w.log->events.clear();
    REQUIRE(w.join(ann, "b").status == JoinStatus::migrated);
    CHECK(tab->frames() == Texts{"! 4003 b"});
    CHECK(ann->frames() == Texts{"+b"});
    CHECK(w.rooms.count("b") == Counts{1, 1});
    CHECK(w.rooms.count() == Counts{1, 1});
    w.after(3s);
    CHECK(tab->heard().back() == Heard{Heard::Kind::close, "entered another room", CloseCode::moved_elsewhere});
    CHECK(ann->closes() == 0);
    CHECK(w.log->events == Texts{"room_opened b", "migrated b from a moved 1 ann/ann/1*",
                                 "left a ann/ann/2 removed moved_elsewhere", "room_closed a"});
}

TEST_CASE("evicted devices stay connected when the last room is no reason to close") {
    World w{{.last_room = LastRoom::keep}};
    const auto ann = w.member("ann/1", "a"), tab = w.member("ann/2", "a");
    REQUIRE(w.join(ann, "b").status == JoinStatus::migrated);
    CHECK(tab->frames() == Texts{"x a 4003"});
    CHECK(w.rooms.count() == Counts{1, 2});
    CHECK(w.rooms.join(tab, {.room = "b"}).status == JoinStatus::device_added);
}

TEST_CASE("a user's other devices follow, hear `moved`, then `joined`") {
    World w{{.others = OtherDevices::follow}};
    const auto ann = make_fake("ann/1"), tab = make_fake("ann/2");
    REQUIRE(w.join(ann, "a"));
    REQUIRE(w.rooms.join(tab, {.user = "ann", .room = "a", .tags = 4}));
    w.rooms.broadcast("a", "x");
    forget(tab);
    REQUIRE(w.join(ann, "b").status == JoinStatus::migrated);
    CHECK(w.rooms.count("b") == Counts{1, 2});
    CHECK(w.rooms.count("a") == std::nullopt);
    w.rooms.broadcast("b", "to b", {.require = 4});
    CHECK(tab->frames() == Texts{">a>b", "+b", "to b"});
    CHECK(w.log->replies.back().connection == "ann/2");
    CHECK(w.log->replies.back().ticket == std::nullopt);
    CHECK(w.log->replies.back().from == "a");
    CHECK(tab->closes() == 0);
}

TEST_CASE("a device that comes later follows its user by joining anew") {
    World w;
    const auto ann = w.member("ann/1", "a");
    const auto tab = make_fake("ann/2");
    REQUIRE(w.rooms.attach(tab, "ann"));
    CHECK(w.rooms.join(tab, {.room = "b"}).status == JoinStatus::migrated);
    CHECK(ann->frames() == Texts{"! 4003 b"});
    CHECK(w.rooms.rooms_of_user("ann") == Texts{"b"});
}

TEST_CASE("a refused migration leaves the user where it was", "[invariant-2]") {
    World w{{.max_rooms = 3}};
    const auto ann = w.member("ann/1", "a"), tab = w.member("ann/2", "a");
    w.rooms.create_room("full", {.max_users = 1});
    w.member("bob", "full");
    w.rooms.create_room("locked", {.locked = true});
    w.log->events.clear();
    const auto refused = [&](std::string_view room, bool may_migrate = true) {
        const JoinResult result = w.rooms.join(ann, {.room = room, .may_migrate = may_migrate});
        CHECK(result.status == JoinStatus::refused);
        CHECK(w.rooms.rooms_of_user("ann") == Texts{"a"});
        CHECK(w.rooms.count("a") == Counts{1, 2});
        return result.refusal;
    };
    CHECK(refused("full") == Refusal::room_full);
    CHECK(refused("locked") == Refusal::room_locked);
    CHECK(refused("one too many") == Refusal::too_many_rooms);
    CHECK(refused("full", false) == Refusal::elsewhere);
    CHECK(refused(std::string(200, 'x')) == Refusal::bad_id);
    w.rooms.broadcast("a", "still here");
    CHECK(ann->frames() == Texts{"still here"});
    CHECK(tab->frames() == Texts{"still here"});
    CHECK(w.log->events.empty());
    w.after(1h);
    CHECK(tab->closes() == 0);
}

TEST_CASE("a user kicked by an observer of its migration is out of the new room too", "[invariant-2]") {
    World w;
    const auto ann = w.member("ann", "a");
    w.log->on_event = [&](const std::string& line) {
        if (line.starts_with("migrated")) w.rooms.kick_user("ann", {CloseCode::banned});
    };
    REQUIRE(w.join(ann, "b").status == JoinStatus::migrated);
    CHECK(w.rooms.count() == Counts{0, 0});
    CHECK(w.rooms.room_count() == 0);
    CHECK(ann->frames() == Texts{"! 4005 b"});
}

TEST_CASE("a join that must not migrate is accepted where nothing ends") {
    World w;
    const auto ann = make_fake("ann");
    CHECK(w.rooms.join(ann, {.user = "ann", .room = "a", .may_migrate = false}).status == JoinStatus::joined);
    CHECK(w.rooms.join(ann, {.room = "a", .may_migrate = false}).status == JoinStatus::already_here);
    CHECK(w.rooms.join(ann, {.room = "b", .may_migrate = false}).refusal == Refusal::elsewhere);
}

TEST_CASE("with one room a connection each tab of a user moves alone") {
    World w{{.membership = Membership::one_room_per_connection}};
    const auto one = w.member("ann/1", "a"), two = w.member("ann/2", "a");
    w.log->events.clear();
    CHECK(w.join(one, "b").status == JoinStatus::migrated);
    CHECK(w.rooms.rooms_of(one) == Texts{"b"});
    CHECK(w.rooms.rooms_of(two) == Texts{"a"});
    CHECK(w.rooms.rooms_of_user("ann").size() == 2);
    CHECK(w.rooms.count("a") == Counts{1, 1});
    CHECK(two->frames().empty());
    CHECK(w.log->events == Texts{"room_opened b", "migrated b from a moved 1 ann/ann/1*"});
    CHECK(w.join(two, "b").status == JoinStatus::migrated);
    CHECK(w.log->events.back() == "room_closed a");
    CHECK(w.rooms.count("b") == Counts{1, 2});
}

TEST_CASE("with many rooms a join ends nothing") {
    World w{{.membership = Membership::many_rooms}};
    const auto ann = w.member("ann", "a");
    CHECK(w.join(ann, "b").status == JoinStatus::joined);
    CHECK(w.rooms.rooms_of(ann) == Texts{"a", "b"});
    w.rooms.broadcast("a", "1");
    w.rooms.broadcast("b", "2");
    CHECK(ann->frames() == Texts{"+b", "1", "2"});
}

TEST_CASE("what waited for a busy device in the old room never reaches it after it moved", "[invariant-4]") {
    World w{{.others = OtherDevices::follow}};
    const auto ann = w.member("ann/1", "a"), tab = w.member("ann/2", "a");
    tab->stall();
    w.rooms.broadcast("a", "old");
    REQUIRE(w.join(ann, "b"));
    w.rooms.broadcast("b", "new");
    tab->release();
    w.rooms.writable(tab);
    CHECK(tab->frames() == Texts{">a>b", "+b", "new"});
}

TEST_CASE("a user goes on to a third room from within the reply of the second") {
    World w;
    const auto ann = w.member("ann", "a");
    ann->on_send = [&](std::string_view frame) {
        if (frame == "+b") CHECK(w.join(ann, "c").status == JoinStatus::migrated);
    };
    REQUIRE(w.join(ann, "b"));
    CHECK(w.rooms.rooms_of(ann) == Texts{"c"});
    CHECK(ann->frames() == Texts{"+b", "+c"});
    CHECK(w.rooms.room_count() == 1);
}
