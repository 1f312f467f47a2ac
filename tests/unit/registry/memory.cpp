// SPDX-License-Identifier: MIT
#include <functional>
#include <memory>
#include <optional>

#include "unit/allocations.hpp"
#include "unit/registry/world.hpp"

namespace {
using namespace unit;

/// A session that needs no memory when it is called.
struct Quiet {
    int sent = 0, closed = 0, ended = 0;
    bool busy = false;
    SendStatus send(const Frame&) noexcept {
        if (busy) return SendStatus::busy;
        ++sent;
        return SendStatus::accepted;
    }
    void close(CloseCode, std::string_view) noexcept { ++closed; }
    void terminate() noexcept { ++ended; }
};

/// Of events none is sent: what is left is the registry's own work. What
/// history a join brought is written down where somebody asks for it.
struct QuietEvents : SilentEvents {
    Texts* history = nullptr;  // "seq=payload", "seq=#" when deleted
    std::string joined(const auto& e) const {
        if (!history) return {};
        for (const HistoryEntry& entry : e.history)
            history->push_back(std::to_string(entry.seq) + (entry.deleted ? "=#" : "=" + std::string(entry.payload)));
        return {};
    }
};

struct QuietTraits : DefaultTraits {
    using member_info = int;
    using clock = ManualClock;
    using events = QuietEvents;
};
using QuietRooms = RoomRegistry<Quiet*, QuietTraits>;

/// All that can be asked about a registry with these connections.
struct State {
    Counts counts;
    std::size_t rooms;
    std::vector<QuietRooms::RoomCount> top;
    std::vector<std::vector<std::string>> where;
    std::vector<std::optional<std::string>> who;
    std::vector<int> sent;
    std::vector<std::optional<Position>> positions;
    friend bool operator==(const State&, const State&) = default;
};

State state(QuietRooms& rooms, std::vector<Quiet>& sessions) {
    State s{rooms.count(), rooms.room_count(), rooms.top_rooms(100), {}, {}, {}, {}};
    for (Quiet& c : sessions) {
        s.where.push_back(rooms.rooms_of(&c));
        s.who.push_back(rooms.user_of(&c));
        s.sent.push_back(c.sent);
    }
    for (const auto& room : s.top) s.positions.push_back(rooms.position(room.room));
    return s;
}

/// Lets the first, the second, ... allocation of `action` fail until none
/// does and it answers true; until then the state, and what `look` sees
/// besides, must be the one before. Answers how many failed.
template <class Action>
std::size_t fail_each(QuietRooms& rooms, std::vector<Quiet>& sessions, Action action,
                      const std::function<Texts()>& look = [] { return Texts(); }) {
    const State before = state(rooms, sessions);
    const Texts seen = look();
    for (std::size_t n = 1;; ++n) {
        bool thrown = false, done = false;
        {
            const allocations::Failure failure(n);
            try {
                done = action();
            } catch (const std::bad_alloc&) {
                thrown = true;
            }
        }
        if (!thrown) {
            CHECK(done);
            return n - 1;
        }
        CHECK(state(rooms, sessions) == before);
        CHECK(look() == seen);
    }
}

const std::string long_user(40, 'u'), long_room(40, 'r'), other_room(40, 's');
}  // namespace

TEST_CASE("a first join that runs out of memory anywhere has changed nothing", "[invariant-9]") {
    std::vector<Quiet> sessions(1);
    QuietRooms rooms;
    const auto failed = fail_each(rooms, sessions, [&] {
        return rooms.join(&sessions[0], {.user = long_user, .room = long_room}).status == JoinStatus::joined;
    });
    CHECK(failed >= 10);
    CHECK(rooms.is_member(&sessions[0], long_room));
}

