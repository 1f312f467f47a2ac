// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <random>
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
#include "support/whereabouts.hpp"

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

/// A numbered message as its members heard it: `number:publisher.count`.
struct HeardMessage {
    std::size_t number = 0, publisher = 0, count = 0;
    explicit HeardMessage(const std::string& text) {
        std::size_t used = 0;
        number = std::stoul(text, &used);
        const std::string rest = text.substr(used + 1);
        publisher = std::stoul(rest, &used);
        count = std::stoul(rest.substr(used + 1));
    }
};

/// Counts what an observer should not be told: who is where has to follow from
/// it, and two threads never tell at once.
class Shadow {
public:
    explicit Shadow(Membership membership, roomcast::OtherDevices others = roomcast::OtherDevices::evict)
        : whereabouts_(membership, others) {}

    template <class Event>
    void on_event(const Event& e) noexcept {
        if (busy_.exchange(true)) {
            ++faults_;
            return;
        }
        Whereabouts::Told told{.kind = e.kind, .epoch = e.epoch, .room = e.room, .user_changed = e.user_changed};
        if (e.from) told.from = *e.from;
        if (e.user) told.user = *e.user;
        if (e.connection) told.connection = e.connection->get();
        faults_ += !whereabouts_.hear(told).empty();
        ++events_;
        busy_ = false;
    }

    [[nodiscard]] std::size_t faults() const { return faults_; }
    [[nodiscard]] std::size_t events() const { return events_; }
    [[nodiscard]] bool empty() const { return whereabouts_.empty(); }

private:
    using Whereabouts = tests::Whereabouts<std::string, const void*>;

    std::atomic<bool> busy_{false};
    std::atomic<std::size_t> faults_{0};
    std::atomic<std::size_t> events_{0};
    Whereabouts whereabouts_;
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
    while (true) {
        const auto next = registry.poll();  // before the clock is read
        if (next > clock.now()) return;
    }
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
