// SPDX-License-Identifier: MIT
// What depends on floating point or on the size of records is not foretold;
// that its bounds hold is looked at after every step of random worlds.
#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "model/host.hpp"
#include "model/operation.hpp"
#include "support/catch.hpp"
#include "support/scale.hpp"
#include "support/seed.hpp"

namespace {

using namespace model;
using roomcast::Counts;
using roomcast::Delivery;
using roomcast::MessageClass;
using roomcast::Refusal;

struct BoundsTraits : roomcast::DefaultTraits {
    using member_info = int;
    using context = int;
    using mutex = roomcast::testing::CheckedMutex;
    using clock = Clock;
    using events = PlainEvents;
};
using Registry = roomcast::RoomRegistry<FakeConnection, BoundsTraits>;

/// Numbers that a connection of encoding 1 heard, or was told it misses; from
/// its `joined` on.
class Numbers {
public:
    /// What is wrong with it; empty when nothing is.
    std::string hear(const roomcast::testing::Heard& item) {
        if (item.kind != roomcast::testing::Heard::Kind::send) return {};
        for (std::size_t from = 0; from <= item.text.size();) {
            const std::size_t end = std::min(item.text.find('\n', from), item.text.size());
            if (const auto fault = hear_line(item.text.substr(from, end - from)); !fault.empty()) return fault;
            from = end + 1;
        }
        return {};
    }
    [[nodiscard]] std::uint64_t told_left_out() const { return left_out_; }

private:
    static std::uint64_t number(const std::string& text, const std::string& after) {
        return std::strtoull(text.c_str() + text.find(after) + after.size(), nullptr, 10);
    }
    std::string hear_line(const std::string& line) {
        if (farewell_) return "after the farewell: " + line;
        const auto next = [&](std::uint64_t from, std::uint64_t to) {
            const bool follows = from == last_ + 1;
            last_ = to;
            return follows ? std::string() : "not the next: " + line;
        };
        farewell_ = line.starts_with("farewell ");
        if (line.starts_with("joined ")) {
            last_ = number(line, " seq=");
        } else if (line.starts_with("reset ")) {
            last_ = 0;
        } else if (line.starts_with("gap ")) {
            const std::uint64_t from = number(line, " of "), to = number(line.substr(line.find(" of ")), "-");
            if (number(line.substr(4), " ") != to - from + 1) return "a gap of other numbers: " + line;
            return next(from, to);
        } else if (line.starts_with("sampled ")) {
            left_out_ += number(line.substr(8), " ");
        } else if (line[0] >= '0' && line[0] <= '9') {
            return next(number(line, ""), number(line, ""));
        }
        return {};
    }

    std::uint64_t last_ = 0, left_out_ = 0;
    bool farewell_ = false;
};

/// A registry whose connections are in one room each.
struct Bounded {
    Clock clock;
    Registry registry;
    std::vector<FakeConnection> sessions{};
    std::vector<Numbers> heard{};
    std::string fault{};

