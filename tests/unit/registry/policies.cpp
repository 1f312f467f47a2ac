// SPDX-License-Identifier: MIT
#include <functional>
#include <map>
#include <set>

#include "roomcast/mutex.hpp"
#include "roomcast/shared_registry.hpp"
#include "unit/registry/world.hpp"

namespace {
using namespace unit;

/// What hello world needs, and no more.
struct Plain {
    Texts heard;
    void send(std::string_view frame) { heard.emplace_back(frame); }
    void close(CloseCode code, std::string_view) { heard.push_back("close " + std::to_string(static_cast<int>(code))); }
};

enum class Shard : std::uint16_t {};

struct NumberTraits : DefaultTraits {
    using user_id = std::uint64_t;
    using room_id = Shard;
    using mutex = null_mutex;
    using clock = ManualClock;
    struct events : SilentEvents {
        template <class T>
        std::string joined(const JoinedEvent<T>& e) const {
            return "+" + std::to_string(static_cast<int>(e.room)) + ' ' + std::to_string(e.user);
        }
        template <class T>
        std::string moved(const MovedEvent<T>&) const {
            return "moved";
        }
        template <class T>
        std::string left(const LeftEvent<T>&) const {
            return "left";
        }
        template <class T>
        std::string removed(const RemovedEvent<T>&) const {
            return "removed";
        }
        template <class T>
        std::string force_disconnect(const ForceDisconnectEvent<T>&) const {
            return "bye";
        }
        template <class T>
        std::string gap(const GapEvent<T>&) const {
            return "gap";
        }
        template <class T>
        std::string published(const PublishedEvent<T>&) const {
            return {};
        }
    };
};

/// A handle that owns its transport: it can be moved, not copied. Equality is
/// by number, and a number may be used again.
class Owned {
public:
    struct Session {
        int number;
        SendStatus send(const Frame& frame) {
            heard[number].emplace_back(frame.view());
            return on_send ? on_send(number) : SendStatus::accepted;
        }
        void close(CloseCode, std::string_view) { heard[number].emplace_back("close"); }
    };
    static inline std::map<int, Texts> heard;
    static inline std::function<SendStatus(int)> on_send;

    explicit Owned(int number) : session_(std::make_unique<Session>(Session{number})) {}
    Session* operator->() const noexcept { return session_.get(); }
    friend bool operator==(const Owned& a, const Owned& b) { return a->number == b->number; }

private:
    std::unique_ptr<Session> session_;
};
}  // namespace

template <>
struct std::hash<Owned> {
    std::size_t operator()(const Owned& c) const noexcept { return static_cast<std::size_t>(c->number); }
};

TEST_CASE("a type with send and close is enough, and hears JSON") {
    RoomRegistry<std::shared_ptr<Plain>> rooms;
    const auto ann = std::make_shared<Plain>();
    REQUIRE(rooms.join(ann, {.user = "ann", .room = "r"}));
    rooms.publish(ann, "r", "hello");
    rooms.leave(ann, "r");
    REQUIRE(ann->heard.size() == 3);
    CHECK(ann->heard[0].starts_with(R"({"event":"joined","room":"r","user":"ann")"));
    CHECK(ann->heard[1] == "hello");
    CHECK(ann->heard[2] == R"({"event":"left","room":"r"})");
    rooms.kick_connection(ann, {CloseCode::normal});
    CHECK(ann->heard.back() == "close 1000");
}

TEST_CASE("ids may be integers and enums, and one thread needs no mutex") {
    Plain ann;
    RoomRegistry<Plain*, NumberTraits> rooms;
    REQUIRE(rooms.join(&ann, {.user = 7, .room = Shard{3}}));
    CHECK(rooms.has_member(Shard{3}, 7));
    CHECK(rooms.room_of(7) == Shard{3});
    CHECK(rooms.user_of(&ann) == 7U);
    rooms.broadcast(Shard{3}, "x");
    REQUIRE(rooms.join(&ann, {.room = Shard{0}}).status == JoinStatus::migrated);
    CHECK(rooms.creator(Shard{0}) == 7U);
    rooms.kick_user(7, {});
    CHECK(ann.heard == Texts{"+3 7", "x", "+0 7", "bye"});
}

TEST_CASE("a registry of one thread calls back while it is called") {
    struct Echo {
        std::function<void()> on_send;
        int heard = 0;
        void send(std::string_view) {
            ++heard;
            if (on_send) on_send();
        }
        void close(CloseCode, std::string_view) {}
    };
    Echo echo;
    RoomRegistry<Echo*, NumberTraits> rooms;
    echo.on_send = [&] {
        if (echo.heard < 5) rooms.broadcast(Shard{1}, "again");
    };
    REQUIRE(rooms.join(&echo, {.user = 1, .room = Shard{1}}));
    CHECK(echo.heard == 5);
}