TEST_CASE("a migration that runs out of memory anywhere leaves the user where it was", "[invariant-9][invariant-2]") {
    for (const OtherDevices others : {OtherDevices::evict, OtherDevices::follow}) {
        std::vector<Quiet> sessions(4);
        QuietRooms rooms({.others = others});
        for (std::size_t i = 0; i < 3; ++i)
            REQUIRE(rooms.join(&sessions[i], {.user = long_user, .room = long_room}));
        REQUIRE(rooms.join(&sessions[3], {.user = "other", .room = long_room}));
        const auto failed = fail_each(rooms, sessions, [&] {
            return rooms.join(&sessions[1], {.room = other_room}).status == JoinStatus::migrated;
        });
        CHECK(failed >= 5);
        CHECK(rooms.rooms_of_user(long_user) == Texts{other_room});
        CHECK(rooms.count(other_room) == Counts{1, others == OtherDevices::follow ? 3U : 1U});
        CHECK(rooms.count(long_room) == Counts{1, 1});
        rooms.broadcast(long_room, "x");
        CHECK(sessions[3].sent == 1);
    }
}

TEST_CASE("a join that would replace a lingering room leaves that where it is when memory runs out", "[invariant-9]") {
    std::vector<Quiet> sessions(3);
    QuietRooms rooms({.max_rooms = 2, .room = {.linger = 60s}});
    REQUIRE(rooms.join(&sessions[0], {.user = "ann", .room = long_room}));
    REQUIRE(rooms.join(&sessions[2], {.user = "bob", .room = "stays"}));
    REQUIRE(rooms.leave(&sessions[0], long_room) == LeaveStatus::left);
    fail_each(rooms, sessions, [&] {
        return bool(rooms.join(&sessions[1], {.user = long_user, .room = other_room}));
    });
    CHECK(rooms.count(long_room) == std::nullopt);
}

TEST_CASE("attach, publish, broadcast and create_room that run out of memory have changed nothing", "[invariant-9]") {
    std::vector<Quiet> sessions(2);
    QuietRooms rooms;
    CHECK(fail_each(rooms, sessions, [&] { return bool(rooms.attach(&sessions[1], long_user)); }) >= 4);
    REQUIRE(rooms.join(&sessions[0], {.user = "ann", .room = long_room}));
    CHECK(fail_each(rooms, sessions, [&] { return rooms.create_room(other_room, {}) == CreateStatus::created; }) >= 2);
    CHECK(fail_each(rooms, sessions, [&] { return rooms.broadcast(long_room, "x") == Delivery::sent; }) == 1);
    CHECK(fail_each(rooms, sessions, [&] {
              return rooms.broadcast(long_room, "x", {.exclude = 1}) == Delivery::sent;
          }) == 2);
    CHECK(fail_each(rooms, sessions, [&] { return rooms.publish(&sessions[0], long_room, "x") == Delivery::sent; }) == 2);
    CHECK(sessions[0].sent == 3);
    CHECK(rooms.position(long_room)->seq == 3);
}

TEST_CASE("set_info, direct messages, a handle and a further device that run out of memory have changed nothing", "[invariant-9]") {
    std::vector<Quiet> sessions(2);
    QuietRooms rooms({.room = {.history = 3}});
    REQUIRE(rooms.join(&sessions[0], {.user = long_user, .room = long_room, .info = 1}));
    CHECK(fail_each(rooms, sessions, [&] {
              CHECK(*rooms.info(long_room, long_user) == 1);
              return rooms.set_info(long_room, long_user, 2);
          }) == 1);
    CHECK(*rooms.info(long_room, long_user) == 2);
    CHECK(fail_each(rooms, sessions, [&] { return rooms.send(&sessions[0], "x"); }) == 1);
    CHECK(fail_each(rooms, sessions, [&] { return rooms.send_to_user(long_user, "x") == 1; }) == 2);
    CHECK(sessions[0].sent == 2);
    CHECK(fail_each(rooms, sessions, [&] { return rooms.room(long_room).broadcast("x") == Delivery::sent; }) >= 3);
    CHECK(sessions[0].sent == 3);
    CHECK(fail_each(rooms, sessions, [&] {
              return rooms.join(&sessions[1], {.user = long_user, .room = long_room}).status == JoinStatus::device_added;
          }) >= 2);
    CHECK(rooms.count(long_room) == Counts{1, 2});
    CHECK(fail_each(rooms, sessions, [&] { return rooms.broadcast_all("x") == 1; }) == 2);
    CHECK(sessions[1].sent == 1);
}

