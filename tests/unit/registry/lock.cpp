// SPDX-License-Identifier: MIT
#include <algorithm>

#include "unit/registry/world.hpp"

namespace {
using namespace unit;

/// How often the registry takes its lock while `action` runs.
template <class Action>
std::size_t locks(Action action) {
    const std::size_t before = WatchedMutex::locks;
    action();
    return WatchedMutex::locks - before;
}
}  // namespace

TEST_CASE("a broadcast takes the lock as often for many members as for few", "[invariant-15]") {
    World w{{.turn_sends = 0}};
    for (int i = 0; i < 300; ++i) w.member("u" + std::to_string(i), "r");
    const auto for_few = locks([&] { w.rooms.broadcast("r", "x"); });
    for (int i = 300; i < 3000; ++i) w.member("u" + std::to_string(i), "r");
    CHECK(locks([&] { w.rooms.broadcast("r", "x"); }) == for_few);
}

TEST_CASE("a broadcast to few takes the lock to find its room alone, by a handle not at all", "[invariant-15]") {
    World w;
    const auto ann = w.member("ann", "r");
    CHECK(locks([&] { w.rooms.broadcast("r", "1"); }) == 1);
    auto room = w.rooms.room("r");
    room.broadcast("2");
    CHECK(locks([&] { room.broadcast("3"); }) == 0);
    CHECK(ann->frames() == Texts{"1", "2", "3"});
    CHECK(w.rooms.position("r")->seq == 3);
    CHECK(w.rooms.statistics().messages == 3);
}

TEST_CASE("a broadcast needs the lock where it is long, not for all, or where the room keeps or tells something",
          "[invariant-15]") {
    const auto by_handle = [](Options options, std::size_t members, Registry::Broadcast how = {}) {
        World w{std::move(options)};
        for (std::size_t i = 0; i < members; ++i) w.member("u" + std::to_string(i), "r");
        auto room = w.rooms.room("r");
        room.broadcast("1");
        return locks([&] { room.broadcast("2", how); });
    };
    CHECK(by_handle({}, 256) == 0);
    CHECK(by_handle({}, 257) != 0);
    CHECK(by_handle({.turn_sends = 3}, 3) == 0);
    CHECK(by_handle({.turn_sends = 3}, 4) != 0);
    CHECK(by_handle({}, 1, {.require = 1}) != 0);
    CHECK(by_handle({}, 1, {.exclude = 1}) != 0);
    CHECK(by_handle({.room = {.history = 1}}, 1) != 0);
    CHECK(by_handle({.room = {.batch_window = 1ms}}, 1) != 0);
    CHECK(by_handle({.room = {.rate = {1, 1}}}, 1) != 0);
    CHECK(by_handle({.room = {.presence = 1s}}, 1) != 0);
}

TEST_CASE("a batch of shutdown ends no more connections at once than it says", "[invariant-15]") {
    World w;
    for (int i = 0; i < 1000; ++i) w.member("u" + std::to_string(i), "room " + std::to_string(i % 7));
    std::size_t before = 1000, most = 0;
    w.rooms.shutdown({CloseCode::restarting}, 100);
    {
        const Watch watch([&] {
            const std::size_t now = w.rooms.count().connections;
            most = std::max(most, before - now);
            before = now;
        });
        while (w.rooms.count().connections > 0) w.rooms.poll();
    }
    CHECK(most == 100);
}

TEST_CASE("whenever the lock is free, the indexes agree with each other", "[invariant-1]") {
    World w{{.others = OtherDevices::follow, .max_devices = 3}};
    std::vector<FakeConnection> all;
    for (const char* name : {"ann/1", "ann/2", "bob/1", "bob/2", "cat/1"}) all.push_back(make_fake(name));
    std::size_t looks = 0;
    const auto look = [&] {
        ++looks;
        std::size_t by_connection = 0, by_room = 0, by_page = 0;
        for (const auto& c : all)
            for (const auto& room : w.rooms.rooms_of(c)) {
                ++by_connection;
                CHECK(w.rooms.is_member(c, room));
                CHECK(w.rooms.has_member(room, *w.rooms.user_of(c)));
                CHECK(w.rooms.rooms_of_user(*w.rooms.user_of(c)) == Texts{room});
            }
        for (const char* room : {"a", "b"})
            if (const auto counts = w.rooms.count(room)) {
                by_room += counts->connections;
                const auto page = w.rooms.members(room);
                CHECK(page.members.size() == counts->users);
                for (const auto& member : page.members) by_page += member.connections.size();
            }
        CHECK(by_connection == by_room);
        CHECK(by_connection == by_page);
    };
    const Watch watch(look);
    for (int round = 0; round < 3; ++round) {
        for (const auto& c : all) static_cast<void>(w.join(c, round % 2 ? "a" : "b"));
        static_cast<void>(w.join(all[0], round % 2 ? "b" : "a"));
        w.rooms.broadcast("a", "x");
        w.rooms.leave(all[3], "b");
        all[1]->fail_on(1);
        w.rooms.send_to_user("ann", "x");
        w.rooms.kick_from("a", "bob", {});
        w.rooms.close_room("b");
        for (auto& c : all) {
            w.rooms.disconnect(c);
            c = make_fake(c->name());
        }
    }
    CHECK(looks > 100);
    CHECK(w.rooms.count() == Counts{0, 0});
}
