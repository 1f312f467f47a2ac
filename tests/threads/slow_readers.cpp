// SPDX-License-Identifier: MIT
#include <algorithm>

#include "roomcast/testing/manual_clock.hpp"
#include "threads/threaded.hpp"

namespace threads {
namespace {

/// A reader that is stalled and released again and again, by the thread that
/// says `writable`; it looks at what it hears.
class Reader {
public:
    explicit Reader(bool misses) : misses_(misses) {}

    roomcast::SendStatus send(std::string_view frame) {
        const std::lock_guard lock(mutex_);
        if (room_ == 0) return roomcast::SendStatus::busy;
        --room_;
        hear(frame);
        return roomcast::SendStatus::accepted;
    }
    void close(CloseCode, std::string_view) {}
    static roomcast::Frame encode(const roomcast::Message& message, int) {
        if (message.position.seq == 0) return message.payload;
        return roomcast::Frame(std::to_string(message.position.seq));
    }

    void make_room(std::size_t frames) {
        const std::lock_guard lock(mutex_);
        room_ = frames;
    }
    [[nodiscard]] std::size_t last() const { return locked(last_); }
    [[nodiscard]] std::size_t wrong() const { return locked(wrong_); }
    [[nodiscard]] std::size_t missed() const { return locked(missed_); }
    [[nodiscard]] bool farewell() const { return locked(farewell_); }
    [[nodiscard]] std::size_t deletions() const { return locked(deletions_); }
    [[nodiscard]] std::size_t counts() const { return locked(counts_); }

private:
    template <class Value>
    Value locked(const Value& value) const {
        const std::lock_guard lock(mutex_);
        return value;
    }
    void hear(std::string_view frame) {
        if (farewell_) ++wrong_;
        if (frame.front() == '!') {
            farewell_ = true;
        } else if (frame.front() == '#') {
            ++deletions_;
            wrong_ += std::stoul(std::string(frame.substr(1))) > last_;
        } else if (frame.front() == '=') {
            ++counts_;
        } else if (frame.front() == '~') {
            std::size_t at = 0;
            const std::string text(frame.substr(frame.find(' ') + 1));
            const std::size_t dropped = std::stoul(text, &at);
            std::size_t used = 0;
            const std::size_t from = std::stoul(text.substr(at + 1), &used);
            const std::size_t to = std::stoul(text.substr(at + 2 + used));
            wrong_ += !misses_ || from != last_ + 1 || dropped != to - from + 1;
            missed_ += dropped;
            last_ = to;
        } else if (frame.front() != '+') {
            wrong_ += std::stoul(std::string(frame)) != ++last_;
        }
    }

