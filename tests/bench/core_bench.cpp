// SPDX-License-Identifier: MIT
// The core against a plain loop and against nested maps, in one process.
#include <malloc.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "arguments.hpp"
#include "baselines.hpp"
#include "harness.hpp"
#include "ids.hpp"
#include "roomcast/registry.hpp"

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

template <class SessionType>
void broadcasts(const std::string& name, std::size_t members, int rounds, const char* must) {
    // All three send to the same sessions, so that none has the luckier memory.
    const auto sessions = shuffled_sessions<SessionType>(members);
    const std::string room = room_id(1);
    // Two in turn, so that a stored one is another than the one it replaces.
    const roomcast::Frame frames[] = {std::string(200, 'x'), std::string(200, 'y')};

    PlainLoop<SessionType> loop{sessions};
    Host<SessionType> host;
    NestedMapRegistry<SessionType> nested;
    for (std::size_t i = 0; i < members; ++i) {
        host.join(sessions[i], user_id(i), room);
        nested.join(sessions[i], user_id(i), room);
    }

    for (const auto& session : sessions) session->received = 0;
    std::size_t calls = 0;
    const auto next = [&]() -> const roomcast::Frame& { return frames[++calls % 2]; };
    constexpr std::chrono::milliseconds turn(40);
    const auto ours = [&] { host.broadcast(room, next()); };
    const auto against_loop = interleave(rounds, turn, ours, [&] { loop.broadcast(next()); });
    const auto against_maps = interleave(rounds, turn, ours, [&] { nested.broadcast(room, next()); });
    for (const auto& session : sessions)
        require(session->received == calls, "a member did not get each message exactly once");

    const auto row = [&](const char* baseline, const auto& samples, const char* bound) {
        const auto nanoseconds = [&](std::size_t contender) {
            return samples.typical(contender) * 1e9 / static_cast<double>(members);
        };
        print_row(name, grouped(members) + " members", baseline, nanoseconds(0), nanoseconds(1), "ns", bound,
                  samples.ratio(0, 1));
    };
    row("plain loop", against_loop, must);
    row("nested maps", against_maps, "");
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
    print_row("heap a user with one connection", grouped(users) + " users in " + grouped(rooms) + " rooms",
              "nested maps", ours, theirs, "bytes", "", ours / theirs);
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
    const bench::Arguments arguments(argc, argv, {"rounds", "most"});
    const int rounds = static_cast<int>(arguments.number("rounds", 7));
    const auto most = static_cast<std::size_t>(arguments.number("most", 1'000'000));
    const bench::SecondThread second_thread;

    for (const std::size_t members : {10u, 1'000u, 100'000u, 1'000'000u}) {
        if (members > most) break;
        const char* must = members == 100'000 ? "1.1" : "";
        bench::broadcasts<bench::CountingSession>("broadcast, send counts", members, rounds, must);
        bench::broadcasts<bench::StoringSession>("broadcast, send stores the frame", members, rounds, must);
    }
    bench::memory(100'000, 1'000);
}
