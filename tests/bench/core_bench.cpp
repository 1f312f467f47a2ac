// SPDX-License-Identifier: MIT
// The core against a plain loop and against nested maps, in one process.
#include <malloc.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "arguments.hpp"
#include "baselines.hpp"
#include "contest.hpp"
#include "harness.hpp"
#include "ids.hpp"
#include "roomcast/registry.hpp"
#include "roomcast/room.hpp"

namespace bench {
namespace {

/// Polls as a host does: when woken, until nothing is due.
template <class SessionType>
class Host {
public:
    using Handle = std::shared_ptr<SessionType>;

    void join(const Handle& connection, const std::string& user, const std::string& room) {
        require(bool(registry_.join(connection, {.user = user, .room = room})), "a join was refused");
        work_off();
    }
    void broadcast(const std::string& room, const roomcast::Frame& frame) {
        registry_.broadcast(room, frame);
        work_off();
    }
    void broadcast(roomcast::Room<Handle>& room, const roomcast::Frame& frame) {
        room.broadcast(frame);
        work_off();
    }
    roomcast::Room<Handle> room(const std::string& id) { return registry_.room(id); }

private:
    using Registry = roomcast::RoomRegistry<Handle>;
    using time_point = typename Registry::time_point;

    void work_off() {
        while (next_ != time_point::max()) next_ = registry_.poll();
    }

