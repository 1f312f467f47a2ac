// SPDX-License-Identifier: MIT
#include "roomcast/room.hpp"
#include "threads/threaded.hpp"

namespace threads {
namespace {

using QuietRegistry = roomcast::RoomRegistry<FakeConnection, QuietTraits>;

void check_order(QuietRegistry::Options options, std::size_t messages) {
    constexpr std::size_t publishers = 4;
    constexpr std::size_t rooms = 3;
    constexpr std::size_t members = 12;
    QuietRegistry registry(std::move(options));
    std::vector<std::vector<FakeConnection>> connections(rooms);
    for (std::size_t r = 0; r < rooms; ++r)
        for (std::size_t m = 0; m < members; ++m) {
            const std::string name = "user " + std::to_string(r) + '.' + std::to_string(m);
            connections[r].push_back(make_fake(name, 1));
            REQUIRE(registry.join(connections[r][m], {.user = name, .room = "room " + std::to_string(r)}));
        }

    std::vector<roomcast::Room<FakeConnection, QuietTraits>> handles;
    for (std::size_t r = 0; r < rooms; ++r) handles.push_back(registry.room("room " + std::to_string(r)));
    std::array<std::atomic<std::size_t>, rooms> taken{};
    {
        const Poller poller(registry);
        on_threads(publishers, [&](std::size_t p) {
            std::minstd_rand random(static_cast<unsigned>(tests::seed() + p));
            for (std::size_t i = 0; i < messages; ++i) {
                const std::size_t r = random() % rooms;
                const std::string room = "room " + std::to_string(r);
                const std::string text = std::to_string(p) + '.' + std::to_string(i);
                const auto give = [&] {
                    if (i % 3 == 0) return registry.publish(connections[r][p], room, text).delivery;
                    return i % 3 == 1 ? registry.broadcast(room, text) : handles[r].broadcast(text);
                };
                Delivery delivery = give();
                while (delivery == Delivery::overloaded) {
                    std::this_thread::yield();
                    delivery = give();
                }
                if (delivery == Delivery::sent || delivery == Delivery::queued) ++taken[r];
            }
        });
        const bool finished = within(60s, [&] {
            for (std::size_t r = 0; r < rooms; ++r)
                for (const FakeConnection& c : connections[r])
                    if (c->attempts() < taken[r] + 1) return false;
            return true;
        });
        CHECK(finished);
    }

    std::size_t total = 0;
    for (std::size_t r = 0; r < rooms; ++r) {
        total += taken[r];
        const auto first = connections[r][0]->frames();
        REQUIRE(first.size() == taken[r] + 1);
        CHECK(first[0] == "+room " + std::to_string(r));
        std::array<std::size_t, publishers> next{};
        std::size_t misnumbered = 0;
        std::size_t out_of_turn = 0;
        for (std::size_t i = 1; i < first.size(); ++i) {
            const HeardMessage m(first[i]);
            misnumbered += m.number != i;
            out_of_turn += m.count < next[m.publisher];
            next[m.publisher] = m.count + 1;
        }
        CHECK(misnumbered == 0);
        CHECK(out_of_turn == 0);
        for (const FakeConnection& c : connections[r]) CHECK(c->frames() == first);
        CHECK(registry.position("room " + std::to_string(r))->seq == taken[r]);
    }
    CHECK(total == publishers * messages);
}

}  // namespace

TEST_CASE("all members of a room hear several publishers in one order, numbered without a gap") {
    check_order({}, scaled(4000));
}

TEST_CASE("the order holds when turns are short and rooms are parked") {
    check_order({.turn_sends = 5}, scaled(2000));
}

TEST_CASE("the order holds when queues are short and publishers are refused") {
    check_order({.max_queued = 2}, scaled(2000));
}

}  // namespace threads
