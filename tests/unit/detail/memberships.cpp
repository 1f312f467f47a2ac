// SPDX-License-Identifier: MIT
#include "roomcast/detail/memberships.hpp"

#include <algorithm>
#include <cstddef>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "roomcast/detail/news.hpp"
#include "roomcast/detail/outbox.hpp"
#include "roomcast/traits.hpp"
#include "support/catch.hpp"
#include "support/seed.hpp"

namespace {
struct Phone {
    void send(std::string_view) {}
    void close(roomcast::CloseCode, std::string_view) {}
};
using Ts = roomcast::detail::Types<Phone*, roomcast::DefaultTraits>;
using Member = roomcast::detail::Membership<Ts>;

/// One user, her devices, and rooms.
struct Home {
    explicit Home(std::size_t device_count, std::size_t room_count) {
        for (std::size_t i = 0; i < device_count; ++i) {
            devices.push_back(std::make_unique<roomcast::detail::ConnectionRecord<Ts>>(nullptr, 0, 0));
            devices.back()->user = &user;
        }
        for (std::size_t i = 0; i < room_count; ++i)
            rooms.push_back(std::make_unique<roomcast::detail::RoomRecord<Ts>>(
                std::to_string(i), 0, roomcast::detail::RoomRecord<Ts>::Options(), 1));
    }
    ~Home() {
        for (const auto& device : devices)
            while (Member* m = memberships.oldest(*device)) leave(*m);
    }
    Home(const Home&) = delete;
    Home& operator=(const Home&) = delete;

    Member& enter(std::size_t device, std::size_t room) {
        memberships.reserve(1);
        Member& m = memberships.make();
        m.connection = devices[device].get();
        m.room = rooms[room].get();
        memberships.add(*m.connection, m);
        if (Member* const leader = memberships.leader(user, *m.room)) memberships.follow(*leader, m);
        else memberships.lead(user, m);
        return m;
    }
    void leave(Member& m) {
        memberships.remove(*m.connection, m);
        memberships.part(m);
        memberships.free(m);
    }

    [[nodiscard]] std::vector<Member*> of_device(std::size_t device) const {
        std::vector<Member*> found;
        memberships.for_each(*devices[device], [&](Member& m) { found.push_back(&m); });
        return found;
    }
    [[nodiscard]] std::vector<Member*> together(std::size_t room) const {
        std::vector<Member*> found;
        if (Member* const leader = memberships.leader(user, *rooms[room]))
            memberships.for_each_together(*leader, [&](Member& m) { found.push_back(&m); });
        return found;
    }
    [[nodiscard]] std::vector<Member*> leaders() const {
        std::vector<Member*> found;
        memberships.for_each(user, [&](Member& m) { found.push_back(&m); });
        return found;
    }

    roomcast::detail::Memberships<Ts> memberships;
    roomcast::detail::User<Ts> user{roomcast::detail::Name("ann"), 0};
    std::vector<std::unique_ptr<roomcast::detail::ConnectionRecord<Ts>>> devices;
    std::vector<std::unique_ptr<roomcast::detail::RoomRecord<Ts>>> rooms;
};
}  // namespace