TEST_CASE("delete_message and reset that run out of memory have changed nothing", "[invariant-9]") {
    std::vector<Quiet> sessions(2);
    Texts history;
    QuietRooms rooms({.room = {.history = 10}}, {.events = {{}, &history}});
    REQUIRE(rooms.join(&sessions[0], {.user = "ann", .room = long_room}));
    rooms.broadcast(long_room, "1");
    rooms.broadcast(long_room, "2");
    // What a newcomer is given.
    const auto remembered = [&] {
        history.clear();
        REQUIRE(rooms.join(&sessions[1], {.user = "bob", .room = long_room, .history = 10}));
        rooms.disconnect(&sessions[1]);
        return history;
    };
    const auto deletes = [&] { return rooms.delete_message(long_room, 1) == Delivery::sent; };
    CHECK(fail_each(rooms, sessions, deletes, remembered) == 1);
    CHECK(remembered() == Texts{"1=#", "2=2"});
    const auto before = *rooms.position(long_room);
    const auto resets = [&] { return rooms.reset(long_room) == Delivery::sent; };
    CHECK(fail_each(rooms, sessions, resets, remembered) == 1);
    CHECK(remembered() == Texts{});
    CHECK(rooms.position(long_room)->epoch != before.epoch);
    CHECK(rooms.position(long_room)->seq == 0);
}

TEST_CASE("broadcast_all that runs out of memory has reached each room wholly or not at all", "[invariant-9]") {
    std::size_t nobody = 0, some = 0;
    for (std::size_t n = 1;; ++n) {
        std::vector<Quiet> sessions(4);
        QuietRooms rooms;
        for (std::size_t i = 0; i < sessions.size(); ++i)
            REQUIRE(rooms.join(&sessions[i], {.user = std::to_string(i), .room = i < 2 ? long_room : other_room}));
        bool thrown = false;
        std::size_t answered = 0;
        {
            const allocations::Failure failure(n);
            try {
                answered = rooms.broadcast_all("x");
            } catch (const std::bad_alloc&) {
                thrown = true;
            }
        }
        std::size_t reached = 0;
        for (const std::size_t i : {0U, 2U}) {
            const std::string& room = i < 2 ? long_room : other_room;
            const bool taken = sessions[i].sent == 1;
            reached += taken;
            CHECK(sessions[i].sent == sessions[i + 1].sent);
            CHECK(rooms.position(room)->seq == (taken ? 1U : 0U));
        }
        if (!thrown) {
            CHECK(answered == 2);
            CHECK(reached == 2);
            break;
        }
        CHECK(reached < 2);
        ++(reached == 0 ? nobody : some);
    }
    CHECK(nobody >= 1);
    CHECK(some == 1);  // whoever had its turn has it
}

TEST_CASE("a message that runs out of memory before it is taken costs nobody a token", "[invariant-9]") {
    std::vector<Quiet> sessions(1);
    QuietRooms rooms({.room = {.rate = {1, 3}}, .user_rate = {1, 2}, .connection_rate = {1, 2}});
    REQUIRE(rooms.join(&sessions[0], {.user = long_user, .room = long_room}));
    const auto publish = [&] { return rooms.publish(&sessions[0], long_room, "x"); };
    CHECK(fail_each(rooms, sessions, [&] { return publish() == Delivery::sent; }) >= 3);
    CHECK(publish() == Delivery::sent);
    CHECK(publish() == Delivery::rate_limited);
    CHECK(rooms.position(long_room)->seq == 2);
}

