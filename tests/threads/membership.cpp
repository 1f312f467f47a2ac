// SPDX-License-Identifier: MIT
#include "roomcast/room.hpp"
#include "threads/threaded.hpp"

namespace threads {
namespace {

struct SilentShadowTraits : ShadowTraits {
    using events = roomcast::SilentEvents;
};
using ShadowRegistry = roomcast::RoomRegistry<FakeConnection, ShadowTraits>;
using SilentRegistry = roomcast::RoomRegistry<FakeConnection, SilentShadowTraits>;

std::string user_name(std::size_t i) { return "user " + std::to_string(i); }
std::string room_name(std::size_t i) { return "room " + std::to_string(i); }

/// Everything at once from four threads, each with connections of its own but
/// users and rooms in common; then all go, and nothing may be left.
template <class Registry = ShadowRegistry>
void check_churn(typename Registry::Options options, std::size_t steps) {
    constexpr std::size_t workers = 4;
    constexpr std::size_t users = 6;
    constexpr std::size_t rooms = 4;
    std::atomic<std::size_t> alive{0};
    Shadow shadow(options.membership, options.others);
    {
        Registry registry(std::move(options), {.observer = {&shadow}});
        std::vector<decltype(registry.room(""))> handles;
        for (std::size_t r = 0; r < rooms; ++r) handles.push_back(registry.room(room_name(r)));
        on_threads(workers, [&](std::size_t worker) {
            std::minstd_rand random(static_cast<unsigned>(tests::seed() + worker));
            const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random()) % n; };
            const auto renew = [&] {
                ++alive;
                FakeConnection fresh = make_fake("", 1);
                fresh->on_destroyed = [&] { --alive; };
                return fresh;
            };
            std::vector<std::pair<FakeConnection, std::string>> mine(6);
            for (auto& [connection, user] : mine) connection = renew(), user = user_name(below(users));
            for (std::size_t step = 0; step < steps; ++step) {
                auto& [connection, user] = mine[below(mine.size())];
                const std::size_t r = below(rooms);
                const std::string room = room_name(r);
                switch (below(20)) {
                    case 0:
                    case 1:
                    case 2:
                    case 3:
                    case 4:
                    case 5: (void)registry.join(connection, {.user = user, .room = room, .history = 5}); break;
                    case 6: registry.leave(connection, room); break;
                    case 7: registry.leave_all(connection); break;
                    case 8:
                        if (below(4) == 0) registry.broadcast(room, "b", {.except = &connection});
                        else if (below(3) == 0) registry.broadcast(room, "b");
                        else handles[r].broadcast("b");
                        break;
                    case 9: registry.publish(connection, room, "p"); break;
                    case 10: registry.broadcast_all("a"); break;
                    case 11: registry.send_to_user(user, "u"); break;
                    case 12: connection->stall_on(1 + below(4)); break;
                    case 13:
                    case 14:
                        connection->release();
                        registry.writable(connection);
                        break;
                    case 15: registry.poll(); break;
                    case 16:
                        if (below(3) == 0) registry.kick_user(user, {CloseCode::removed_from_room});
                        else registry.kick_from(room, user, {CloseCode::removed_from_room});
                        break;
                    case 17:
                        if (below(4) == 0) registry.close_room(room);
                        else (void)registry.members(room);
                        break;
                    case 18: connection->fail_on(1 + below(8)); break;
                    default:
                        registry.disconnect(connection);
                        connection = renew();
                        user = user_name(below(users));
                }
            }
            for (auto& [connection, user] : mine) registry.disconnect(connection);
        });
        poll_all(registry);
        CHECK(registry.count() == roomcast::Counts{});
        CHECK(registry.room_count() == 0);
        CHECK(registry.top_rooms(10).empty());
        for (std::size_t u = 0; u < users; ++u) CHECK(registry.rooms_of_user(user_name(u)).empty());
        CHECK(alive == 0);
    }
    CHECK(shadow.faults() == 0);
    CHECK(shadow.empty());
    CHECK(shadow.events() > 0);
}

/// Of each of the four threads.
const std::size_t churn_steps = scaled(tests::instrumented ? 125'000 : 1'250'000);

}  // namespace

TEST_CASE("after random work of four threads nothing is left, one room a user", "[invariant-14]") {
    check_churn({.membership = Membership::one_room_per_user, .grace = 0ms, .close_timeout = 0ms}, churn_steps);
}

