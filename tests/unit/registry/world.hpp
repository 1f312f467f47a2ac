// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "roomcast/registry.hpp"
#include "roomcast/room.hpp"
#include "roomcast/testing/checked_mutex.hpp"
#include "roomcast/testing/fake_connection.hpp"
#include "roomcast/testing/manual_clock.hpp"
#include "support/catch.hpp"

/// A registry in which everything can be seen: control events as short texts,
/// observer events as lines, a mutex that aborts under user code, a clock that
/// stands still.
namespace unit {

using namespace std::chrono_literals;
using namespace roomcast;
using roomcast::testing::assert_unlocked;
using roomcast::testing::CheckedMutex;
using roomcast::testing::FakeConnection;
using roomcast::testing::FakeSession;
using roomcast::testing::Heard;
using roomcast::testing::make_fake;
using roomcast::testing::ManualClock;

using Texts = std::vector<std::string>;

/// A CheckedMutex that runs `on_unlock` each time it was given back: whatever
/// another thread could see, a test can look at there. For tests of one thread.
class WatchedMutex {
public:
    static inline std::function<void()> on_unlock{};
    static inline std::size_t locks = 0;

    void lock() {
        mutex_.lock();
        ++locks;
    }
    bool try_lock() { return mutex_.try_lock(); }
    void unlock() {
        mutex_.unlock();
        if (!on_unlock || watching_) return;
        watching_ = true;
        on_unlock();
        watching_ = false;
    }

private:
    static inline thread_local bool watching_ = false;
    CheckedMutex mutex_;
};

/// Runs `look` at every unlock while it lives.
class Watch {
public:
    explicit Watch(std::function<void()> look) { WatchedMutex::on_unlock = std::move(look); }
    ~Watch() { WatchedMutex::on_unlock = nullptr; }
    Watch(const Watch&) = delete;
    Watch& operator=(const Watch&) = delete;
};

/// What these sessions heard so far does not matter.
template <class... Sessions>
void forget(const Sessions&... sessions) {
    (static_cast<void>(sessions->take_heard()), ...);
}

/// What a host keeps for a member; one that holds something must not be freed
/// under the lock.
struct Info {
    std::string name{};
    Info() = default;
    Info(std::string n) : name(std::move(n)) {}
    Info(const Info&) = default;
    Info(Info&&) = default;
    Info& operator=(const Info&) = default;
    Info& operator=(Info&&) = default;
    ~Info() {
        if (!name.empty()) assert_unlocked("the destructor of a member's info");
    }
};

/// A request's context; the same.
struct Ticket {
    std::string id{};
    Ticket() = default;
    Ticket(std::string text) : id(std::move(text)) {}
    Ticket(const Ticket&) = default;
    Ticket(Ticket&&) noexcept = default;
    Ticket& operator=(const Ticket&) = default;
    Ticket& operator=(Ticket&&) noexcept = default;
    ~Ticket() {
        if (!id.empty()) assert_unlocked("the destructor of a context");
    }
};

/// All that a `joined` said.
struct Reply {
    std::string connection, room, user;
    std::string from, creator, info;
    std::optional<std::string> ticket;  // none: a follower
    Position position;
    Counts counts;
    bool was_recovering = false, recovered = false;
    Texts history;  // "seq=payload", "seq=#" when deleted
};

/// What the registry told its policies; outlives it.
struct Log {
    Texts events;
    std::vector<Reply> replies;
    Texts published;
    bool left_from = false;  // of the last event
    bool silent_farewells = false;
    std::function<void(const std::string& line)> on_event{};
    std::function<void()> on_joined{};  // once
    std::function<void()> on_presence{};
};

/// `+room` joined, `>from>to` moved, `-room` left, `x room code` removed,
/// `! code room` farewell, `~room count:first-last` gap, `ok room seq id`
/// published with a ticket, `no room id` or `no +room id` when that, or a
/// join, is cancelled, `=room users/connections +came -went` presence,
/// `#room seq` deleted, `^room` reset, `%room count` sampled. The ticket
/// `throw` does, and the gap of a room of that name.
struct ShortEvents {
    std::shared_ptr<Log> log = std::make_shared<Log>();

