// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
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

#include "model/seed.hpp"
#include "roomcast/registry.hpp"
#include "roomcast/testing/fake_connection.hpp"
#include "support/catch.hpp"
#include "support/scale.hpp"

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
struct ShortEvents {
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
    template <class T>
    std::string published(const roomcast::PublishedEvent<T>&) const {
        return {};
    }
};

/// Follows who is where by what the observer is told, and counts what should
/// not be: two threads at once, a join where one is, a leave where one is not,
/// a user in two rooms (when `one_room` is asked for), a wrong `user_changed`.
class Shadow {
public:
    explicit Shadow(bool one_room) : one_room_(one_room) {}

    template <class Event>
    void on_event(const Event& e) noexcept {
        if (busy_.exchange(true)) ++faults_;
        using roomcast::EventKind;
        if (e.kind == EventKind::room_opened) faults_ += !rooms_.insert(e.room).second;
        if (e.kind == EventKind::room_closed) faults_ += rooms_.erase(e.room) != 1;
        if (e.kind == EventKind::joined) enter(e);
        if (e.kind == EventKind::migrated) migrate(e);
        if (e.kind == EventKind::left) leave(e);
        ++events_;
        busy_ = false;
    }

    [[nodiscard]] std::size_t faults() const { return faults_; }
    [[nodiscard]] std::size_t events() const { return events_; }
    [[nodiscard]] bool empty() const { return where_.empty() && rooms_.empty(); }

private:
    using Place = std::pair<std::string, std::string>;  // room, user

    template <class Event>
    void enter(const Event& e) {
        const bool first = where_[{e.room, *e.user}].empty();
        faults_ += rooms_.count(e.room) != 1;
        faults_ += e.user_changed != first;
        faults_ += !where_[{e.room, *e.user}].insert(e.connection->get()).second;
        one_room(*e.user);
    }
    template <class Event>
    void migrate(const Event& e) {
        auto old = where_.extract({*e.from, *e.user});
        faults_ += old.empty() || old.mapped().size() != e.moved || old.mapped().count(e.connection->get()) != 1;
        if (!old.empty()) where_[{e.room, *e.user}].merge(old.mapped());
        one_room(*e.user);
    }
    template <class Event>
    void leave(const Event& e) {
        const auto at = where_.find({e.room, *e.user});
        if (at == where_.end() || at->second.erase(e.connection->get()) != 1) {
            ++faults_;
            return;
        }
        faults_ += e.user_changed != at->second.empty();
        if (at->second.empty()) where_.erase(at);
    }
    void one_room(const std::string& user) {
        std::size_t rooms = 0;
        for (const auto& [place, connections] : where_) rooms += place.second == user && !connections.empty();
        if (one_room_ && rooms > 1) ++faults_;
    }

    const bool one_room_;
    std::atomic<bool> busy_{false};
    std::atomic<std::size_t> faults_{0};
    std::atomic<std::size_t> events_{0};
    std::map<Place, std::set<const void*>> where_;
    std::set<std::string> rooms_;
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
