// SPDX-License-Identifier: MIT
#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "unit/registry/world.hpp"

namespace {
using namespace unit;
}

TEST_CASE("questions about the unknown have empty answers") {
    World w;
    const auto stranger = make_fake("s");
    CHECK(w.rooms.room_of("ann") == std::nullopt);
    CHECK(w.rooms.rooms_of_user("ann").empty());
    CHECK(w.rooms.rooms_of(stranger).empty());
    CHECK(w.rooms.user_of(stranger) == std::nullopt);
    CHECK_FALSE(w.rooms.is_member(stranger, "r"));
    CHECK_FALSE(w.rooms.has_member("r", "ann"));
    CHECK(w.rooms.count("r") == std::nullopt);
    CHECK(w.rooms.position("r") == std::nullopt);
    CHECK(w.rooms.members("r").members.empty());
    CHECK(w.rooms.members("r").next == 0);
    CHECK(w.rooms.top_rooms(5).empty());
    CHECK(w.rooms.info("r", "ann") == nullptr);
}

TEST_CASE("members are shown with their connections and info") {
    World w;
    const auto one = make_fake("ann/1"), two = make_fake("ann/2");
    REQUIRE(w.rooms.join(one, {.user = "ann", .room = "r", .info = Info("Ann")}));
    REQUIRE(w.join(two, "r"));
    const auto bob = w.member("bob", "r");
    const auto page = w.rooms.members("r");
    CHECK(page.next == 0);
    REQUIRE(page.members.size() == 2);
    CHECK(page.members[0].user == "bob");
    CHECK(page.members[1].user == "ann");
    CHECK(page.members[1].info->name == "Ann");
    CHECK(page.members[1].connection_count == 2);
    CHECK(page.members[1].connections == std::vector<FakeConnection>{one, two});
}

TEST_CASE("what is known of a user in a room is the same by each of its devices there, whichever goes", "[invariant-1]") {
    World w;
    const auto known = [&] {
        const auto page = w.rooms.members("r").members;
        REQUIRE(page.size() == 1);
        CHECK(w.rooms.info("r", "ann") == page[0].info);
        return page[0].info->name + ' ' + std::to_string(page[0].connection_count);
    };
    const auto one = make_fake("ann/1"), two = make_fake("ann/2"), three = make_fake("ann/3");
    REQUIRE(w.rooms.join(one, {.user = "ann", .room = "r", .info = Info("Ann")}));
    REQUIRE(w.join(two, "r"));
    CHECK(known() == "Ann 2");
    w.rooms.disconnect(one);
    CHECK(known() == "Ann 1");
    REQUIRE(w.rooms.join(three, {.user = "ann", .room = "r", .info = Info("Anna"), .update_info = true}));
    CHECK(known() == "Anna 2");
    REQUIRE(w.join(one, "r"));
    REQUIRE(w.rooms.set_info("r", "ann", Info("Annie")));
    CHECK(known() == "Annie 3");
    w.rooms.disconnect(two);
    CHECK(known() == "Annie 2");
    w.rooms.disconnect(three);
    CHECK(known() == "Annie 1");
}

TEST_CASE("a member's connections are shown oldest first, in whatever order they go and come back") {
    std::array order{0, 1, 2, 3};
    do {
        World w;
        std::vector<FakeConnection> there;
        const auto same = [&] {
            const auto page = w.rooms.members("r").members;
            REQUIRE(page.size() == (there.empty() ? 0 : 1));
            if (!there.empty()) CHECK(page[0].connections == there);
        };
        for (int i = 0; i < 4; ++i) {
            there.push_back(make_fake("ann/" + std::to_string(i)));
            REQUIRE(w.join(there.back(), "r"));
        }
        const auto devices = there;
        for (const int i : order) {
            const auto& device = devices[static_cast<std::size_t>(i)];
            w.rooms.disconnect(device);
            std::erase(there, device);
            same();
            if (i % 2 == 0) continue;
            REQUIRE(w.join(device, "r"));
            there.push_back(device);
            same();
        }
        while (!there.empty()) {
            w.rooms.disconnect(there.back());
            there.pop_back();
            same();
        }
    } while (std::next_permutation(order.begin(), order.end()));
}

