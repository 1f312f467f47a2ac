// SPDX-License-Identifier: MIT
// Connections that do everything wrong, by the hundred thousand: nothing of it
// may stay behind.
#include <array>
#include <cstdint>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "support/seed.hpp"
#include "support/scale.hpp"
#include "unit/allocations.hpp"
#include "unit/registry/world.hpp"

namespace {
using namespace unit;

struct Storm;

/// A session whose sends go wrong as the storm wills.
struct Faulty {
    explicit Faulty(Storm& s) : storm(&s) {}
    SendStatus send(const Frame&);
    void close(CloseCode, std::string_view);
    void terminate();
    int encoding() const noexcept { return 0; }

    Storm* storm;
    int closed = 0, terminated = 0;
    int ends_on = 0;  // sends until it answers `closed`; 0: no plan
};
using Handle = std::shared_ptr<Faulty>;

/// Counts the members of all rooms by who came and who went.
struct Balance {
    std::int64_t* members;
    template <class Event>
    void on_event(const Event& e) noexcept {
        if (e.user_changed) *members += e.kind == EventKind::left ? -1 : 1;
        if (e.left_from) --*members;
    }
};

struct StormTraits : DefaultTraits {
    using mutex = CheckedMutex;
    using clock = ManualClock;
    using observer = Balance;
};
using StormRooms = RoomRegistry<Handle, StormTraits>;

struct Storm {
    explicit Storm(StormRooms::Options options)
        : rooms(std::move(options), {.observer = {&members}, .events = {}, .clock = clock}) {}

    std::size_t below(std::size_t n) { return static_cast<std::size_t>(random() % n); }
    std::string room() { return "room " + std::to_string(below(4)); }
    std::string user() { return "user " + std::to_string(below(5)); }
    /// A copy: the place may be taken by another before the call is over.
    Handle any() { return sessions[below(sessions.size())]; }

    /// What a send answers; each answer but `accepted` is a fault, and so is a
    /// call of the registry from within.
    SendStatus send(Faulty& session) {
        assert_unlocked("send");
        if (session.ends_on != 0 && --session.ends_on == 0) return ++faults, SendStatus::closed;
        switch (below(12)) {
            case 0: return ++faults, SendStatus::busy;
            case 1:
                // `writable` before `send` has answered that it is not.
                rooms.writable(handle_of(session));
                return ++faults, SendStatus::busy;
            case 2:
                if (below(3) == 0) throw std::runtime_error((++faults, "this send fails"));
                return SendStatus::accepted;
            case 3: return below(3) == 0 ? (++faults, SendStatus::closed) : SendStatus::accepted;
            case 4:
            case 5: called_back(); return SendStatus::accepted;
            default: return SendStatus::accepted;
        }
    }
    void called_back() {
        if (depth > 2) return;
        ++depth;
        ++faults;
        act();
        --depth;
    }

    /// One random call of the public face.
    void act() {
        switch (below(18)) {
            case 0:
            case 1:
            case 2:
            case 3:
                // A session that was closed has had its life.
                if (const Handle c = any(); c->closed + c->terminated == 0)
                    (void)rooms.join(c, {.user = user(), .room = room(), .history = 3});
                break;
            case 4: rooms.leave(any(), room()); break;
            case 5:
            case 6: rooms.publish(any(), room(), "a message"); break;
            case 7:
            case 8: rooms.broadcast(room(), "to all of a room"); break;
            case 9: rooms.broadcast_all("to all"); break;
            case 10: rooms.send_to_user(user(), "to one"); break;
            case 11: rooms.writable(any()); break;
            case 12: rooms.kick_user(user(), {CloseCode::removed_from_room}); break;
            case 13: rooms.kick_from(room(), user(), {CloseCode::removed_from_room}); break;
            case 14: rooms.close_room(room()); break;
            case 15: any()->ends_on = static_cast<int>(1 + below(5)); break;
            case 16:
                if (depth == 0) clock.advance(std::chrono::milliseconds(below(20)));
                rooms.poll();
                break;
            default: {
                Handle& session = sessions[below(sessions.size())];
                const Handle old = std::exchange(session, std::make_shared<Faulty>(*this));
                rooms.disconnect(old);
                check(*old);
            }
        }
    }

    Handle handle_of(const Faulty& session) const {
        for (const Handle& c : sessions)
            if (c.get() == &session) return c;
        return {};
    }
    void check(const Faulty& session) { wrong += session.closed > 1 || session.terminated > 1; }

    /// All go, and what they leave behind has its time.
    void calm_down() {
        for (Handle& session : sessions) {
            rooms.disconnect(session);
            check(*session);
        }
        for (int i = 0; i < 100; ++i) {
            clock.advance(50ms);
            rooms.poll();
        }
    }

    ManualClock clock;
    std::mt19937_64 random{tests::seed()};
    std::int64_t members = 0;
    std::size_t faults = 0, wrong = 0;
    int depth = 0;
    std::vector<Handle> sessions;
    StormRooms rooms;
};

SendStatus Faulty::send(const Frame&) { return storm->send(*this); }
void Faulty::close(CloseCode, std::string_view) {
    assert_unlocked("close");
    ++closed;
    storm->called_back();
}
void Faulty::terminate() {
    assert_unlocked("terminate");
    ++terminated;
    storm->called_back();
}

void check_faults(StormRooms::Options options, std::size_t faults) {
    options.room.linger = 5ms;
    options.grace = 10ms;
    options.close_timeout = 10ms;
    options.outbox_messages = 6;
    options.outbox_age = 40ms;
    options.max_queued = 8;
    INFO("ROOMCAST_SEED=" << tests::seed());
    Storm storm(std::move(options));
    std::size_t calm = 0;
    while (storm.faults < faults) {
        for (int i = 0; i < 12; ++i) storm.sessions.push_back(std::make_shared<Faulty>(storm));
        for (int i = 0; i < 2'000; ++i) storm.act();
        storm.calm_down();
        storm.sessions.clear();
        storm.sessions.shrink_to_fit();
        REQUIRE(storm.rooms.count() == Counts{});
        REQUIRE(storm.rooms.room_count() == 0);
        REQUIRE(storm.members == 0);
        REQUIRE(storm.wrong == 0);
        const Statistics left = storm.rooms.statistics();
        REQUIRE(left.memory == 0);
        REQUIRE(left.closing == 0);
        // After the first round all is as warm as it gets.
        const std::size_t bytes = allocations::live_bytes();
        if (calm == 0) calm = bytes;
        REQUIRE(bytes <= calm);
    }
    CHECK(storm.rooms.statistics().broken_connections > 0);
    CHECK(storm.rooms.statistics().dropped > 0);
}

constexpr std::size_t a_third = tests::instrumented ? 35'000 : 350'000;

}  // namespace

TEST_CASE("a million faults leave nothing behind: one room a user", "[invariant-8][invariant-11]") {
    check_faults({.others = OtherDevices::follow}, tests::scaled(a_third));
}
TEST_CASE("a million faults leave nothing behind: one room a connection", "[invariant-8][invariant-11]") {
    check_faults({.membership = Membership::one_room_per_connection, .room = {.batch_window = 15ms}}, tests::scaled(a_third));
}
TEST_CASE("a million faults leave nothing behind: many rooms", "[invariant-8][invariant-11]") {
    check_faults({.membership = Membership::many_rooms, .room = {.history = 5}, .turn_sends = 3}, tests::scaled(a_third));
}
