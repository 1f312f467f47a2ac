// SPDX-License-Identifier: MIT
#include <algorithm>

#include "threads/threaded.hpp"

namespace threads {
namespace {

/// A join's reply says what history it brought: `+first-last`, `+none` where
/// it brought none, `+lost` where it was not all.
struct RecoveryEvents : ShortEvents {
    template <class T>
    std::string joined(const roomcast::JoinedEvent<T>& e) const {
        if (e.was_recovering && !e.recovered) return "+lost";
        if (e.history.empty()) return "+none";
        return "+" + std::to_string(e.history.front().seq) + '-' + std::to_string(e.history.back().seq);
    }
};
struct RecoveryTraits : roomcast::DefaultTraits {
    using events = RecoveryEvents;
};
using BatchRegistry = roomcast::RoomRegistry<FakeConnection, RecoveryTraits>;

/// What a connection heard, joined frames apart again.
std::vector<std::string> lines(const FakeConnection& c) {
    std::vector<std::string> texts;
    for (const std::string& frame : c->frames())
        for (std::size_t from = 0; from <= frame.size();) {
            const std::size_t end = std::min(frame.find('\n', from), frame.size());
            texts.push_back(frame.substr(from, end - from));
            from = end + 1;
        }
    return texts;
}

/// Says `count` messages, each as soon as it is taken.
template <class Say>
void say_all(std::size_t count, Say say) {
    for (std::size_t i = 0; i < count; ++i)
        while (!taken(say(i))) std::this_thread::yield();
}

BatchRegistry::Options batching(std::chrono::milliseconds window) {
    BatchRegistry::Options options;
    options.room.batch_window = window;
    options.room.history = 1'000'000;
    options.room.history_bytes = 0;
    options.join_history_bytes = 1'000'000'000;
    return options;
}

void check_batches(BatchRegistry::Options options, std::size_t messages) {
    constexpr std::size_t producers = 4;
    constexpr std::size_t members = 6;
    BatchRegistry registry(std::move(options));
    std::vector<FakeConnection> connections;
    for (std::size_t i = 0; i < members; ++i) {
        connections.push_back(make_fake("user " + std::to_string(i), 1));
        REQUIRE(registry.join(connections[i], {.user = connections[i]->name(), .room = "r"}));
    }
    {
        const Poller poller(registry);
        on_threads(producers, [&](std::size_t p) {
            say_all(messages, [&](std::size_t i) {
                const std::string text = std::to_string(p) + '.' + std::to_string(i);
                // Every eighth is not for all: it ends what waits, and goes alone.
                if (i % 8 == 7) return registry.broadcast("r", text, {.except = &connections[members - 1]});
                if (i % 2 == 0) return registry.broadcast("r", text);
                return registry.publish(connections[p], "r", text, {.own = i % 3 ? "" : text}).delivery;
            });
        });
        CHECK(within(60s, [&] { return lines(connections[0]).size() == 1 + producers * messages; }));
    }
    poll_all(registry);
    const auto heard = lines(connections[0]);
    REQUIRE(heard.size() == 1 + producers * messages);
    std::array<std::size_t, producers> next{};
    std::size_t wrong = 0;
    for (std::size_t i = 1; i < heard.size(); ++i) {
        const HeardMessage m(heard[i]);
        wrong += m.number != i || m.count != next[m.publisher]++;
    }
    CHECK(wrong == 0);
    for (std::size_t m = 1; m + 1 < members; ++m) CHECK(lines(connections[m]) == heard);
    const auto fewer = lines(connections[members - 1]);
    CHECK(fewer.size() == heard.size() - producers * (messages / 8));
    CHECK(std::includes(heard.begin() + 1, heard.end(), fewer.begin() + 1, fewer.end(),
                        [](const std::string& a, const std::string& b) {
                            return HeardMessage(a).number < HeardMessage(b).number;
                        }));
    CHECK(connections[0]->frames().size() < heard.size());  // some came together
}

}  // namespace

TEST_CASE("batches of many producers come to all members in one order, each message once") {
    check_batches(batching(1ms), scaled(4000));
}

TEST_CASE("batches keep the order when they are small and turns are short") {
    auto options = batching(1ms);
    options.batch_messages = 3;
    options.turn_sends = 4;
    options.max_queued = 8;
    check_batches(options, scaled(2000));
}

TEST_CASE("who joins again while batches wait has each message once, in history or live", "[invariant-6]") {
    BatchRegistry registry(batching(1ms));
    const auto resident = make_fake("resident", 1);
    REQUIRE(registry.join(resident, {.user = "resident", .room = "r"}));
    const std::uint64_t epoch = registry.position("r")->epoch;
    constexpr std::size_t producers = 2;
    const std::size_t messages = scaled(3000);
    std::atomic<std::size_t> saying{producers};
    std::atomic<std::size_t> wrong{0}, visits{0}, said{0};
    {
        const Poller poller(registry);
        on_threads(producers + 2, [&](std::size_t t) {
            if (t < producers) {
                // At least so long that some visits are made, however busy the machine is.
                for (std::size_t i = 0; i < messages || (visits < 10 && i < 100 * messages); ++i, ++said)
                    while (!taken(registry.broadcast("r", std::to_string(t) + '.' + std::to_string(i))))
                        std::this_thread::yield();
                --saying;
                return;
            }
            // Comes with what it has seen, stays for a while, leaves.
            std::size_t seen = 0;
            const std::string name = "visitor " + std::to_string(t);
            for (bool last = false; !last; ++visits) {
                last = saying == 0;
                const auto visitor = make_fake(name, 1);
                const auto since = roomcast::Position{epoch, seen};
                while (!registry.join(visitor, {.user = name, .room = "r", .since = since})) std::this_thread::yield();
                within(30s, [&] { return lines(visitor).size() > 3 || saying == 0; });
                registry.leave(visitor, "r");
                within(30s, [&] { return !lines(visitor).empty() && lines(visitor).back() == "-r"; });
                const auto heard = lines(visitor);
                if (heard.empty() || heard[0][0] != '+' || heard[0] == "+lost") {
                    ++wrong;
                    return;
                }
                if (heard[0] != "+none") {
                    const auto dash = heard[0].find('-');
                    wrong += std::stoul(heard[0].substr(1, dash)) != seen + 1;
                    seen = std::stoul(heard[0].substr(dash + 1));
                }
                for (std::size_t i = 1; i + 1 < heard.size(); ++i) wrong += HeardMessage(heard[i]).number != ++seen;
                registry.disconnect(visitor);
            }
            wrong += seen > registry.position("r")->seq;
        });
    }
    poll_all(registry);
    CHECK(wrong == 0);
    CHECK(visits > 2);
    CHECK(lines(resident).size() == 1 + said);
    CHECK(registry.position("r")->seq == said);
}

}  // namespace threads