TEST_CASE("devices come and go in rooms, oldest first, and one leads in each", "[invariant-1]") {
    INFO("ROOMCAST_SEED=" << tests::seed());
    std::mt19937_64 random(tests::seed());
    constexpr std::size_t device_count = 5, room_count = 6;
    Home home(device_count, room_count);
    std::vector<std::vector<Member*>> of_device(device_count), of_room(room_count);
    for (int step = 0; step < 20'000; ++step) {
        const std::size_t device = random() % device_count, room = random() % room_count;
        const auto is_it = [&](const Member* m) {
            return m->connection == home.devices[device].get() && m->room == home.rooms[room].get();
        };
        auto& there = of_room[room];
        if (const auto at = std::find_if(there.begin(), there.end(), is_it); at != there.end()) {
            home.leave(**at);
            of_device[device].erase(std::find(of_device[device].begin(), of_device[device].end(), *at));
            there.erase(at);
        } else {
            there.push_back(&home.enter(device, room));
            of_device[device].push_back(there.back());
        }
        std::vector<Member*> leaders;
        for (std::size_t r = 0; r < room_count; ++r) {
            REQUIRE(home.together(r) == of_room[r]);
            if (!of_room[r].empty()) leaders.push_back(of_room[r].front());
            for (const Member* m : of_room[r]) {
                REQUIRE(m->leads == (m == of_room[r].front()));
                REQUIRE(home.memberships.alone(*m) == (of_room[r].size() == 1));
            }
        }
        auto found = home.leaders();
        std::sort(found.begin(), found.end());
        std::sort(leaders.begin(), leaders.end());
        REQUIRE(found == leaders);
        REQUIRE((home.memberships.any(home.user) == nullptr) == leaders.empty());
        for (std::size_t d = 0; d < device_count; ++d) {
            REQUIRE(home.of_device(d) == of_device[d]);
            REQUIRE(home.devices[d]->open.room_count == of_device[d].size());
            if (of_device[d].empty()) continue;
            REQUIRE(home.memberships.oldest(*home.devices[d]) == of_device[d].front());
            REQUIRE(home.memberships.newest(*home.devices[d]) == of_device[d].back());
        }
    }
}

TEST_CASE("those who are together may leave while they are visited, each of them or all", "[invariant-1]") {
    for (unsigned who = 0; who < 16; ++who) {
        Home home(4, 1);
        std::vector<Member*> all, stay;
        for (std::size_t device = 0; device < 4; ++device) {
            all.push_back(&home.enter(device, 0));
            if (!(who >> device & 1)) stay.push_back(all.back());
        }
        std::vector<Member*> seen;
        home.memberships.for_each_together(*all.front(), [&](Member& m) {
            seen.push_back(&m);
            if (who >> (seen.size() - 1) & 1) home.leave(m);
        });
        CHECK(seen == all);
        CHECK(home.together(0) == stay);
    }
}

TEST_CASE("a row gives back who was pushed, oldest first") {
    Home home(1, 3);
    std::vector<Member*> all;
    for (std::size_t room = 0; room < 3; ++room) all.push_back(&home.enter(0, room));
    for (Member* m : all) {
        home.memberships.remove(*m->connection, *m);
        home.memberships.part(*m);
    }
    roomcast::detail::Ref row = 0;
    for (int round = 0; round < 2; ++round) {
        CHECK(home.memberships.pop(row) == nullptr);
        for (Member* m : all) home.memberships.push(row, *m);
        for (Member* m : all) CHECK(home.memberships.pop(row) == m);
        CHECK(row == 0);
    }
    for (Member* m : all) home.memberships.free(*m);
}

TEST_CASE("a device that goes from many rooms is found at once in each, beside a user's other devices there",
          "[invariant-15]") {
    constexpr std::size_t many = 1'000;
    Home home(3, 1);
    const auto enter_many = [&](std::size_t device) {
        for (std::size_t i = 0; i < many; ++i) {
            home.memberships.reserve(1);
            Member& m = home.memberships.make();
            m.connection = home.devices[device].get();
            m.room = home.rooms[0].get();
            home.memberships.add(*m.connection, m);
            home.memberships.lead(home.user, m);
        }
    };
    enter_many(0);
    enter_many(1);
    // The third is together with the second in each room.
    home.memberships.for_each(*home.devices[1], [&](Member& leader) {
        home.memberships.reserve(1);
        Member& m = home.memberships.make();
        m.connection = home.devices[2].get();
        m.room = leader.room;
        home.memberships.add(*m.connection, m);
        home.memberships.follow(leader, m);
    });
    for (const std::size_t device : {1U, 2U, 0U}) {
        std::size_t left = 0;
        for (; Member* m = home.memberships.oldest(*home.devices[device]); ++left) {
            const Member& start = *home.memberships.any(home.user);
            if (left != 0) REQUIRE(start.leading.next == home.memberships.ref(*m));
            home.leave(*m);
        }
        CHECK(left == many);
    }
    CHECK(home.memberships.any(home.user) == nullptr);
}
