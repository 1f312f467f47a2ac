// SPDX-License-Identifier: MIT
#include "roomcast/room.hpp"

#include "threads/threaded.hpp"

namespace threads {
namespace {

using QuietRegistry = roomcast::RoomRegistry<FakeConnection, QuietTraits>;
using QuietRoom = roomcast::Room<FakeConnection, QuietTraits>;

/// Messages outside of `+r` ... `-r`, and numbers that do not grow within.
std::size_t misplaced(const std::vector<std::string>& frames) {
    std::size_t wrong = 0;
    bool inside = false;
    std::size_t last = 0;
    for (const std::string& frame : frames) {
        if (frame == "+r") {
            wrong += inside;
            inside = true;
            last = 0;
        } else if (frame == "-r") {
            inside = false;  // also without `+r`: gone before it was told
        } else {
            const std::size_t number = std::stoul(frame);
            wrong += !inside || number <= last;
            last = number;
        }
    }
    return wrong;
}

}  // namespace

TEST_CASE("room handles follow their name while the room goes and comes again") {
    QuietRegistry registry;
    QuietRoom shared(registry, "r");
    std::atomic<std::size_t> taken{0}, wrong{0};
    std::atomic<std::size_t> running{2};
    const std::size_t rounds = scaled(6000);
    std::vector<FakeConnection> visitors{make_fake("a", 1), make_fake("b", 1)};
    const auto count = [&](Delivery delivery) {
        if (delivery == Delivery::sent || delivery == Delivery::queued) ++taken;
        else wrong += delivery != Delivery::no_room && delivery != Delivery::not_in_room && delivery != Delivery::overloaded;
    };
    {
        const Poller poller(registry);
        on_threads(4, [&](std::size_t t) {
            if (t < 2) {
                QuietRoom mine = registry.room("r");
                for (std::size_t i = 0; i < rounds; ++i) {
                    while (!mine.join(visitors[t], {.user = t ? "a" : "b"})) std::this_thread::yield();  // overloaded
                    count(mine.publish(visitors[t], "m").delivery);
                    if (i % 16 == 0) mine = QuietRoom(registry, "r");
                    wrong += mine.leave(visitors[t]) != roomcast::LeaveStatus::left;
                }
                --running;
                return;
            }
            while (running > 0) {
                count(shared.broadcast("m"));
                const QuietRoom copy = shared;
                (void)copy.count();
            }
        });
    }
    poll_all(registry);
    CHECK(wrong == 0);
    CHECK(taken > 0);
    CHECK(taken == registry.statistics().messages);
    CHECK(registry.room_count() == 0);
    CHECK(shared.broadcast("m") == Delivery::no_room);
    for (const FakeConnection& visitor : visitors) {
        CHECK(misplaced(visitor->frames()) == 0);
        CHECK(registry.disconnect(visitor));
        CHECK(visitor.use_count() == 1);
    }
}

TEST_CASE("what is sent beside another thread's express has been heard when the call returns") {
    QuietRegistry registry;
    const FakeConnection ann = make_fake("ann", 0);
    REQUIRE(registry.join(ann, {.user = "ann", .room = "r"}));
    std::atomic<std::size_t> heard{0};
    ann->on_send = [&](std::string_view text) { heard += text == "p"; };
    std::atomic<bool> running{true};
    std::size_t early = 0;
    const Poller poller(registry);  // a turn may become long
    on_threads(2, [&](std::size_t t) {
        QuietRoom room = registry.room("r");
        if (t == 0) {
            for (std::size_t n = 1; running; ++n) {
                room.broadcast("m");
                if (n % 64 != 0) continue;
                static_cast<void>(ann->take_heard());  // or it would fill the memory
                std::this_thread::yield();
            }
            return;
        }
        for (std::size_t i = 0; i < scaled(50'000); ++i) {
            const std::size_t before = heard;
            Delivery delivery = room.publish(ann, "p").delivery;
            for (; delivery == Delivery::overloaded; delivery = room.publish(ann, "p").delivery) std::this_thread::yield();
            early += delivery == Delivery::sent && heard == before;
            while (heard == before) std::this_thread::yield();
        }
        running = false;
    });
    CHECK(early == 0);
    CHECK(registry.disconnect(ann));
}

}  // namespace threads
