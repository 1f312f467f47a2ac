// SPDX-License-Identifier: MIT
#include "threads/threaded.hpp"

#include <condition_variable>
#include <deque>

namespace threads {
namespace {

class Gate;

/// A transport with room for a few frames, which another thread empties. It
/// asks for `writable` before its `send` has answered `busy`.
class Narrow : public std::enable_shared_from_this<Narrow> {
public:
    Narrow(Gate& gate, std::size_t room, bool hesitates) : gate_(gate), room_(room), hesitates_(hesitates) {}
    roomcast::SendStatus send(std::string_view frame);
    void close(CloseCode, std::string_view) {}
    static roomcast::Frame encode(const roomcast::Message& message, int) {
        return message.position.seq == 0 ? message.payload : roomcast::Frame(std::to_string(message.position.seq));
    }

    void empty() {
        const std::lock_guard lock(mutex_);
        used_ = 0;
    }
    std::vector<std::string> frames() const {
        const std::lock_guard lock(mutex_);
        return frames_;
    }
    std::size_t refusals() const {
        const std::lock_guard lock(mutex_);
        return refusals_;
    }

private:
    Gate& gate_;
    const std::size_t room_;
    const bool hesitates_;  // lets the other thread run before `busy` is answered
    mutable std::mutex mutex_;
    std::size_t used_ = 0;
    std::size_t refusals_ = 0;
    std::vector<std::string> frames_;
};

using NarrowRegistry = roomcast::RoomRegistry<std::shared_ptr<Narrow>, QuietTraits>;

/// The io thread: empties those that ask, and says `writable`.
class Gate {
public:
    ~Gate() { stop(); }
    void start(NarrowRegistry& registry) {
        thread_ = std::thread([this, &registry] {
            for (;;) {
                std::unique_lock lock(mutex_);
                wakes_.wait(lock, [&] { return stop_ || !waiting_.empty(); });
                if (waiting_.empty()) return;
                const auto session = std::move(waiting_.front());
                waiting_.pop_front();
                lock.unlock();
                session->empty();
                registry.writable(session);
            }
        });
    }
    void stop() {
        {
            const std::lock_guard lock(mutex_);
            stop_ = true;
        }
        wakes_.notify_all();
        if (thread_.joinable()) thread_.join();
    }
    void ask(std::shared_ptr<Narrow> session) {
        {
            const std::lock_guard lock(mutex_);
            waiting_.push_back(std::move(session));
        }
        wakes_.notify_all();
    }

private:
    std::mutex mutex_;
    std::condition_variable wakes_;
    std::deque<std::shared_ptr<Narrow>> waiting_;
    bool stop_ = false;
    std::thread thread_;
};

roomcast::SendStatus Narrow::send(std::string_view frame) {
    {
        const std::lock_guard lock(mutex_);
        if (used_ < room_) {
            ++used_;
            frames_.emplace_back(frame);
            return roomcast::SendStatus::accepted;
        }
        ++refusals_;
    }
    gate_.ask(shared_from_this());
    if (hesitates_)
        for (int i = 0; i < 3; ++i) std::this_thread::yield();
    return roomcast::SendStatus::busy;
}

void check_races(bool hesitates, std::size_t messages) {
    constexpr std::size_t connections = 6;
    Gate gate;
    NarrowRegistry registry({.outbox_messages = 1'000'000,
                       .outbox_bytes = 1'000'000'000,
                       .outbox_age = 0ms,
                       .outbox_control_messages = 1'000'000,
                       .outbox_control_bytes = 1'000'000'000});
    gate.start(registry);
    std::vector<std::shared_ptr<Narrow>> sessions;
    for (std::size_t i = 0; i < connections; ++i) {
        sessions.push_back(std::make_shared<Narrow>(gate, 1 + i, hesitates));
        REQUIRE(registry.join(sessions[i], {.user = "user " + std::to_string(i), .room = "r"}));
    }
    {
        const Poller poller(registry);
        on_threads(3, [&](std::size_t t) {
            for (std::size_t i = 0; i < messages; ++i)
                if (t < 2) {
                    while (registry.broadcast("r", "m") == Delivery::overloaded) std::this_thread::yield();
                } else {
                    // A frame of its own, beside the room's; and `writable` out of the blue.
                    registry.send(sessions[i % connections], "d" + std::to_string(i));
                    registry.writable(sessions[(i + 1) % connections]);
                }
        });
        const std::size_t direct = messages / connections;
        CHECK(within(60s, [&] {
            for (const auto& session : sessions)
                if (session->frames().size() < 1 + 2 * messages + direct) return false;
            return true;
        }));
    }
    gate.stop();
    for (std::size_t s = 0; s < connections; ++s) {
        const auto frames = sessions[s]->frames();
        CHECK(frames.size() == 1 + 2 * messages + messages / connections + (s < messages % connections));
        CHECK(sessions[s]->refusals() > 0);
        REQUIRE_FALSE(frames.empty());
        CHECK(frames[0] == "+r");
        std::size_t number = 0;
        std::size_t direct = s;
        std::size_t wrong = 0;
        for (std::size_t i = 1; i < frames.size(); ++i) {
            if (frames[i][0] == 'd') {
                wrong += frames[i] != "d" + std::to_string(direct);
                direct += connections;
            } else {
                wrong += frames[i] != std::to_string(++number);
            }
        }
        CHECK(wrong == 0);
        CHECK(number == 2 * messages);
        CHECK(registry.disconnect(sessions[s]));
    }
    CHECK(registry.statistics().dropped == 0);
    CHECK(registry.count() == roomcast::Counts{});
}

}  // namespace

TEST_CASE("whatever a busy connection was sent arrives in order, and nothing stays behind") {
    check_races(false, scaled(6000));
}

TEST_CASE("`writable` before `send` has answered busy is not lost") { check_races(true, scaled(600)); }

}  // namespace threads