    const bool misses_;
    mutable std::mutex mutex_;  // guards all below
    std::size_t room_ = 4;
    std::size_t last_ = 0, wrong_ = 0, missed_ = 0, deletions_ = 0, counts_ = 0;
    bool farewell_ = false;
};

struct NewsEvents : ShortEvents {
    template <class T>
    std::string deleted(const roomcast::DeletedEvent<T>& e) const {
        return "#" + std::to_string(e.seq);
    }
    template <class T>
    std::string presence(const roomcast::PresenceEvent<T>& e) const {
        return "=" + std::to_string(e.counts.users);
    }
};
struct NewsTraits : roomcast::DefaultTraits {
    using clock = roomcast::testing::ManualClock;
    using events = NewsEvents;
};
using ReaderRegistry = roomcast::RoomRegistry<std::shared_ptr<Reader>, NewsTraits>;

/// Several producers, a thread that lets slow readers go on, deletions and
/// presence beside; the first reader reads nothing until all is said. Time
/// passes with the visitors who come and go.
void check_slow_readers(roomcast::SlowReaders policy, std::chrono::milliseconds window, std::size_t messages) {
    constexpr std::size_t producers = 3;
    constexpr std::size_t readers = 5;
    ReaderRegistry::Options options;
    options.room.slow_readers = policy;
    options.room.batch_window = window;
    options.room.presence = 1ms;
    options.room.history = 50;
    options.outbox_messages = 16;
    options.outbox_age = 0ms;
    options.outbox_control_messages = 1'000'000;
    options.outbox_control_bytes = 1'000'000'000;
    options.grace = std::chrono::milliseconds::max();  // who does not read hears its farewell late
    roomcast::testing::ManualClock clock;
    ReaderRegistry registry(options, {.clock = clock});
    messages = std::max(messages, options.outbox_messages);  // too many to wait for the first reader
    const bool misses = policy != roomcast::SlowReaders::disconnect;
    std::vector<std::shared_ptr<Reader>> sessions;
    for (std::size_t i = 0; i < readers; ++i) {
        sessions.push_back(std::make_shared<Reader>(misses));
        REQUIRE(registry.join(sessions[i], {.user = "user " + std::to_string(i), .room = "r"}));
    }
    const auto fast = std::make_shared<Reader>(false);
    fast->make_room(1'000'000'000);
    REQUIRE(registry.join(fast, {.user = "fast", .room = "r"}));
    std::atomic<std::size_t> saying{producers};
    std::atomic<std::size_t> deleted{0};
    {
        const Poller poller(registry);
        on_threads(producers + 2, [&](std::size_t t) {
            std::minstd_rand random(static_cast<unsigned>(tests::seed() + t));
            if (t < producers) {
                for (std::size_t i = 0; i < messages; ++i) {
                    const auto worth = random() % 4 == 0 ? roomcast::MessageClass::paid : roomcast::MessageClass::normal;
                    while (registry.broadcast("r", "m", {.message_class = worth}) == Delivery::overloaded)
                        std::this_thread::yield();
                }
                --saying;
            } else if (t == producers) {
                for (std::size_t i = 0; saying > 0; ++i) {
                    const auto& session = sessions[1 + i % (readers - 1)];
                    session->make_room(random() % 8);
                    registry.writable(session);
                    std::this_thread::yield();
                }
            } else {
                do {
                    const std::uint64_t last = registry.position("r")->seq;
                    if (last > 0 && taken(registry.delete_message("r", 1 + random() % last))) ++deleted;
                    const auto visitor = std::make_shared<Reader>(false);
                    visitor->make_room(1'000'000'000);
                    (void)registry.join(visitor, {.user = "visitor", .room = "r"});
                    registry.disconnect(visitor);
                    clock.advance(1ms);
                    std::this_thread::yield();
                } while (saying > 0);
            }
        });
        for (const auto& session : sessions) session->make_room(1'000'000'000);
        CHECK(within(60s, [&] {
            clock.advance(1ms);  // for batches, and the last counts
            for (const auto& session : sessions) {
                registry.writable(session);
                if (session->last() != producers * messages && !session->farewell()) return false;
            }
            return fast->last() == producers * messages && fast->deletions() == deleted && fast->counts() > 0;
        }));
    }
    poll_all(registry, clock);
    std::size_t missed = 0, gone = 0;
    for (const auto& session : sessions) {
        CHECK(session->wrong() == 0);
        missed += session->missed();
        gone += session->farewell();
        CHECK((session->farewell() || session->deletions() == deleted));
    }
    CHECK(fast->wrong() == 0);
    CHECK((misses ? gone == 0 : missed == 0));
    CHECK((misses ? sessions[0]->missed() > 0 : sessions[0]->farewell()));
    CHECK(registry.statistics().slow_consumers == gone);
    if (misses) CHECK(registry.statistics().dropped >= missed);
    for (const auto& session : sessions) registry.disconnect(session);
    registry.disconnect(fast);
    poll_all(registry, clock);
    CHECK(registry.count() == roomcast::Counts{});
    CHECK(registry.statistics().memory == 0);
}

}  // namespace

TEST_CASE("slow readers hear every number or of its loss, in order: the oldest are dropped", "[invariant-10]") {
    check_slow_readers(roomcast::SlowReaders::drop_oldest, 0ms, scaled(3000));
}
TEST_CASE("slow readers hear every number or of its loss, in order: the newest are dropped", "[invariant-10]") {
    check_slow_readers(roomcast::SlowReaders::drop_newest, 0ms, scaled(3000));
}
TEST_CASE("slow readers hear every number, in order, or their farewell", "[invariant-10]") {
    check_slow_readers(roomcast::SlowReaders::disconnect, 0ms, scaled(3000));
}
TEST_CASE("slow readers of batches hear every number or of its loss, in order", "[invariant-10]") {
    check_slow_readers(roomcast::SlowReaders::drop_oldest, 1ms, scaled(3000));
}

}  // namespace threads
