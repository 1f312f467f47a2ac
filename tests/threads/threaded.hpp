// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "roomcast/registry.hpp"
#include "roomcast/testing/fake_connection.hpp"
#include "support/catch.hpp"
#include "support/scale.hpp"
#include "support/seed.hpp"

namespace threads {

using namespace std::chrono_literals;
using roomcast::CloseCode;
using roomcast::Delivery;
using roomcast::JoinStatus;
using roomcast::Membership;
using roomcast::testing::FakeConnection;
using roomcast::testing::make_fake;
using tests::scaled;

/// Control events in a form that a test can tell from messages by their first
/// character: `+room` joined, `-room` left or removed, `!` farewell,
/// `~room dropped from to` gap, `>room` moved.
struct ShortEvents : roomcast::SilentEvents {
    template <class T>
    std::string joined(const roomcast::JoinedEvent<T>& e) const {
        return "+" + e.room;
    }
    template <class T>
    std::string moved(const roomcast::MovedEvent<T>& e) const {
        return ">" + e.to;
    }
    template <class T>
    std::string left(const roomcast::LeftEvent<T>& e) const {
        return "-" + e.room;
    }
    template <class T>
    std::string removed(const roomcast::RemovedEvent<T>& e) const {
        return "-" + e.room;
    }
    template <class T>
    std::string force_disconnect(const roomcast::ForceDisconnectEvent<T>&) const {
        return "!";
    }
    template <class T>
    std::string gap(const roomcast::GapEvent<T>& e) const {
        return "~" + e.room + ' ' + std::to_string(e.dropped) + ' ' + std::to_string(e.from) + ' ' +
               std::to_string(e.to);
    }
};

/// Follows who is where by what the observer is told, and counts what should
/// not be: two threads at once, a join where one is, a leave where one is not,
/// a user in two rooms under `one_room_per_user`, a wrong `user_changed`.
class Shadow {
public:
    explicit Shadow(Membership membership, roomcast::OtherDevices others = roomcast::OtherDevices::evict)
        : by_user_(membership == Membership::one_room_per_user), follow_(others == roomcast::OtherDevices::follow) {}

    template <class Event>
    void on_event(const Event& e) noexcept {
        if (busy_.exchange(true)) {
            ++faults_;
            return;
        }
        using roomcast::EventKind;
        if (e.kind == EventKind::room_opened) faults_ += !rooms_.insert(e.epoch).second;
        if (e.kind == EventKind::room_closed) faults_ += rooms_.erase(e.epoch) != 1;
        if (e.user && e.kind == EventKind::left) leave(e);
        else if (e.user) enter(e);
        ++events_;
        busy_ = false;
    }

    [[nodiscard]] std::size_t faults() const { return faults_; }
    [[nodiscard]] std::size_t events() const { return events_; }
    [[nodiscard]] bool empty() const { return where_.empty() && rooms_.empty(); }

private:
    using Place = std::pair<std::string, std::string>;  // room, user
    using Connections = std::set<const void*>;

    template <class Event>
    void enter(const Event& e) {
        const Place place(e.room, *e.user);
        faults_ += rooms_.count(e.epoch) != 1;
        faults_ += e.user_changed != where_[place].empty();
        faults_ += !where_[place].insert(e.connection->get()).second;
        behind_.erase(place);
        if (e.from) move(e, place);
        std::size_t rooms = 0;
        for (const auto& [at, connections] : where_) rooms += at.second == *e.user && !behind_.count(at);
        faults_ += by_user_ && rooms > 1;
    }
    template <class Event>
    void move(const Event& e, const Place& place) {
        const Place old(*e.from, *e.user);
        Connections& there = where_[old];
        faults_ += there.empty();
        const bool was_there = there.erase(e.connection->get()) == 1;
        faults_ += !by_user_ && !was_there;
        if (by_user_ && !there.empty()) {
            // Evicted ones are told to leave next; followers went along.
            if (follow_) where_[place].merge(there);
            else behind_.insert(old);
        }
        if (there.empty()) where_.erase(old);
    }
    template <class Event>
    void leave(const Event& e) {
        const Place place(e.room, *e.user);
        const auto at = where_.find(place);
        if (at == where_.end() || at->second.erase(e.connection->get()) != 1) {
            ++faults_;
            return;
        }
        faults_ += e.user_changed != (at->second.empty() && !behind_.count(place));
        if (!at->second.empty()) return;
        where_.erase(at);
        behind_.erase(place);
    }

    const bool by_user_, follow_;
    std::atomic<bool> busy_{false};
    std::atomic<std::size_t> faults_{0};
    std::atomic<std::size_t> events_{0};
    std::map<Place, Connections> where_;
    std::set<Place> behind_;  // whose user has gone on
    std::set<std::uint64_t> rooms_;
};

/// An observer that passes everything on to a Shadow that outlives it.
struct ShadowObserver {
    Shadow* shadow = nullptr;
    template <class Event>
    void on_event(const Event& event) noexcept {
        if (shadow) shadow->on_event(event);
    }
};

struct QuietTraits : roomcast::DefaultTraits {
    using events = ShortEvents;
};
struct ShadowTraits : QuietTraits {
    using observer = ShadowObserver;
};

/// Whether `done` holds within `limit`; asks again and again.
template <class Done>
bool within(std::chrono::seconds limit, Done done) {
    const auto end = std::chrono::steady_clock::now() + limit;
    while (!done()) {
        if (std::chrono::steady_clock::now() > end) return false;
        std::this_thread::yield();
    }
    return true;
}

/// Runs `action(thread index)` on `count` threads, all released together.
inline void on_threads(std::size_t count, const std::function<void(std::size_t)>& action) {
    std::atomic<bool> go{false};
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < count; ++i)
        threads.emplace_back([&, i] {
            while (!go) std::this_thread::yield();
            action(i);
        });
    go = true;
    for (std::thread& thread : threads) thread.join();
}

/// Polls until nothing is due.
template <class Registry, class Clock = std::chrono::steady_clock>
void poll_all(Registry& registry, const Clock& clock = {}) {
    while (registry.poll() <= clock.now()) {}
}

/// Calls `poll` on a thread of its own while it lives.
template <class Registry>
class Poller {
public:
    explicit Poller(Registry& registry)
        : thread_([this, &registry] {
              while (!stop_) {
                  registry.poll();
                  std::this_thread::yield();
              }
          }) {}
    ~Poller() {
        stop_ = true;
        thread_.join();
    }
    Poller(const Poller&) = delete;
    Poller& operator=(const Poller&) = delete;

private:
    std::atomic<bool> stop_{false};
    std::thread thread_;
};

}  // namespace threads
