// SPDX-License-Identifier: MIT
#include <thread>

#include "unit/registry/world.hpp"

namespace {
using namespace unit;
}

TEST_CASE("an observer is told everything in the order in which it happened", "[invariant-14]") {
    World w;
    const auto ann = w.member("ann/1", "r"), two = w.member("ann/2", "r");
    w.rooms.leave(ann, "r");
    w.rooms.kick_user("ann", {CloseCode::banned});
    CHECK(w.log->events == Texts{"room_opened r", "joined r ann/ann/1*", "joined r ann/ann/2", "left r ann/ann/1 left",
                                 "left r ann/ann/2 removed banned*", "room_closed r"});
}

TEST_CASE("what an observer does is told after what it was told, in order", "[invariant-14]") {
    World w;
    const auto ann = make_fake("ann"), bob = make_fake("bob");
    Texts depth;
    int inside = 0;
    w.log->on_event = [&](const std::string& line) {
        ++inside;
        CHECK(inside == 1);
        if (line == "room_opened r") {
            REQUIRE(w.join(bob, "r"));
            w.rooms.kick_user("ann", {});
        }
        if (line == "joined r bob/bob*") w.rooms.disconnect(bob);
        --inside;
    };
    REQUIRE(w.join(ann, "r"));
    CHECK(w.log->events == Texts{"room_opened r", "joined r ann/ann*", "joined r bob/bob*",
                                 "left r ann/ann removed removed_from_room*", "left r bob/bob disconnected*", "room_closed r"});
}

TEST_CASE("one thread at a time tells the observer, the others' events in turn", "[invariant-14]") {
    World w;
    const auto ann = make_fake("ann"), bob = make_fake("bob");
    const auto teller = std::this_thread::get_id();
    std::vector<bool> mine;
    w.log->on_event = [&](const std::string& line) {
        mine.push_back(std::this_thread::get_id() == teller);
        if (line == "joined r ann/ann*") {
            std::thread([&] { CHECK(w.join(bob, "r")); }).join();
            CHECK(w.log->events.size() == 2);
        }
    };
    REQUIRE(w.join(ann, "r"));
    CHECK(w.log->events == Texts{"room_opened r", "joined r ann/ann*", "joined r bob/bob*"});
    CHECK(mine == std::vector<bool>{true, true, true});
}

TEST_CASE("an event comes before what follows from it: the reply, the farewell", "[invariant-14]") {
    World w;
    const auto ann = make_fake("ann");
    std::size_t heard = 99;
    w.log->on_event = [&](const std::string&) { heard = ann->frames().size(); };
    REQUIRE(w.join(ann, "r"));
    CHECK(heard == 0);
    w.rooms.leave(ann, "r");
    CHECK(w.log->events.back() == "room_closed r");
    forget(ann);
    REQUIRE(w.join(ann, "r"));
    forget(ann);
    w.log->on_event = [&](const std::string& line) {
        if (line.starts_with("left")) heard = ann->frames().size();
    };
    w.rooms.kick_user("ann", {});
    CHECK(heard == 0);
}

TEST_CASE("an observer may replace a user's visit by another in the same breath") {
    World w;
    const auto ann = make_fake("ann");
    w.log->on_event = [&](const std::string& line) {
        if (line == "joined a ann/ann*") CHECK(w.join(ann, "b").status == JoinStatus::migrated);
    };
    CHECK(w.join(ann, "a").status == JoinStatus::joined);
    CHECK(w.rooms.rooms_of(ann) == Texts{"b"});
    CHECK(ann->frames() == Texts{"+b"});
    CHECK(w.log->events == Texts{"room_opened a", "joined a ann/ann*", "room_opened b",
                                 "migrated b from a moved 1 ann/ann*", "room_closed a"});
}

TEST_CASE("two lives of one room name have two epochs, and the observer learns which") {
    struct Epochs {
        std::vector<std::uint64_t>* seen = nullptr;
        void on_event(const BasicEvent<FakeConnection, std::string, std::string>& e) noexcept {
            if (e.kind == EventKind::room_opened || e.kind == EventKind::room_closed) seen->push_back(e.epoch);
        }
    };
    struct EpochTraits : DefaultTraits {
        using observer = Epochs;
    };
    std::vector<std::uint64_t> seen;
    RoomRegistry<FakeConnection, EpochTraits> rooms({}, {.observer = {&seen}});
    for (int i = 0; i < 2; ++i) {
        const auto c = make_fake();
        REQUIRE(rooms.join(c, {.user = "ann", .room = "r"}));
        rooms.disconnect(c);
    }
    REQUIRE(seen.size() == 4);
    CHECK(seen[0] == seen[1]);
    CHECK(seen[2] == seen[3]);
    CHECK(seen[0] != seen[2]);
}

TEST_CASE("a migration says whether it took the user's last connection out of the old room") {
    World w{{.membership = Membership::one_room_per_connection}};
    const auto one = w.member("ann/1", "a"), two = w.member("ann/2", "a"), bob = w.member("bob", "a");
    REQUIRE(w.join(one, "b"));
    CHECK_FALSE(w.log->left_from);
    REQUIRE(w.join(two, "b"));
    CHECK(w.log->events.back() == "migrated b from a moved 1 ann/ann/2");
    CHECK(w.log->left_from);
}