    Bounded(const Registry::Options& options, std::size_t connections) : registry(options, {.clock = clock}) {
        for (std::size_t c = 0; c < connections; ++c) renew(c);
    }
    void renew(std::size_t c) {
        if (c < sessions.size()) {
            registry.disconnect(sessions[c]);
        } else {
            sessions.emplace_back();
            heard.emplace_back();
        }
        sessions[c] = roomcast::testing::make_fake("c" + std::to_string(c), 1);
        heard[c] = {};
    }
    roomcast::JoinResult join(std::size_t c, const std::string& room) {
        return registry.join(sessions[c], {.user = "u" + std::to_string(c), .room = room, .history = 3});
    }
    void listen() {
        for (std::size_t c = 0; c < sessions.size(); ++c)
            for (const auto& item : sessions[c]->take_heard())
                if (const auto wrong = heard[c].hear(item); fault.empty() && !wrong.empty())
                    fault = "c" + std::to_string(c) + ' ' + wrong;
    }
};

/// A room with a cap, its members more or less loud.
void check_cap(std::uint64_t seed) {
    Random random(seed);
    const auto rate = roomcast::Rate{.per_second = static_cast<double>(1 + random.below(40)),
                                     .burst = static_cast<double>(1 + random.below(60))};
    const auto burst = std::max({rate.burst, 2.0, rate.per_second / 4});
    Registry::Options options;
    options.room.rate = rate;
    options.room.batch_window = milliseconds(random.one_in(2) ? 0 : 1 + random.below(60));
    Bounded w(options, 2 + random.below(8));
    for (std::size_t c = 0; c < w.sessions.size(); ++c) REQUIRE(w.join(c, "r"));
    const Time begin = w.clock.now();
    std::uint64_t passed = 0, left_out = 0, exempt = 0, refused_alone = 0;
    bool any_left_out = false;
    for (int step = 0; step < 3000; ++step) {
        // The smaller its number, the louder it is.
        const std::size_t c = std::min(random.below(w.sessions.size()), random.below(w.sessions.size()));
        const auto worth = random.one_in(20) ? MessageClass::paid
                           : random.one_in(4) ? MessageClass::bulk : MessageClass::normal;
        const auto result = w.registry.publish(w.sessions[c], "r", "m", {.message_class = worth});
        if (worth == MessageClass::paid) {
            exempt += result == Delivery::sent;
            refused_alone += result != Delivery::sent;
        } else if (result == Delivery::sent) {
            ++passed;
        } else {
            ++left_out;
            any_left_out = true;
            refused_alone += result != Delivery::left_out || result.retry_after.count() <= 0;
        }
        if (random.one_in(3)) w.clock.advance(milliseconds(random.below(40)));
        if (random.one_in(5)) w.registry.poll();
        if (step % 64 == 0) w.listen();
        const double seconds = std::chrono::duration<double>(w.clock.now() - begin).count();
        REQUIRE(static_cast<double>(passed) <= rate.per_second * seconds + burst + 1e-6);
    }
    while (any_left_out && w.registry.poll() != Time::max()) w.clock.advance(milliseconds(100));
    w.clock.advance(milliseconds(1000));
    w.registry.poll();
    w.clock.advance(milliseconds(100));
    w.registry.poll();
    w.listen();
    const auto statistics = w.registry.statistics();
    CHECK(refused_alone == 0);
    CHECK(w.fault == "");
    CHECK(statistics.left_out == left_out);
    CHECK(statistics.messages == passed + exempt);
    CHECK(w.registry.position("r")->seq == passed + exempt);
    for (const Numbers& numbers : w.heard) CHECK(numbers.told_left_out() == left_out);
}

/// Rooms with histories and slow readers, under one budget of memory.
void check_budget(std::uint64_t seed) {
    Random random(seed);
    Registry::Options options;
    options.memory = 2'000 + random.below(20'000);
    options.outbox_messages = 1 + random.below(50);
    options.outbox_age = milliseconds(random.one_in(2) ? 0 : 50 + random.below(500));
    options.grace = milliseconds(10);
    options.close_timeout = milliseconds(10);
    options.room.history = random.one_in(4) ? 0 : 1 + random.below(40);
    options.room.history_age = milliseconds(random.one_in(3) ? 100 : 0);
    options.room.linger = milliseconds(random.one_in(2) ? 0 : 200);
    options.room.slow_readers = static_cast<roomcast::SlowReaders>(random.below(3));
    options.room.batch_window = milliseconds(random.one_in(2) ? 0 : 1 + random.below(40));
    Bounded w(options, 2 + random.below(10));
    const auto room_name = [&] { return "r" + std::to_string(random.below(4)); };
    std::uint64_t shrunk = 0;
    std::size_t refused = 0;
    for (int step = 0; step < 2000 && w.fault.empty(); ++step) {
        const std::size_t c = random.below(w.sessions.size());
        if (w.sessions[c]->closes() != 0) w.renew(c);
        const std::string room = room_name(), text(random.below(600), 'x');
        switch (random.below(14)) {
            case 0: w.sessions[c]->stall(); break;
            case 1:
            case 2:
                w.sessions[c]->release();
                w.registry.writable(w.sessions[c]);
                break;
            case 3:
                w.listen();
                w.renew(c);
                break;
            case 4:
            case 5:
            case 6:
                if (const auto result = w.join(c, room); result.refusal == Refusal::overloaded) {
                    ++refused;
                    if (w.registry.statistics().memory <= options.memory) w.fault = "refused below the budget";
                }
                break;
            case 7: w.registry.leave(w.sessions[c], room); break;
            case 8: w.registry.send(w.sessions[c], text, MessageClass::normal); break;
            case 9: w.clock.advance(milliseconds(random.below(30))); break;
            case 10: w.registry.poll(); break;
            case 11:
                if (random.one_in(8)) w.registry.reset(room);
                else w.registry.delete_message(room, 1 + random.below(20));
                break;
            default:
                w.registry.broadcast(room, text, {.message_class = random.one_in(4) ? MessageClass::paid : MessageClass::normal});
        }
        w.listen();
        const auto statistics = w.registry.statistics();
        // Past the budget is at most what is never given up: control events of
        // those who go.
        std::size_t slow = 0;
        for (const FakeConnection& session : w.sessions) slow += session->closes() + session->terminates() != 0;
        if (statistics.memory > options.memory + 200 * w.sessions.size() * (1 + slow) + 600 * w.sessions.size())
            w.fault = "more than the budget: " + std::to_string(statistics.memory);
        if (statistics.shrunk < shrunk) w.fault = "a statistic went back";
        shrunk = statistics.shrunk;
    }
    CHECK(w.fault == "");
    for (const FakeConnection& session : w.sessions) {
        session->release();
        w.registry.disconnect(session);
    }
    w.clock.advance(milliseconds(1000));
    for (int i = 0; i < 4; ++i) w.registry.poll();
    CHECK(w.registry.room_count() == 0);
    CHECK(w.registry.statistics().memory == 0);
    CHECK(w.registry.count() == Counts{});
}

}  // namespace

TEST_CASE("a room lets through no more than its cap, numbers what it lets through, and says how much it did not") {
    for (std::size_t i = 0; i < tests::scaled(60); ++i) {
        INFO("as the first world: ROOMCAST_SEED=" << tests::seed() + i);
        check_cap(tests::seed() + i);
    }
}

TEST_CASE("histories and outboxes keep to their budget of memory, and readers hear each number or of its loss") {
    for (std::size_t i = 0; i < tests::scaled(100); ++i) {
        INFO("as the first world: ROOMCAST_SEED=" << tests::seed() + i);
        check_budget(tests::seed() + i);
    }
}
