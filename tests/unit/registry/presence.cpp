// SPDX-License-Identifier: MIT
#include "unit/allocations.hpp"
#include "unit/registry/world.hpp"

namespace {
using namespace unit;

Options told(std::size_t names = 0) {
    Options options;
    options.room.presence = 1s;
    options.room.presence_names = names;
    return options;
}

/// What the session heard of presence, and lets the rest go.
Texts presence(const FakeConnection& c) {
    Texts texts = c->take_frames();
    std::erase_if(texts, [](const std::string& text) { return text[0] != '='; });
    return texts;
}
}  // namespace

TEST_CASE("a room hears its counts within a second of a change, at most once a second, and only news") {
    World w{told()};
    const auto ann = w.member("ann", "r");
    w.after(99ms);
    CHECK(presence(ann).empty());
    w.after(1ms);
    CHECK(presence(ann) == Texts{"=r 1/1"});
    const auto bob = w.member("bob", "r"), tab = w.member("bob/2", "r");
    w.after(999ms);
    CHECK(presence(ann).empty());
    w.after(1ms);
    CHECK(presence(ann) == Texts{"=r 2/3"});
    w.after(2s);
    w.rooms.leave(tab, "r");
    w.after(100ms);
    CHECK(presence(ann) == Texts{"=r 2/2"});
    w.after(5s);
    CHECK(presence(ann).empty());
}

TEST_CASE("counts that are as before when their time comes are not told") {
    World w{told()};
    const auto ann = w.member("ann", "r");
    w.after(1s);
    forget(ann);
    const auto bob = w.member("bob", "r");
    w.rooms.leave(bob, "r");
    w.after(2s);
    CHECK(presence(ann).empty());
    CHECK(w.rooms.poll() == TimePoint::max());
}

TEST_CASE("presence is asked for by poll alone, and never after the room is empty") {
    World w{told()};
    w.rooms.poll();
    const auto ann = w.member("ann", "r");
    REQUIRE_FALSE(w.wakes.empty());
    CHECK(w.wakes.back() == w.clock.now() + 100ms);
    w.rooms.leave(ann, "r");
    w.after(2s);
    CHECK(presence(ann).empty());
    CHECK(w.rooms.poll() == TimePoint::max());
}

TEST_CASE("a slow reader holds only the newest counts") {
    World w{told()};
    const auto ann = w.member("ann", "r");
    ann->stall();
    std::vector<FakeConnection> others;
    for (const auto& name : numbered("u", 1, 5)) {
        others.push_back(w.member(name, "r"));
        w.after(1s);
    }
    CHECK(w.rooms.statistics().replaced >= 4);
    ann->release();
    w.rooms.writable(ann);
    CHECK(presence(ann) == Texts{"=r 6/6"});
}

TEST_CASE("a small room hears who came and who went, a large one counts alone") {
    World w{told(3)};
    const auto ann = w.member("ann", "r");
    w.after(1s);
    CHECK(presence(ann) == Texts{"=r 1/1 +ann"});
    const auto bob = w.member("bob", "r"), tab = w.member("bob/2", "r"), cid = w.member("cid", "r");
    w.after(1s);
    CHECK(presence(ann) == Texts{"=r 3/4 +bob +cid"});
    w.rooms.leave(tab, "r");
    w.rooms.disconnect(cid);
    w.after(1s);
    CHECK(presence(ann) == Texts{"=r 2/2 -cid"});
    const auto dan = w.member("dan", "r"), eve = w.member("eve", "r");
    w.after(1s);
    CHECK(presence(ann) == Texts{"=r 4/4"});
    w.rooms.leave(eve, "r");
    w.after(1s);
    CHECK(presence(ann) == Texts{"=r 3/3 -eve"});
}

TEST_CASE("who came and went before anybody heard of it is not named, nor who was away for a moment") {
    World w{told(10)};
    const auto ann = w.member("ann", "r"), bob = w.member("bob", "r");
    w.after(1s);
    forget(ann);
    const auto cid = w.member("cid", "r");
    w.rooms.leave(cid, "r");
    w.rooms.leave(bob, "r");
    REQUIRE(w.join(bob, "r"));
    w.after(2s);
    CHECK(presence(ann).empty());
}

TEST_CASE("who is replaced by somebody else is news though the counts are the same") {
    World w{told(10)};
    const auto ann = w.member("ann", "r"), bob = w.member("bob", "r");
    w.after(1s);
    forget(ann);
    w.rooms.kick_from("r", "bob", {});
    const auto cid = w.member("cid", "r");
    w.after(1s);
    CHECK(presence(ann) == Texts{"=r 2/2 +cid -bob"});
}