TEST_CASE("a join with history that runs out of memory has changed nothing, names nobody, or ends who could not be told", "[invariant-9]") {
    ManualClock clock;
    QuietRooms rooms({.room = {.history = 10, .presence = 1s, .presence_names = 3}, .grace = 0ms, .close_timeout = 0ms}, {.clock = clock});
    std::vector<Quiet> sessions(60);
    REQUIRE(rooms.join(&sessions[0], {.user = "ann", .room = long_room}));
    for (int i = 0; i < 10; ++i) rooms.broadcast(long_room, "something to remember");
    std::size_t thrown = 0, ended = 0, unnamed = 0, next = 0;
    // Twice: of what the first round has reserved the second has no need any more.
    for (int round = 0; round < 2; ++round) {
        for (std::size_t n = 1;; ++n) {
            REQUIRE(++next < sessions.size());
            Quiet* const session = &sessions[next];
            const State before = state(rooms, sessions);
            bool failed = false, taken = false;
            try {
                const allocations::Failure failure(n);
                taken = bool(rooms.join(session, {.user = long_user, .room = long_room, .history = 5}));
                failed = failure.happened();
            } catch (const std::bad_alloc&) {
                ++thrown;
                CHECK(state(rooms, sessions) == before);
                continue;
            }
            CHECK(taken);
            if (!failed) break;
            if (rooms.is_member(session, long_room)) {  // it is only not named
                ++unnamed;
                rooms.disconnect(session);
                clock.advance(2s);
                rooms.poll();
            } else {
                ++ended;
                CHECK(session->ended == 1);
            }
            CHECK(rooms.count() == before.counts);
        }
        CHECK(rooms.is_member(&sessions[next], long_room));
        CHECK(rooms.count(long_room) == Counts{2, 2});
        rooms.disconnect(&sessions[next]);
        clock.advance(2s);
        rooms.poll();
    }
    CHECK(thrown >= 2);  // before the join was decided
    CHECK(unnamed >= 1);
    CHECK(ended >= 2);  // and after
}

TEST_CASE("a message with a key that runs out of memory in an outbox costs at most that connection", "[invariant-8]") {
    for (std::size_t n = 1;; ++n) {
        std::vector<Quiet> sessions(2);
        QuietRooms rooms;
        for (std::size_t i = 0; i < sessions.size(); ++i)
            REQUIRE(rooms.join(&sessions[i], {.user = std::to_string(i), .room = "r"}));
        sessions[1].busy = true;
        const auto count = [&] { return rooms.broadcast("r", "x", {.numbered = false, .key = 7}); };
        CHECK(count() == Delivery::sent);
        bool thrown = false, failed = false;
        {
            const allocations::Failure failure(n);
            try {
                count();
            } catch (const std::bad_alloc&) {
                thrown = true;
            }
            failed = failure.happened();
        }
        CHECK(sessions[0].sent == (thrown ? 1 : 2));
        const bool stays = rooms.is_member(&sessions[1], "r");
        CHECK((stays || (failed && !thrown)));
        CHECK(rooms.statistics().replaced == (stays && !thrown ? 1u : 0u));
        sessions[1].busy = false;
        rooms.writable(&sessions[1]);
        CHECK(sessions[1].sent == (stays ? 1 : 0));
        rooms.disconnect(&sessions[1]);
        CHECK(rooms.statistics().memory == 0);
        if (!failed) break;
        REQUIRE(n < 20);
    }
}