TEST_CASE("after random work of four threads nothing is left, followers and few devices", "[invariant-14]") {
    check_churn({.membership = Membership::one_room_per_user,
                 .others = roomcast::OtherDevices::follow,
                 .max_devices = 3,
                 .grace = 1ms,
                 .close_timeout = 1ms,
                 .turn_sends = 3},
                churn_steps);
}

TEST_CASE("after random work of four threads nothing is left where nobody is told", "[invariant-14]") {
    check_churn<SilentRegistry>({.others = roomcast::OtherDevices::follow, .grace = 0ms, .close_timeout = 0ms},
                                churn_steps / 4);
    check_churn<SilentRegistry>({.membership = Membership::many_rooms,
                                 .room = {.batch_window = 1ms},
                                 .grace = 0ms,
                                 .turn_sends = 3},
                                churn_steps / 4);
}

TEST_CASE("after random work of four threads nothing is left, one room a connection", "[invariant-14]") {
    check_churn({.membership = Membership::one_room_per_connection, .room = {.history = 4}, .grace = 1ms},
                churn_steps);
}

TEST_CASE("after random work of four threads nothing is left, many rooms and small bounds", "[invariant-14]") {
    check_churn({.membership = Membership::many_rooms,
                 .room = {.history = 16},
                 .grace = 0ms,
                 .close_timeout = 0ms,
                 .max_queued = 3,
                 .turn_sends = 7,
                 .outbox_messages = 4,
                 .outbox_control_messages = 6},
                churn_steps);
}

TEST_CASE("a user who migrates is never seen in two rooms nor in none") {
    Shadow shadow(Membership::one_room_per_user, roomcast::OtherDevices::follow);
    ShadowRegistry registry({.others = roomcast::OtherDevices::follow}, {.observer = {&shadow}});
    const FakeConnection phone = make_fake("phone");
    const FakeConnection tab = make_fake("tab");
    REQUIRE(registry.join(phone, {.user = "u", .room = "room 0"}));
    REQUIRE(registry.join(tab, {.user = "u", .room = "room 0"}));
    std::atomic<bool> stop{false};
    std::atomic<std::size_t> wrong{0};
    std::atomic<std::size_t> questions{0};
    std::thread asker([&] {
        while (!stop) {
            wrong += registry.rooms_of_user("u").size() != 1;
            wrong += !registry.room_of("u").has_value();
            wrong += registry.rooms_of(phone).size() != 1;
            wrong += registry.count() != roomcast::Counts{1, 2};
            ++questions;
        }
    });
    const std::size_t steps = scaled(5000);
    {
        const Poller poller(registry);
        on_threads(2, [&](std::size_t t) {
            for (std::size_t i = 0; i < steps; ++i)
                while (!registry.join(t ? phone : tab, {.user = "u", .room = room_name((i * 7 + t) % 3)}))
                    std::this_thread::yield();  // overloaded
        });
    }
    within(30s, [&] { return questions > 0; });
    stop = true;
    asker.join();
    CHECK(wrong == 0);
    CHECK(questions > 0);
    poll_all(registry);
    CHECK(shadow.faults() == 0);
    CHECK(registry.room_count() == 1);
}

TEST_CASE("a connection that several threads remove leaves exactly once") {
    Shadow shadow(Membership::one_room_per_user);
    ShadowRegistry registry({.grace = 0ms, .close_timeout = 0ms}, {.observer = {&shadow}});
    const std::size_t rounds = scaled(600);
    std::size_t left_before = 0;
    for (std::size_t i = 0; i < rounds; ++i) {
        const FakeConnection c = make_fake();
        REQUIRE(registry.join(c, {.user = "u", .room = "r"}));
        std::atomic<std::size_t> removed{0};
        on_threads(3, [&](std::size_t t) {
            if (t == 0) removed += registry.kick_user("u", {CloseCode::removed_from_room}).connections;
            if (t == 1) removed += registry.leave(c, "r") == roomcast::LeaveStatus::left;
            if (t == 2) {
                registry.broadcast("r", "m");
                removed += registry.close_room("r");
            }
        });
        registry.disconnect(c);
        poll_all(registry);
        // room_opened, joined, left, room_closed
        left_before += 4;
        CHECK(removed >= 1);
        CHECK(shadow.events() == left_before);
    }
    CHECK(shadow.faults() == 0);
    CHECK(shadow.empty());
}

}  // namespace threads