TEST_CASE("pages of members show everybody who stays, while others leave and come", "[invariant-15]") {
    World w;
    std::vector<FakeConnection> members;
    for (int i = 0; i < 1000; ++i) members.push_back(w.member("u" + std::to_string(i), "r"));
    std::set<std::string> seen;
    std::size_t from = 0, pages = 0, leaving = 0;
    do {
        const auto page = w.rooms.members("r", from, 100);
        CHECK(page.members.size() <= 100);
        for (const auto& member : page.members) seen.insert(member.user);
        from = page.next;
        ++pages;
        for (int i = 0; i < 30 && leaving < 1000; ++i, leaving += 3) w.rooms.disconnect(members[leaving]);
        w.member("new" + std::to_string(pages), "r");
    } while (from != 0);
    CHECK(pages >= 7);
    for (std::size_t i = 0; i < 1000; ++i)
        if (i % 3 != 0) CHECK(seen.count("u" + std::to_string(i)) == 1);
    CHECK(w.rooms.members("r", 0, 100'000).members.size() <= 256);
    CHECK(w.rooms.members("r", 100'000, 1).members.size() == 1);
}

TEST_CASE("the largest rooms come first, in pages, then by name") {
    World w;
    std::vector<FakeConnection> members;
    const std::map<std::string, int> sizes{{"a", 2}, {"b", 5}, {"c", 2}, {"d", 1}, {"e", 5}};
    for (const auto& [room, users] : sizes)
        for (int i = 0; i < users; ++i) members.push_back(w.member(room + std::to_string(i), room));
    members.push_back(w.member("d0/2", "d"));
    w.rooms.create_room("empty", {});
    using Count = Registry::RoomCount;
    const auto first = w.rooms.top_rooms(3);
    CHECK(first == std::vector<Count>{{"b", 5, 5}, {"e", 5, 5}, {"a", 2, 2}});
    const auto second = w.rooms.top_rooms(3, &first.back());
    CHECK(second == std::vector<Count>{{"c", 2, 2}, {"d", 1, 2}, {"empty", 0, 0}});
    CHECK(w.rooms.top_rooms(3, &second.back()).empty());
    CHECK(w.rooms.top_rooms(0).empty());
    CHECK(w.rooms.top_rooms(100).size() == 6);
}

TEST_CASE("the largest of many rooms come in order, however many are asked for") {
    World w;
    using Count = Registry::RoomCount;
    std::vector<Count> all;
    std::vector<FakeConnection> members;
    for (std::size_t i = 0; i < 100; ++i) {
        const std::size_t users = i * 37 % 100 / 10;
        const std::string& room = all.emplace_back(Count{"room " + std::to_string(i), users, users}).room;
        w.rooms.create_room(room, {});
        for (std::size_t u = 0; u < users; ++u) members.push_back(w.member(room + " " + std::to_string(u), room));
    }
    std::sort(all.begin(), all.end(), [](const Count& a, const Count& b) {
        return a.users != b.users ? a.users > b.users : a.room < b.room;
    });
    for (const int most : {1, 2, 3, 4, 7, 50, 99, 100})
        CHECK(w.rooms.top_rooms(static_cast<std::size_t>(most)) ==
              std::vector<Count>(all.begin(), all.begin() + most));
    CHECK(w.rooms.top_rooms(101) == all);
}

TEST_CASE("the lock is given back between 256 rooms", "[invariant-15]") {
    World w;
    for (int i = 0; i < 1000; ++i) w.rooms.create_room("room " + std::to_string(i), {});
    std::size_t unlocks = 0;
    const Watch watch([&] { ++unlocks; });
    CHECK(w.rooms.top_rooms(1000).size() == 1000);
    CHECK(unlocks >= 4);
    unlocks = 0;
    CHECK(w.rooms.broadcast_all("x") == 1000);
    CHECK(unlocks >= 4);
}

TEST_CASE("a room that goes while the largest are looked for does no harm") {
    World w;
    for (int i = 0; i < 600; ++i) w.rooms.create_room("room " + std::to_string(i), {});
    std::vector<FakeConnection> members;
    for (int i = 0; i < 600; ++i) members.push_back(w.member("u" + std::to_string(i), "room " + std::to_string(i)));
    std::size_t next = 0;
    {
        // All but every fourth room go, those that the walk stands at among them.
        const Watch watch([&] {
            for (int i = 0; i < 200 && next < members.size(); ++i, ++next)
                if (next % 4 != 0) w.rooms.disconnect(members[next]);
        });
        CHECK(w.rooms.top_rooms(10).size() == 10);
    }
    CHECK(w.rooms.room_count() == 150);
    CHECK(w.rooms.top_rooms(1000).size() == 150);
}