    template <class T>
    std::string joined(const JoinedEvent<T>& e) const {
        assert_unlocked("joined");
        if (e.context && e.context->id == "throw") throw std::runtime_error("told to throw");
        Reply reply{e.connection->name(),
                    e.room,
                    std::string(e.user),
                    e.from ? *e.from : "",
                    e.creator ? *e.creator : "",
                    e.info.name,
                    std::nullopt,
                    e.position,
                    e.counts,
                    e.was_recovering,
                    e.recovered,
                    {}};
        if (e.context) reply.ticket = e.context->id;
        for (const HistoryEntry& entry : e.history)
            reply.history.push_back(std::to_string(entry.seq) + '=' + (entry.deleted ? "#" : std::string(entry.payload)));
        log->replies.push_back(std::move(reply));
        if (log->on_joined) std::exchange(log->on_joined, nullptr)();
        return "+" + e.room;
    }
    template <class T>
    std::string moved(const MovedEvent<T>& e) const {
        assert_unlocked("moved");
        return ">" + e.from + '>' + e.to;
    }
    template <class T>
    std::string left(const LeftEvent<T>& e) const {
        assert_unlocked("left");
        if (e.context.id == "throw") throw std::runtime_error("told to throw");
        return "-" + e.room + (e.context.id.empty() ? "" : " " + e.context.id);
    }
    template <class T>
    std::string removed(const RemovedEvent<T>& e) const {
        assert_unlocked("removed");
        return "x " + e.room + ' ' + code(e.reason.code);
    }
    template <class T>
    std::string force_disconnect(const ForceDisconnectEvent<T>& e) const {
        assert_unlocked("force_disconnect");
        if (e.reason.text == "throw") throw std::runtime_error("told to throw");
        if (log->silent_farewells) return {};
        return "! " + code(e.reason.code) + (e.room ? " " + *e.room : "");
    }
    template <class T>
    std::string gap(const GapEvent<T>& e) const {
        assert_unlocked("gap");
        if (e.room == "throw") throw std::runtime_error("told to throw");
        return "~" + e.room + ' ' + std::to_string(e.dropped) + ':' + std::to_string(e.from) + '-' +
               std::to_string(e.to);
    }
    template <class T>
    std::string published(const PublishedEvent<T>& e) const {
        assert_unlocked("published");
        if (e.context.id.empty()) return {};
        log->published.push_back("ok " + e.room + ' ' + std::to_string(e.position.seq) + ' ' + e.context.id);
        return log->published.back();
    }
    template <class T>
    std::string not_published(const CancelledEvent<T>& e) const {
        assert_unlocked("not_published");
        return e.context.id.empty() ? "" : "no " + e.room + ' ' + e.context.id;
    }
    template <class T>
    std::string not_joined(const CancelledEvent<T>& e) const {
        assert_unlocked("not_joined");
        return e.context.id.empty() ? "" : "no +" + e.room + ' ' + e.context.id;
    }
    template <class T>
    std::string presence(const PresenceEvent<T>& e) const {
        assert_unlocked("presence");
        std::string text = "=" + e.room + ' ' + std::to_string(e.counts.users) + '/' + std::to_string(e.counts.connections);
        for (const auto& name : e.came) text.append(" +").append(name.user);
        for (const auto& name : e.went) text.append(" -").append(name.user);
        if (log->on_presence) log->on_presence();
        return text;
    }
    template <class T>
    std::string deleted(const DeletedEvent<T>& e) const {
        assert_unlocked("deleted");
        return "#" + e.room + ' ' + std::to_string(e.seq);
    }
    template <class T>
    std::string reset(const ResetEvent<T>& e) const {
        assert_unlocked("reset");
        return "^" + e.room;
    }
    template <class T>
    std::string sampled(const SampledEvent<T>& e) const {
        assert_unlocked("sampled");
        return "%" + e.room + ' ' + std::to_string(e.left_out);
    }

private:
    static std::string code(CloseCode c) { return std::to_string(static_cast<int>(c)); }
};

/// One line an event; a `*` at the end where `user_changed`.
struct LineObserver {
    std::shared_ptr<Log> log{};

    template <class Event>
    void on_event(const Event& e) noexcept {
        assert_unlocked("an observer");
        std::string line = tests::enum_text(e.kind) + ' ' + e.room;
        if (e.from) line += " from " + *e.from + " moved " + std::to_string(e.moved);
        if (e.connection) line.append(" ").append(*e.user).append("/" + (*e.connection)->name());
        if (e.kind == EventKind::left) {
            line += " " + tests::enum_text(e.cause);
            if (e.code != CloseCode::normal) line += " " + tests::enum_text(e.code);
        }
        if (e.user_changed) line += '*';
        log->events.push_back(line);
        log->left_from = e.left_from;
        if (log->on_event) log->on_event(line);
    }
};

struct WorldTraits : DefaultTraits {
    using member_info = Info;
    using context = Ticket;
    using mutex = WatchedMutex;
    using clock = ManualClock;
    using observer = LineObserver;
    using events = ShortEvents;
};

using Registry = RoomRegistry<FakeConnection, WorldTraits>;
using Options = Registry::Options;
using RoomOptions = Registry::RoomOptions;
using TimePoint = Registry::time_point;

/// A registry and all it needs. `rooms` may be called from anywhere.
struct World {
    std::shared_ptr<Log> log = std::make_shared<Log>();
    ManualClock clock;
    std::vector<TimePoint> wakes;
    Registry rooms;

    explicit World(Options options = {}) : rooms(listening(std::move(options)), {{log}, {log}, clock}) {}

    /// The connection's name begins with the user's: `ann`, or `ann/2`.
    JoinResult join(const FakeConnection& c, std::string_view room) {
        return rooms.join(c, {.user = user_of(c), .room = room});
    }
    /// Makes a session, joins, and forgets what it heard so far.
    FakeConnection member(const std::string& name, std::string_view room) {
        auto c = make_fake(name);
        REQUIRE(join(c, room));
        forget(c);
        return c;
    }
    void after(std::chrono::milliseconds time) {
        clock.advance(time);
        rooms.poll();
    }
    static std::string_view user_of(const FakeConnection& c) {
        const std::string_view name = c->name();
        return name.substr(0, name.find('/'));
    }

private:
    Options listening(Options options) {
        if (!options.wake)
            options.wake = [this](TimePoint at) {
                assert_unlocked("wake");
                wakes.push_back(at);
            };
        return options;
    }
};

/// `n` texts "1" to "n" after a prefix.
inline Texts numbered(std::string_view prefix, std::size_t first, std::size_t last) {
    Texts texts;
    for (std::size_t i = first; i <= last; ++i) texts.push_back(std::string(prefix) + std::to_string(i));
    return texts;
}

}  // namespace unit

// Compiled once, in world.cpp.
extern template class roomcast::RoomRegistry<roomcast::testing::FakeConnection, unit::WorldTraits>;
extern template class roomcast::Room<roomcast::testing::FakeConnection, unit::WorldTraits>;
