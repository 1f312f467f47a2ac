// SPDX-License-Identifier: MIT
#include "roomcast/mutex.hpp"
#include "unit/registry/world.hpp"

namespace {
using namespace unit;

std::vector<FakeConnection> fill(World& w, std::size_t count, std::string_view room = "r") {
    std::vector<FakeConnection> members;
    for (std::size_t i = 0; i < count; ++i)
        members.push_back(w.member(std::string(room) + std::to_string(i), room));
    return members;
}
std::size_t reached(const std::vector<FakeConnection>& members, const std::string& frame) {
    std::size_t n = 0;
    for (const auto& c : members)
        for (const auto& text : c->frames()) n += text == frame;
    return n;
}
}  // namespace

TEST_CASE("poll with nothing to do waits for a wake") {
    World w;
    CHECK(w.rooms.poll() == TimePoint::max());
    w.member("ann", "r");
    w.rooms.broadcast("r", "x");
    CHECK(w.rooms.poll() == TimePoint::max());
    CHECK(w.wakes.empty());
}

TEST_CASE("wake is called when a deadline becomes earlier, and only then") {
    World w{{.room = {.linger = 10s}, .grace = 3s}};
    const auto ann = w.member("ann", "r"), bob = w.member("bob", "s"), cat = w.member("cat", "t");
    const TimePoint start = w.clock.now();
    w.rooms.leave(ann, "r");
    CHECK(w.wakes == std::vector<TimePoint>{start + 10s});
    w.rooms.kick_user("bob", {});
    CHECK(w.wakes == std::vector<TimePoint>{start + 10s, start + 3s});
    w.clock.advance(1s);
    w.rooms.kick_user("cat", {});
    CHECK(w.wakes.size() == 2);
    CHECK(w.rooms.poll() == start + 3s);
    w.clock.advance(2s);
    CHECK(w.rooms.poll() == start + 4s);
    w.rooms.broadcast("r", "x");
    CHECK(w.wakes.size() == 2);
}

TEST_CASE("a span of milliseconds::max() is never over") {
    const auto never = std::chrono::milliseconds::max();
    World w{{.room = {.history = 10, .history_age = never, .linger = never, .idle = never, .batch_window = never,
                      .presence = never},
             .grace = never,
             .close_timeout = never,
             .outbox_age = never}};
    const auto ann = w.member("ann", "r"), bob = w.member("bob", "r"), cat = w.member("cat", "s");
    bob->stall();
    w.rooms.broadcast("r", "x");
    w.rooms.leave(cat, "s");
    w.rooms.kick_user("cat", {});
    w.clock.advance(std::chrono::hours(24 * 365));
    w.rooms.poll();
    CHECK(w.rooms.count("s") == Counts{});
    CHECK(w.rooms.count("r") == Counts{2, 2});
    CHECK(w.rooms.poll() == TimePoint::max());
    CHECK(cat->heard().back().kind == Heard::Kind::send);
    w.rooms.shutdown({}, 1, never);
    CHECK(w.rooms.poll() == TimePoint::max());
}

TEST_CASE("wake may poll at once") {
    ManualClock clock;
    Registry* registry = nullptr;
    int calls = 0;
    Options options{.grace = 0ms};
    options.wake = [&](TimePoint) {
        assert_unlocked("wake");
        ++calls;
        registry->poll();
    };
    const auto log = std::make_shared<Log>();
    Registry rooms(std::move(options), {{log}, {log}, clock});
    registry = &rooms;
    const auto ann = make_fake("ann");
    REQUIRE(rooms.join(ann, {.user = "ann", .room = "r"}));
    rooms.kick_user("ann", {});
    CHECK(calls > 0);
    CHECK(calls < 10);
    rooms.poll();
    CHECK(ann->closes() == 1);
}

TEST_CASE("poll within a callback returns at once and breaks nothing") {
    World w{{.grace = 0ms}};
    const auto ann = w.member("ann", "r"), bob = w.member("bob", "r");
    ann->on_send = [&](std::string_view) { w.rooms.poll(); };
    bob->on_close = [&](CloseCode) { w.rooms.poll(); };
    w.rooms.kick_user("bob", {});
    w.rooms.broadcast("r", "x");
    w.rooms.poll();
    CHECK(bob->closes() == 1);
    CHECK(ann->frames() == Texts{"x"});
}

TEST_CASE("a turn is over after so many sends, and poll goes on where it stopped") {
    World w{{.turn_sends = 100}};
    const auto members = fill(w, 250);
    w.wakes.clear();
    CHECK(w.rooms.broadcast("r", "x") == Delivery::sent);
    CHECK(reached(members, "x") == 100);
    CHECK(w.wakes == std::vector<TimePoint>{w.clock.now()});
    CHECK(w.rooms.broadcast("r", "y") == Delivery::queued);
    CHECK(w.rooms.poll() <= w.clock.now());
    CHECK(reached(members, "x") == 200);
    w.rooms.poll();
    CHECK(reached(members, "x") == 250);
    CHECK(reached(members, "y") == 50);
    w.rooms.poll();
    w.rooms.poll();
    CHECK(w.rooms.poll() == TimePoint::max());
    CHECK(reached(members, "y") == 250);
    for (const auto& c : members) CHECK(c->frames() == Texts{"x", "y"});
}

