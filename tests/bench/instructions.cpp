// SPDX-License-Identifier: MIT
// Join, migrate, leave, disconnect and kick, each by itself, to be counted by
// callgrind: see instructions.sh, which divides by the number printed here.
#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "arguments.hpp"
#include "baselines.hpp"
#include "harness.hpp"
#include "ids.hpp"
#include "roomcast/registry.hpp"

#if __has_include(<valgrind/callgrind.h>)
#include <valgrind/callgrind.h>
#else
#define CALLGRIND_START_INSTRUMENTATION
#define CALLGRIND_STOP_INSTRUMENTATION
#endif

namespace bench {

using Handle = std::shared_ptr<CountingSession>;

/// Tells nobody anything, as the nested maps do: the bookkeeping is compared,
/// not the texts. A removal without a farewell closes at once.
class Roomcast {
public:
    void join(const Handle& connection, const std::string& user, const std::string& room) {
        require(bool(registry_.join(connection, {.user = user, .room = room})), "a join was refused");
    }
    void leave(const Handle& connection, const std::string& room) {
        require(registry_.leave(connection, room) == roomcast::LeaveStatus::left, "nobody to leave");
    }
    void disconnect(const Handle& connection) {
        require(registry_.disconnect(connection), "nobody to disconnect");
    }
    void kick(const std::string& user) {
        const roomcast::CloseReason reason{roomcast::CloseCode::removed_from_room, "spam"};
        require(bool(registry_.kick_user(user, reason)), "nobody to kick");
    }

private:
    struct Traits : roomcast::DefaultTraits {
        using events = roomcast::SilentEvents;
    };
    roomcast::RoomRegistry<Handle, Traits> registry_;
};

class NestedMaps {
public:
    void join(const Handle& connection, const std::string& user, const std::string& room) {
        registry_.join(connection, user, room);
    }
    void leave(const Handle& connection, const std::string&) {
        require(registry_.leave(connection), "nobody to leave");
    }
    void disconnect(const Handle& connection) {
        require(registry_.disconnect(connection), "nobody to disconnect");
    }
    void kick(const std::string& user) { require(registry_.kick(user, "spam") == 1, "nobody to kick"); }

private:
    NestedMapRegistry<CountingSession> registry_;
};

/// The ids and sessions that all operations take, made beforehand.
struct World {
    World(std::size_t users, std::size_t room_count) {
        sessions.reserve(users);
        ids.reserve(users);
        for (std::size_t i = 0; i < users; ++i) {
            sessions.push_back(std::make_shared<CountingSession>());
            ids.push_back(user_id(i));
        }
        for (std::size_t i = 0; i < room_count; ++i) rooms.push_back(room_id(i));
        std::shuffle(sessions.begin(), sessions.end(), std::mt19937_64(20240229));
    }
    const std::string& room_of(std::size_t user) const { return rooms[user % rooms.size()]; }
    const std::string& next_room_of(std::size_t user) const { return rooms[(user + 1) % rooms.size()]; }

    std::vector<Handle> sessions;
    std::vector<std::string> ids;
    std::vector<std::string> rooms;
};

/// One function an operation, which the compiler leaves whole, so that
/// callgrind's inclusive count of it is the operation's.
template <class Registry>
struct Measured {
    [[gnu::noinline]] static void join(Registry& registry, const World& world, std::size_t from) {
        for (std::size_t i = from; i < world.ids.size(); ++i)
            registry.join(world.sessions[i], world.ids[i], world.room_of(i));
    }
    [[gnu::noinline]] static void migrate(Registry& registry, const World& world, std::size_t from) {
        for (std::size_t i = from; i < world.ids.size(); ++i)
            registry.join(world.sessions[i], world.ids[i], world.next_room_of(i));
    }
    [[gnu::noinline]] static void leave(Registry& registry, const World& world, std::size_t from) {
        for (std::size_t i = from; i < world.ids.size(); ++i)
            registry.leave(world.sessions[i], world.next_room_of(i));
    }
    [[gnu::noinline]] static void disconnect(Registry& registry, const World& world, std::size_t from) {
        for (std::size_t i = from; i < world.ids.size(); ++i) registry.disconnect(world.sessions[i]);
    }
    [[gnu::noinline]] static void kick(Registry& registry, const World& world, std::size_t from) {
        for (std::size_t i = from; i < world.ids.size(); ++i) registry.kick(world.ids[i]);
    }
};

/// Half of the users are there all the time, the others do each thing once.
template <class Registry>
void run(std::size_t users, std::size_t rooms) {
    const World world(2 * users, rooms);
    Registry registry;
    const auto enter = [&](std::size_t from, std::size_t to) {
        for (std::size_t i = from; i < to; ++i)
            registry.join(world.sessions[i], world.ids[i], world.room_of(i));
    };

    enter(0, users);
    Measured<Registry>::join(registry, world, users);
    Measured<Registry>::migrate(registry, world, users);
    Measured<Registry>::leave(registry, world, users);
    enter(users, 2 * users);
    Measured<Registry>::disconnect(registry, world, users);
    enter(users, 2 * users);
    Measured<Registry>::kick(registry, world, users);

    std::size_t closed = 0;
    for (const Handle& session : world.sessions) closed += session->closed;
    require(closed == users, "not each kicked connection was closed exactly once");
}

/// Joins alone, to a registry that holds `users`; only they are looked at.
void run_joins(std::size_t users, std::size_t newcomers, std::size_t rooms) {
    const World world(users + newcomers, rooms);
    Roomcast registry;
    for (std::size_t i = 0; i < users; ++i) registry.join(world.sessions[i], world.ids[i], world.room_of(i));
    CALLGRIND_START_INSTRUMENTATION;
    Measured<Roomcast>::join(registry, world, users);
    CALLGRIND_STOP_INSTRUMENTATION;
}

}  // namespace bench

int main(int argc, char** argv) {
    const bench::Arguments arguments(argc, argv, {"users", "rooms", "newcomers"});
    const auto users = static_cast<std::size_t>(arguments.number("users", 20'000));
    const auto rooms = static_cast<std::size_t>(arguments.number("rooms", 200));
    const auto newcomers = static_cast<std::size_t>(arguments.number("newcomers", 0));
    const bench::SecondThread second_thread;
    if (newcomers != 0) {
        bench::run_joins(users, newcomers, rooms);
        return 0;
    }
    bench::run<bench::Roomcast>(users, rooms);
    bench::run<bench::NestedMaps>(users, rooms);
    std::printf("%zu operations in %zu rooms\n", users, rooms);
}