TEST_CASE("leave, disconnect, kick, locks, tags and shutdown allocate nothing", "[invariant-9]") {
    std::vector<Quiet> sessions(6);
    QuietRooms rooms({.membership = Membership::many_rooms, .room = {.linger = 60s}});
    for (std::size_t i = 0; i < sessions.size(); ++i) {
        const std::string user(1, static_cast<char>('a' + i));
        REQUIRE(rooms.join(&sessions[i], {.user = user, .room = long_room}));
        REQUIRE(rooms.join(&sessions[i], {.user = user, .room = other_room}));
    }
    const auto before = allocations::made();
    CHECK(rooms.set_tags(&sessions[4], long_room, 3));
    CHECK(rooms.lock_room(long_room, true));
    rooms.writable(&sessions[4]);
    CHECK(rooms.leave(&sessions[0], long_room) == LeaveStatus::left);
    CHECK(rooms.leave_all(&sessions[0]) == 1);
    CHECK(rooms.disconnect(&sessions[0]));
    CHECK(rooms.kick_from(long_room, "b", {}).connections == 1);
    CHECK(rooms.kick_user("b", {}).connections == 1);
    CHECK(rooms.kick_connection(&sessions[2], {}).connections == 1);
    CHECK(rooms.disconnect(&sessions[3]));
    CHECK(rooms.close_room(long_room, {CloseCode::room_closed}));
    rooms.shutdown({});
    rooms.poll();
    CHECK(allocations::made() == before);
    CHECK(rooms.count() == Counts{0, 0});
}

TEST_CASE("without any memory removals still work, and who cannot be told is closed", "[invariant-9]") {
    struct Plain : DefaultTraits {
        using clock = ManualClock;
    };
    RoomRegistry<Quiet*, Plain> rooms;
    std::vector<Quiet> sessions(6);
    const std::string words(100, 'w');
    for (std::size_t i = 0; i < sessions.size(); ++i)
        REQUIRE(rooms.join(&sessions[i], {.user = std::to_string(i), .room = i < 5 ? "r" : "s"}));
    sessions[4].busy = true;
    {
        const allocations::Failure failure(1, true);
        CHECK(rooms.kick_user("0", {CloseCode::banned, words}).connections == 1);
        CHECK(rooms.kick_connection(&sessions[1], {CloseCode::banned, words}).connections == 1);
        CHECK(rooms.leave(&sessions[2], "r") == LeaveStatus::left);
        CHECK(rooms.kick_from("r", "4", {CloseCode::banned, words}).connections == 1);
        CHECK(rooms.close_room("s", {CloseCode::room_closed, words}));
        CHECK(rooms.disconnect(&sessions[3]));
        CHECK(failure.happened());
    }
    for (const std::size_t kicked : {0U, 1U, 4U, 5U}) {
        CHECK(sessions[kicked].sent == 1);
        CHECK(sessions[kicked].closed == 1);
    }
    CHECK(rooms.count() == Counts{0, 0});
    CHECK(rooms.room_count() == 0);
}

TEST_CASE("a busy connection for which there is no memory to wait goes, and only that", "[invariant-8]") {
    QuietRooms rooms;
    std::vector<Quiet> sessions(3);
    for (std::size_t i = 0; i < sessions.size(); ++i)
        REQUIRE(rooms.join(&sessions[i], {.user = std::to_string(i), .room = "r"}));
    sessions[1].busy = true;
    {
        // The first two are the message and its bytes.
        const allocations::Failure failure(3, true);
        CHECK(rooms.broadcast("r", "x") == Delivery::sent);
        CHECK(failure.happened());
    }
    CHECK(sessions[0].sent == 1);
    CHECK(sessions[2].sent == 1);
    CHECK_FALSE(rooms.is_member(&sessions[1], "r"));
    CHECK(rooms.count() == Counts{2, 2});
}