TEST_CASE("a message that was parked keeps its number", "[invariant-5]") {
    World w{{.turn_sends = 10}};
    std::vector<FakeConnection> members;
    for (int i = 0; i < 25; ++i) {
        members.push_back(make_fake("u" + std::to_string(i), 1));
        REQUIRE(w.join(members.back(), "r"));
        forget(members.back());
    }
    w.rooms.broadcast("r", "x");
    w.rooms.broadcast("r", "y");
    while (w.rooms.poll() <= w.clock.now()) {}
    for (const auto& c : members) CHECK(c->frames() == Texts{"1:x", "2:y"});
}

TEST_CASE("a parked room does not keep others waiting") {
    World w{{.turn_sends = 100}};
    const auto large = fill(w, 300, "large");
    const auto small = fill(w, 3, "small");
    large[0]->on_send = [&](std::string_view) { w.rooms.broadcast("small", "y"); };
    w.rooms.broadcast("large", "x");
    CHECK(reached(large, "x") == 100);
    CHECK(reached(small, "y") == 3);
}

TEST_CASE("a turn is over after its time") {
    World w{{.turn_sends = 1'000'000, .turn_time = 1ms}};
    const auto members = fill(w, 500);
    for (const auto& c : members) c->on_send = [&](std::string_view) { w.clock.advance(50us); };
    w.rooms.broadcast("r", "x");
    const auto first = reached(members, "x");
    CHECK(first >= 64);
    CHECK(first <= 256);
    while (reached(members, "x") < 500) {
        const auto before = reached(members, "x");
        w.rooms.poll();
        REQUIRE(reached(members, "x") > before);
        CHECK(reached(members, "x") <= before + 256);
    }
}

TEST_CASE("without a limit a turn goes to its end") {
    World w{{.turn_sends = 0, .turn_time = 1us}};
    const auto members = fill(w, 5000);
    w.rooms.broadcast("r", "x");
    CHECK(reached(members, "x") == 5000);
}

TEST_CASE("a plain broadcast does not read the clock") {
    struct Counting {
        using time_point = ManualClock::time_point;
        std::shared_ptr<int> reads = std::make_shared<int>(0);
        time_point now() const { return ++*reads, time_point(1h); }
    };
    struct CountingTraits : DefaultTraits {
        using clock = Counting;
        using mutex = null_mutex;
    };
    Counting clock;
    RoomRegistry<FakeConnection, CountingTraits> rooms({}, {.clock = clock});
    std::vector<FakeConnection> members;
    for (int i = 0; i < 60; ++i) {
        members.push_back(make_fake());
        REQUIRE(rooms.join(members.back(), {.user = std::to_string(i), .room = "r"}));
    }
    const int before = *clock.reads;
    for (int i = 0; i < 10; ++i) rooms.broadcast("r", "x");
    CHECK(*clock.reads == before);
    rooms.kick_user("0", {});
    CHECK(*clock.reads > before);
}

TEST_CASE("who leaves, comes or goes while a room is parked is treated as if it were not") {
    World w{{.turn_sends = 100}};
    const auto members = fill(w, 250);
    w.rooms.broadcast("r", "x");
    w.rooms.leave(members[0], "r");
    w.rooms.leave(members[200], "r");
    w.rooms.kick_user("r201", {});
    w.rooms.disconnect(members[202]);
    const auto late = make_fake("late");
    REQUIRE(w.join(late, "r"));
    while (w.rooms.poll() <= w.clock.now()) {}
    CHECK(members[0]->frames() == Texts{"x", "-r"});
    CHECK(members[200]->frames() == Texts{"-r"});
    CHECK(members[201]->frames() == Texts{"! 4001 r"});
    CHECK(members[202]->frames().empty());
    CHECK(late->frames() == Texts{"+r"});
    CHECK(reached(members, "x") == 247);
    w.rooms.broadcast("r", "y");
    while (w.rooms.poll() <= w.clock.now()) {}
    CHECK(reached(members, "y") == 246);
    CHECK(late->frames() == Texts{"+r", "y"});
}

TEST_CASE("a parked room can be closed") {
    World w{{.turn_sends = 100}};
    const auto members = fill(w, 250);
    w.rooms.broadcast("r", "x");
    REQUIRE(w.rooms.close_room("r"));
    CHECK(w.rooms.count("r") == std::nullopt);
    while (w.rooms.poll() <= w.clock.now()) {}
    CHECK(reached(members, "x") == 100);
    CHECK(reached(members, "! 4006 r") == 250);
    CHECK(w.rooms.count() == Counts{0, 0});
}
