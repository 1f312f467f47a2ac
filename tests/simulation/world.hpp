// SPDX-License-Identifier: MIT
#pragma once

#include "simulation/host.hpp"

#include <array>
#include <cstddef>
#include <memory>
#include <vector>

namespace simulation {

/// A registry, few connections of few users, and threads that do random things
/// to them; everything is drawn from the scheduler's random numbers.
class World {
public:
    using Registry = roomcast::RoomRegistry<Connection, Traits>;

    explicit World(roomcast::Membership membership);
    World(const World&) = delete;
    World& operator=(const World&) = delete;
    ~World();

    /// Some are there already when the threads begin.
    void prepare();
    [[nodiscard]] std::size_t threads() const noexcept { return threads_; }
    /// What a logical thread does.
    void work();
    /// After the threads: what is due happens, and every promise is looked at.
    void finish();

private:
    static Registry::Options draw_options(roomcast::Membership membership);

    void step();
    void join(std::size_t slot, std::size_t room);
    void leave(std::size_t slot, std::size_t room);
    void disconnect(const Connection& c);
    void publish(std::size_t slot, std::size_t room);
    void broadcast(std::size_t room);
    void send_directly(std::size_t slot);
    void kick();
    void close(std::size_t room);
    void shut_down();
    void become_writable();
    void poll();
    void ask();

    void call_back();
    void settle();
    void check_quiet();
    [[nodiscard]] Word new_message(const Sent& sent);
    [[nodiscard]] roomcast::MessageClass draw_class(bool numbered);

    const Registry::Options options_;
    Witness witness_;
    Host host_{witness_};
    std::array<Connection, 4> slots_;
    std::array<std::uint32_t, Scheduler::most_threads + 1> directs_{};
    std::array<bool, Scheduler::most_threads + 1> called_back_{};
    std::vector<std::weak_ptr<Session>> all_;
    std::size_t threads_;
    std::size_t reentrant_one_in_;  // 0: never
    bool harmless_;                 // nothing is removed but by migration
    Registry registry_;
    std::array<roomcast::Room<Connection, Traits>, rooms> handles_;  // shared by all threads
};

}  // namespace simulation