    time_point next_ = time_point::max();
    Registry registry_{{.wake = [this](time_point due) { next_ = std::min(next_, due); }}};
};

/// In memory they lie in another order than in this vector: members of a real
/// room connected at different times.
template <class SessionType>
std::vector<std::shared_ptr<SessionType>> shuffled_sessions(std::size_t count) {
    std::vector<std::shared_ptr<SessionType>> sessions(count);
    for (auto& session : sessions) session = std::make_shared<SessionType>();
    std::shuffle(sessions.begin(), sessions.end(), std::mt19937_64(20240229));
    return sessions;
}

constexpr int sent_bytes = 200;

/// What a broadcast of ours may cost, in those of a baseline; "": no bound.
struct Bounds {
    const char* loop = "";
    const char* maps = "";
};

/// `members` in each of `rooms` rooms: one broadcast to each room in turn.
template <class SessionType>
void broadcasts(const std::string& name, std::size_t members, std::size_t rooms, int rounds, Bounds must) {
    // All three send to the same sessions, so that none has the luckier memory.
    const auto sessions = shuffled_sessions<SessionType>(members * rooms);
    std::vector<std::string> ids;
    for (std::size_t room = 0; room < rooms; ++room) ids.push_back(room_id(room));
    // Two in turn, so that a stored one is another than the one it replaces.
    const roomcast::Frame frames[] = {std::string(sent_bytes, 'x'), std::string(sent_bytes, 'y')};

    std::vector<PlainLoop<SessionType>> loops(rooms);
    Host<SessionType> host;
    NestedMapRegistry<SessionType> nested;
    for (std::size_t i = 0; i < sessions.size(); ++i) {
        loops[i % rooms].members.push_back(sessions[i]);
        host.join(sessions[i], user_id(i), ids[i % rooms]);
        nested.join(sessions[i], user_id(i), ids[i % rooms]);
    }

    for (const auto& session : sessions) session->received = 0;
    std::size_t calls = 0;
    const auto next = [&]() -> const roomcast::Frame& { return frames[++calls % 2]; };
    const auto ours = [&] {
        const roomcast::Frame& frame = next();
        for (const std::string& room : ids) host.broadcast(room, frame);
    };
    const auto maps = [&] {
        const roomcast::Frame& frame = next();
        for (const std::string& room : ids) nested.broadcast(room, frame);
    };
    std::vector<roomcast::Room<std::shared_ptr<SessionType>>> handles;
    for (const std::string& room : ids) handles.push_back(host.room(room));
    const auto by_handle = [&] {
        const roomcast::Frame& frame = next();
        for (auto& room : handles) host.broadcast(room, frame);
    };
    const auto against_loop = compare(rounds, ours, [&] {
        const roomcast::Frame& frame = next();
        for (const auto& loop : loops) loop.broadcast(frame);
    });
    const auto against_maps = compare(rounds, ours, maps);
    const auto handles_against_maps = compare(rounds, by_handle, maps);
    for (const auto& session : sessions)
        require(session->received == calls, "a member did not get each message exactly once");

    const std::string load =
        rooms == 1 ? grouped(members) + " members" : grouped(members) + " members in " + grouped(rooms) + " rooms";
    const auto row = [&](const std::string& what, const char* baseline, const Samples& samples, const char* bound) {
        const auto nanoseconds = [&](const std::vector<double>& seconds) {
            return median(seconds) * 1e9 / static_cast<double>(sessions.size());
        };
        print_row(what, load, baseline, nanoseconds(samples.ours), nanoseconds(samples.theirs), "ns", bound,
                  samples.ratio());
    };
    row(name, "plain loop", against_loop, must.loop);
    row(name, "nested maps", against_maps, "");
    row(name + ", by a handle", "nested maps", handles_against_maps, must.maps);
}

/// Time a delivery while two threads broadcast, each to rooms of its own,
/// against one that does it alone. Wall time, for a lock is waited for.
void two_threads(std::size_t members, std::size_t rooms, int rounds) {
    const auto sessions = shuffled_sessions<CountingSession>(members * rooms);
    roomcast::RoomRegistry<std::shared_ptr<CountingSession>> registry;
    for (std::size_t i = 0; i < sessions.size(); ++i)
        require(bool(registry.join(sessions[i], {.user = user_id(i), .room = room_id(i % rooms)})), "a join was refused");
    const roomcast::Frame frame(std::string(sent_bytes, 'x'));
    std::vector<roomcast::Room<std::shared_ptr<CountingSession>>> handles;
    for (std::size_t room = 0; room < rooms; ++room) handles.push_back(registry.room(room_id(room)));
    constexpr std::size_t times = 20;
    for (const auto& session : sessions) session->received = 0;
    const auto work = [&](std::size_t from) {
        for (std::size_t n = 0; n < times; ++n)
            for (std::size_t room = from; room < rooms; room += 2) handles[room].broadcast(frame);
    };
    const auto seconds = [](const auto& run) {
        const auto start = std::chrono::steady_clock::now();
        run();
        return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    };
    Samples samples;
    for (int round = 0; round < rounds; ++round) {
        samples.theirs.push_back(seconds([&] { work(0), work(1); }));
        samples.ours.push_back(seconds([&] {
            std::thread other(work, 1);
            work(0);
            other.join();
        }));
    }
    while (registry.poll() != decltype(registry)::time_point::max()) continue;  // a turn may have been over midway
    const std::size_t calls = 2 * times * static_cast<std::size_t>(rounds);
    for (const auto& session : sessions)
        require(session->received == calls, "a member did not get each message exactly once");
    const double deliveries = static_cast<double>(times * sessions.size());
    print_row("broadcast by two threads, wall time", grouped(members) + " members in " + grouped(rooms) + " rooms",
              "one thread", median(samples.ours) * 1e9 / deliveries, median(samples.theirs) * 1e9 / deliveries, "ns",
              "0.556", samples.ratio());
}

/// The longest of many joins, while the indexes grow from nothing: each is timed
/// in two registries, and counts as its shortest time. What the machine does in
/// between meets another join each time; what a registry does meets the same.
void longest_join(std::size_t users, std::size_t rooms) {
    const auto sessions = shuffled_sessions<CountingSession>(users);
    std::vector<float> shortest(users, std::numeric_limits<float>::max());
    for (int round = 0; round < 2; ++round) {
        Host<CountingSession> host;
        for (std::size_t i = 0; i < users; ++i) {
            const std::string user = user_id(i), room = room_id(i % rooms);
            const double start = processor_seconds();
            host.join(sessions[i], user, room);
            shortest[i] = std::min(shortest[i], static_cast<float>(processor_seconds() - start));
        }
    }
    const double longest = *std::max_element(shortest.begin(), shortest.end());
    print_row("longest join", grouped(users) + " users in " + grouped(rooms) + " rooms", "its bound", longest * 1e3, 1,
              "ms", "1", longest * 1e3);
}

/// Bytes that malloc has given out, its own headers included.
std::size_t heap_in_use() {
    const auto heap = ::mallinfo2();
    return heap.uordblks + heap.hblkhd;
}

template <class Registry>
double bytes_a_user(const std::vector<std::shared_ptr<CountingSession>>& sessions, std::size_t rooms) {
    const std::size_t before = heap_in_use();
    Registry registry;
    for (std::size_t i = 0; i < sessions.size(); ++i)
        registry.join(sessions[i], user_id(i), room_id(i % rooms));
    return static_cast<double>(heap_in_use() - before) / static_cast<double>(sessions.size());
}

void memory(std::size_t users, std::size_t rooms) {
    const auto sessions = shuffled_sessions<CountingSession>(users);
    const double ours = bytes_a_user<Host<CountingSession>>(sessions, rooms);
    const double theirs = bytes_a_user<NestedMapRegistry<CountingSession>>(sessions, rooms);
    const std::string load = grouped(users) + " users in " + grouped(rooms) + " rooms";
    print_row("heap a user with one connection", load, "nested maps", ours, theirs, "bytes", "", ours / theirs);
    print_row("heap a user with one connection", load, "its bound", ours, 240, "bytes", "1", ours / 240);
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
    const bench::Arguments arguments(argc, argv, {"rounds", "most"});
    const int rounds = static_cast<int>(arguments.number("rounds", 7));
    const auto most = static_cast<std::size_t>(arguments.number("most", 1'000'000));
    const bench::SecondThread second_thread;

    using bench::CountingSession, bench::StoringSession;
    const std::string counts = "broadcast, send counts", stores = "broadcast, send stores the frame";
    bench::broadcasts<CountingSession>(counts, 10, 1, rounds, {.maps = "2"});
    bench::broadcasts<StoringSession>(stores, 10, 1, rounds, {});
    bench::broadcasts<CountingSession>(counts, 1'000, 1, rounds, {.loop = "1.3"});
    bench::broadcasts<StoringSession>(stores, 1'000, 1, rounds, {});
    for (const std::size_t members : {std::size_t{100'000}, std::size_t{1'000'000}}) {
        if (members > most) break;
        bench::broadcasts<CountingSession>(counts, members, 1, rounds, {.loop = "1.05"});
        bench::broadcasts<StoringSession>(stores, members, 1, rounds, {.loop = "0.65"});
    }
    if (most >= 1'000'000) {
        bench::broadcasts<CountingSession>(counts, 100, 10'000, rounds, {.loop = "1.4"});
        bench::two_threads(100, 1'000, rounds);
        bench::memory(1'000'000, 10'000);
        bench::longest_join(10 * most, 100'000);
    }
}
