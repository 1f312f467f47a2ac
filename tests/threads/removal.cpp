// SPDX-License-Identifier: MIT
#include "threads/threaded.hpp"

namespace threads {
namespace {

/// Counts what comes after its removal, and after its farewell.
class Victim {
public:
    void send(std::string_view frame) {
        const bool was_removed = removed;
        if (farewells != 0) ++after_farewell;
        if (frame.starts_with('-') || frame.starts_with('!')) {
            ++farewells;
            return;
        }
        ++heard;
        if (was_removed) ++after_removal;
    }
    void close(CloseCode, std::string_view) {}

    std::atomic<bool> removed{false};
    std::atomic<std::size_t> heard{0}, after_removal{0}, farewells{0}, after_farewell{0};
};

using VictimRegistry = roomcast::RoomRegistry<std::shared_ptr<Victim>, QuietTraits>;

/// Joins one after another to a room that two threads broadcast to, removes
/// it by `remove`, and looks at what it heard.
template <class Remove>
void check_removal(Membership membership, Remove remove) {
    VictimRegistry registry({.membership = membership, .turn_sends = 64});
    const auto bystander = std::make_shared<Victim>();
    REQUIRE(registry.join(bystander, {.user = "bystander", .room = "r"}));
    std::atomic<bool> stop{false};
    std::vector<std::thread> broadcasters;
    for (int i = 0; i < 2; ++i)
        broadcasters.emplace_back([&] {
            while (!stop) {
                if (registry.broadcast("r", "m") == Delivery::overloaded) std::this_thread::yield();
            }
        });
    std::vector<std::shared_ptr<Victim>> victims;
    std::size_t late = 0;
    {
        const Poller poller(registry);
        for (std::size_t i = 0; i < scaled(400); ++i) {
            const auto victim = victims.emplace_back(std::make_shared<Victim>());
            CHECK(registry.join(victim, {.user = "victim", .room = "r"}));
            if (!within(30s, [&] { return victim->heard > 1 + i % 3; })) ++late;
            remove(registry, victim);
            victim->removed = true;
            if (!within(30s, [&] { return victim->farewells != 0; })) ++late;
            registry.disconnect(victim);
        }
        stop = true;
        for (std::thread& thread : broadcasters) thread.join();
    }
    CHECK(late == 0);
    std::size_t too_many = 0;
    for (const auto& victim : victims) {
        too_many += victim->after_removal > 1;
        CHECK(victim->farewells == 1);
        CHECK(victim->after_farewell == 0);
    }
    CHECK(too_many == 0);
    CHECK(registry.disconnect(bystander));
    CHECK(registry.count() == roomcast::Counts{});
}

}  // namespace

TEST_CASE("after a kick returned at most one more message comes, and the farewell is last") {
    check_removal(Membership::one_room_per_user, [](VictimRegistry& registry, const std::shared_ptr<Victim>&) {
        CHECK(registry.kick_user("victim", {CloseCode::removed_from_room}).connections == 1);
    });
}

TEST_CASE("after a kick from the room alone at most one more message comes, and `removed` is last") {
    check_removal(Membership::many_rooms, [](VictimRegistry& registry, const std::shared_ptr<Victim>&) {
        CHECK(registry.kick_from("r", "victim", {CloseCode::removed_from_room}).connections == 1);
    });
}

TEST_CASE("after a leave returned at most one more message comes, and `left` is last") {
    check_removal(Membership::one_room_per_user, [](VictimRegistry& registry, const std::shared_ptr<Victim>& victim) {
        CHECK(registry.leave(victim, "r") == roomcast::LeaveStatus::left);
    });
}

}  // namespace threads