TEST_CASE("after the last one has gone, and its linger, memory is back", "[invariant-11]") {
    ManualClock clock;
    QuietRooms rooms({.membership = Membership::many_rooms, .room = {.history = 100, .linger = 60s, .idle = 1h}}, {.clock = clock});
    std::vector<Quiet> sessions(500);
    const auto empty = allocations::live_bytes();
    for (int round = 0; round < 3; ++round) {
        for (std::size_t i = 0; i < sessions.size(); ++i) {
            const std::string user = "a user with quite a long name " + std::to_string(i / 2);
            for (std::size_t room = 0; room < 3; ++room)
                REQUIRE(rooms.join(&sessions[i], {.user = user, .room = "a room " + std::to_string((i + room * 7) % 50)}));
        }
        for (int i = 0; i < 50; ++i)
            for (int n = 0; n < 3; ++n) rooms.broadcast("a room " + std::to_string(i), "something to remember");
        sessions[1].busy = sessions[2].busy = true;
        rooms.broadcast_all("x");
        CHECK(allocations::live_bytes() > empty + 100'000);
        for (std::size_t i = 0; i < sessions.size(); ++i) {
            sessions[i].busy = false;
            if (i % 3 == 0) rooms.kick_connection(&sessions[i], {CloseCode::banned, "a reason to be kept"});
            else rooms.disconnect(&sessions[i]);
        }
        clock.advance(60s);
        rooms.poll();
        clock.advance(5s);
        rooms.poll();
        CHECK(rooms.room_count() == 0);
        CHECK(rooms.count() == Counts{0, 0});
        CHECK(allocations::live_bytes() == empty);
    }
}

TEST_CASE("a user's name goes with the user, and up to 15 bytes of it need no memory of their own", "[invariant-11]") {
    QuietRooms rooms({.max_id_bytes = 200});
    Quiet host, guest;
    REQUIRE(rooms.join(&host, {.user = "host", .room = "r"}));
    REQUIRE(rooms.join(&guest, {.user = "guest", .room = "r"}));
    rooms.disconnect(&guest);  // what is kept for the next one is there
    const auto taken_by = [&](std::size_t size) {
        const std::string name(size, 'n');
        const auto before = allocations::live_bytes();
        REQUIRE(rooms.join(&guest, {.user = name, .room = "r"}));
        const auto taken = allocations::live_bytes() - before;
        CHECK(rooms.has_member("r", name));
        rooms.disconnect(&guest);
        CHECK(allocations::live_bytes() == before);
        return taken;
    };
    const auto least = taken_by(1);
    CHECK(taken_by(15) == least);
    CHECK(taken_by(16) == least + 16);
    CHECK(taken_by(200) == least + 200);
}

TEST_CASE("memory is back after closing rooms, breaking connections and dropped Rooms", "[invariant-11]") {
    World w{{.grace = 0ms, .close_timeout = 0ms}};
    const auto log = w.log;
    w.member("warm", "up");
    w.rooms.kick_user("warm", {});
    for (int i = 0; i < 4; ++i) w.rooms.poll();
    const auto forget_all = [&] {
        Texts().swap(log->events);
        std::vector<Reply>().swap(log->replies);
        std::vector<TimePoint>().swap(w.wakes);
    };
    forget_all();
    const auto empty = allocations::live_bytes();
    {
        auto room = w.rooms.room("r");
        std::vector<FakeConnection> members;
        for (int i = 0; i < 40; ++i) members.push_back(w.member("u" + std::to_string(i), "r"));
        room.broadcast("x");
        members[3]->throw_on(1);
        members[4]->stall();
        room.broadcast("y");
        w.rooms.close_room("r");
        room.broadcast("nobody");
        for (int i = 0; i < 4; ++i) w.rooms.poll();
    }
    forget_all();
    CHECK(w.rooms.room_count() == 0);
    CHECK(allocations::live_bytes() == empty);
}

TEST_CASE("ten thousand idle members cost no more than their records", "[invariant-11]") {
    QuietRooms rooms;
    std::vector<Quiet> sessions(10'000);
    const auto before = allocations::live_bytes();
    for (std::size_t i = 0; i < sessions.size(); ++i)
        REQUIRE(rooms.join(&sessions[i], {.user = std::to_string(i), .room = "r"}));
    CHECK((allocations::live_bytes() - before) / sessions.size() < 1024);
}