TEST_CASE("more comings and goings than can be named are told as counts") {
    World w{told(2)};
    const auto ann = w.member("ann", "r");
    w.after(1s);
    forget(ann);
    std::vector<FakeConnection> others;
    for (const auto& name : numbered("u", 1, 9)) others.push_back(w.member(name, "r"));
    for (std::size_t i = 1; i < others.size(); ++i) w.rooms.disconnect(others[i]);
    w.after(1s);
    CHECK(presence(ann) == Texts{"=r 2/2"});
    w.rooms.disconnect(others[0]);
    w.after(1s);
    CHECK(presence(ann) == Texts{"=r 1/1 -u1"});
}

TEST_CASE("who goes while there is no memory is named all the same, also in a room that was too large for it", "[invariant-9]") {
    struct Plain : DefaultTraits {
        using clock = ManualClock;
    };
    ManualClock clock;
    RoomRegistry<FakeConnection, Plain> rooms({.room = told(2).room}, {.clock = clock});
    std::vector<FakeConnection> all;
    for (const auto& name : numbered("u", 1, 9)) {
        all.push_back(make_fake(name));
        REQUIRE(rooms.join(all.back(), {.user = name, .room = "r"}));
    }
    const auto heard = [&] {
        clock.advance(1s);
        rooms.poll();
        const Texts texts = all[0]->take_frames();
        return texts.empty() ? std::string() : texts.back();
    };
    heard();
    while (all.size() > 3) {
        rooms.disconnect(all.back());
        all.pop_back();
        CHECK(heard().find("went") == std::string::npos);
    }
    {
        const unit::allocations::Failure no_memory(1, true);
        rooms.disconnect(all.back());
    }
    CHECK(heard().find(R"("went":["u3"])") != std::string::npos);
}

TEST_CASE("twice as many comings and goings are named as a room that is named has users, and no more") {
    World w{told(2)};
    const auto ann = w.member("ann", "r"), bob = w.member("bob", "r");
    w.after(1s);
    const auto cid = w.member("cid", "r"), dan = w.member("dan", "r");
    SECTION("four") {
        w.rooms.disconnect(ann);
        w.rooms.disconnect(bob);
        w.after(1s);
        CHECK(presence(cid) == Texts{"=r 2/2 +cid +dan -ann -bob"});
    }
    SECTION("five, though one is undone") {
        const auto eve = w.member("eve", "r"), tab = w.member("cid/2", "r");
        w.rooms.disconnect(ann);
        w.rooms.disconnect(bob);
        w.rooms.disconnect(eve);
        w.after(1s);
        CHECK(presence(cid) == Texts{"=r 2/3"});
    }
}

TEST_CASE("a room may end while somebody is to be named") {
    World w{told(10)};
    const auto ann = w.member("ann", "r"), bob = w.member("bob", "r");
    w.after(1s);
    w.rooms.leave(bob, "r");
    SECTION("closed") { CHECK(w.rooms.close_room("r")); }
    SECTION("left") { CHECK(w.rooms.leave(ann, "r") == LeaveStatus::left); }
    w.after(5s);
    CHECK(w.rooms.room_count() == 0);
}

TEST_CASE("a registry may end while somebody is to be named") {
    World w{told(10)};
    const auto ann = w.member("ann", "r"), bob = w.member("bob", "r");
    w.after(1s);
    w.rooms.leave(bob, "r");
    CHECK(w.rooms.room_count() == 1);
}

TEST_CASE("what is known of those who are named is never freed under the lock", "[invariant-7]") {
    World w{told(10)};
    const auto ann = make_fake("ann"), bob = make_fake("bob");
    REQUIRE(w.rooms.join(ann, {.user = "ann", .room = "r", .info = Info("as it was")}));
    REQUIRE(w.rooms.join(bob, {.user = "bob", .room = "r", .info = Info("gone")}));
    w.log->on_presence = [&] {
        w.rooms.set_info("r", "ann", Info("as it is"));
        w.rooms.disconnect(bob);
    };
    w.after(1s);
    CHECK(presence(ann) == Texts{"=r 2/2 +ann +bob"});
    w.after(1s);
    CHECK(presence(ann) == Texts{"=r 1/1 -bob"});
}

TEST_CASE("presence that cannot be written is not told, and what it named is freed without the lock", "[invariant-7]") {
    World w{told(10)};
    const auto ann = make_fake("ann");
    REQUIRE(w.rooms.join(ann, {.user = "ann", .room = "r", .info = Info("as it was")}));
    w.log->on_presence = [&] {
        w.rooms.set_info("r", "ann", Info("as it is"));
        throw std::runtime_error("told to throw");
    };
    w.after(1s);
    CHECK(presence(ann).empty());
    w.log->on_presence = nullptr;
    const auto bob = w.member("bob", "r");
    w.after(1s);
    CHECK(presence(ann) == Texts{"=r 2/2 +bob"});
}