TEST_CASE("handles need only be movable") {
    Owned::heard.clear();
    Owned::on_send = nullptr;
    RoomRegistry<Owned, NumberTraits> rooms;
    REQUIRE(rooms.join(Owned(1), {.user = 1, .room = Shard{1}}));
    REQUIRE(rooms.join(Owned(2), {.user = 2, .room = Shard{1}}));
    CHECK(rooms.members(Shard{1}).members.size() == 2);
    CHECK(rooms.members(Shard{1}).members[0].connections.empty());
    rooms.broadcast(Shard{1}, "x");
    CHECK(rooms.disconnect(Owned(1)));
    rooms.broadcast(Shard{1}, "y");
    CHECK(Owned::heard[1] == Texts{"+1 1", "x"});
    CHECK(Owned::heard[2] == Texts{"+1 2", "x", "y"});
}

TEST_CASE("an old connection that breaks late leaves the new one of the same number alone", "[invariant-12]") {
    Owned::heard.clear();
    RoomRegistry<Owned, NumberTraits> rooms;
    REQUIRE(rooms.join(Owned(5), {.user = 1, .room = Shard{1}}));
    bool first = true;
    Owned::on_send = [&](int number) {
        if (number != 5 || !std::exchange(first, false)) return SendStatus::accepted;
        // The transport's number is used again before its send has failed.
        CHECK(rooms.disconnect(Owned(5)));
        CHECK(rooms.join(Owned(5), {.user = 1, .room = Shard{1}}).status == JoinStatus::joined);
        return SendStatus::closed;
    };
    rooms.broadcast(Shard{1}, "x");
    CHECK(rooms.is_member(Owned(5), Shard{1}));
    CHECK(rooms.count(Shard{1}) == Counts{1, 1});
    CHECK(rooms.count() == Counts{1, 1});
    CHECK(rooms.statistics().broken_connections == 0);
    rooms.broadcast(Shard{1}, "y");
    CHECK(Owned::heard[5].back() == "y");
    Owned::on_send = nullptr;
}

TEST_CASE("terminate falls back to a second close") {
    ManualClock clock;
    Plain ann;
    RoomRegistry<Plain*, NumberTraits> rooms({}, {.clock = clock});
    REQUIRE(rooms.join(&ann, {.user = 1, .room = Shard{1}}));
    rooms.kick_user(1, {CloseCode::banned});
    clock.advance(3s);
    rooms.poll();
    clock.advance(5s);
    rooms.poll();
    CHECK(ann.heard == Texts{"+1 1", "bye", "close 4005", "close 4005"});
}

TEST_CASE("a registry with every policy by default works with real time and threads' mutex") {
    RoomRegistry<FakeConnection> rooms({.grace = 0ms, .close_timeout = 0ms});
    const auto ann = make_fake("ann");
    REQUIRE(rooms.join(ann, {.user = "ann", .room = "r"}));
    rooms.kick_user("ann", {});
    rooms.poll();
    CHECK(ann->closes() == 1);
}

TEST_CASE("the shared registry is one, and later options are ignored") {
    auto& one = shared_registry<Plain*, NumberTraits>({.max_connections = 1});
    auto& two = shared_registry<Plain*, NumberTraits>({.max_connections = 5});
    CHECK(&one == &two);
    Plain ann, bob;
    REQUIRE(one.attach(&ann));
    CHECK(two.attach(&bob).refusal == Refusal::too_many_connections);
    one.disconnect(&ann);
}

TEST_CASE("two registries place the same connections differently", "[invariant-13]") {
    // The order in which shutdown finds them shows the places.
    const auto order = [] {
        Owned::heard.clear();
        std::vector<int> found;
        Owned::on_send = [&](int number) {
            found.push_back(number);
            return SendStatus::accepted;
        };
        RoomRegistry<Owned, NumberTraits> rooms;
        for (int i = 0; i < 64; ++i) REQUIRE(rooms.attach(Owned(i * 4096), static_cast<std::uint64_t>(i)));
        rooms.shutdown({CloseCode::restarting}, 64);
        rooms.poll();
        Owned::on_send = nullptr;
        return found;
    };
    const auto first = order();
    CHECK(first.size() == 64);
    CHECK(std::set<int>(first.begin(), first.end()).size() == 64);
    CHECK(first != order());
}
