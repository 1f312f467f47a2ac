// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "model/operation.hpp"
#include "model/words.hpp"
#include "roomcast/results.hpp"
#include "roomcast/testing/fake_connection.hpp"

namespace model {

using roomcast::CloseCode;
using roomcast::CloseReason;
using roomcast::Counts;
using roomcast::LeaveCause;
using roomcast::Refusal;
using roomcast::testing::Heard;

/// A registry as plain as can be: lists that are searched from end to end, no
/// queue, no thread. What it answers and tells is text, so that two outcomes
/// are compared by `==`.
class Reference {
public:
    /// What waits for a busy connection.
    struct Entry {
        std::string text;
        int room = none;           // whose traffic it is; none: the connection's own
        bool control = false;
        std::uint64_t seq = 0;     // numbered; first missed, of a gap
        std::uint64_t last = 0;
        std::uint64_t missed = 0;  // more than 0: a gap
    };
    struct Place {
        int room;
        std::uint64_t tags;
        std::uint64_t began;  // no two are equal
    };
    /// What comes next for a removed connection.
    enum class Step { open, close, terminate };
    enum class Answer { accepted, busy, failed };
    struct Connection {
        // The transport.
        int encoding = 0;
        Answer answer = Answer::accepted;
        std::size_t attempts = 0;
        std::size_t turns_at = std::numeric_limits<std::size_t>::max();
        std::vector<Heard> heard{};
        // What a registry knows of it.
        bool known = false;
        bool gone = false;  // was known once: its transport is not coming back
        Step step = Step::open;
        int user = none;
        std::uint64_t age = 0;
        std::vector<Place> places{};  // in the order of joining
        std::deque<Entry> outbox{};
        std::string untold{};  // of the room it was removed from; before its own farewell
        CloseCode code = CloseCode::normal;
        std::string reason{};
        Time due{};
    };
    struct Member {
        std::vector<int> connections;
        int info;
    };
    struct Room {
        RoomOptions options{};
        std::uint64_t born = 0;  // no two are equal
        int creator = none;
        bool entered = false;  // somebody has been in it
        bool active = false;   // since the idle time was last looked at
        Time idle_since{};
        std::map<int, Member> members{};
        std::uint64_t seq = 0;
        std::deque<std::pair<std::uint64_t, std::string>> history{};
        std::optional<Time> linger_until{};
        std::uint64_t emptied = 0;
    };

    /// When poll has to look at it.
    [[nodiscard]] static Time due(const Room& room);

    /// `sends`: what connections hear is worked out, too.
    Reference(Options options, std::vector<int> encodings, std::size_t users, std::size_t rooms, bool sends);

    /// Of rooms that became empty in the same step any may make way for a new
    /// one: this tells whether a room did.
    std::function<bool(int room)> made_way = [](int) { return true; };

    /// Does what `op` says and answers as a registry would, in words.
    std::string apply(const Operation& op, Time now);

    /// Empty rooms go; a part of `apply`.
    void sweep();

    /// A send to this connection has failed.
    void broken(int c);

    [[nodiscard]] const Options& options() const { return options_; }
    [[nodiscard]] const Connection& connection(int c) const { return connections_[index(c)]; }
    [[nodiscard]] const std::optional<Room>& room(int r) const { return rooms_[index(r)]; }
    [[nodiscard]] const roomcast::Statistics& statistics() const { return statistics_; }
    /// What this connection has heard since this was last asked.
    [[nodiscard]] std::vector<Heard> take_heard(int c) { return std::exchange(at(c).heard, {}); }
    /// What an observer was told since this was last asked.
    [[nodiscard]] std::vector<std::string> take_events() { return std::exchange(events_, {}); }

    [[nodiscard]] bool is_member(int c, int r) const;
    /// Whether it takes, and will take, whatever it is sent.
    [[nodiscard]] bool is_well(int c) const;
    [[nodiscard]] std::vector<int> devices(int user) const;  // oldest first
    [[nodiscard]] std::vector<int> rooms_of_user(int user) const;
    [[nodiscard]] Counts counts() const;
    [[nodiscard]] Counts counts(int r) const;
    [[nodiscard]] std::size_t room_count() const;
    /// When `poll` has something to do; Time::max(): never.
    [[nodiscard]] Time next_due() const;

private:
    static std::size_t index(int i) { return static_cast<std::size_t>(i); }
    static bool open(const Connection& c) { return c.known && c.step == Step::open; }
    Connection& at(int c) { return connections_[index(c)]; }
    Room& in(int r) { return *rooms_[index(r)]; }
    std::vector<int> connections_in(int r) const;

    std::string act(const Operation& op);
    std::string attach(const Operation& op);
    std::string join(const Operation& op);
    Refusal refuse_connection(int c, int user, std::size_t going) const;
    void drop_oldest_devices(int user);
    std::string send(const Operation& op);
    std::string kick(const Operation& op);
    void forget(int c, LeaveCause cause);
    void poll();

    void open_room(int r, const RoomOptions& options, int creator);
    bool find_place_for_room();
    void close_room(int r, CloseReason reason);

    void enter(int c, int r, std::uint64_t tags, int info);
    void leave(int c, int r, LeaveCause cause, CloseCode code, bool told = true);
    void expel(int c, int r, CloseReason reason, int named, bool tell = true);
    void say_untold(int c);
    void remove(int c, LeaveCause cause, CloseReason reason, int named);
    void take_step(int c);

    std::string tell(const Operation& op);
    void fan_out(const Operation& op, int origin);
    void greet(int c, const Operation& op, int from, bool follower);
    bool put(int c, Entry entry);
    Answer attempt(int c, const std::string& text);
    void store(int c, Entry entry);
    void flush(int c);
    std::string wire(int c, const std::string& payload, std::uint64_t seq) const;

    Options options_;
    std::vector<Connection> connections_;
    std::size_t users_;
    std::vector<std::optional<Room>> rooms_;
    bool sends_;
    bool migrating_ = false;  // who leaves now is told of as migrated
    std::vector<std::string> events_;
    roomcast::Statistics statistics_{};
    std::uint64_t clock_ = 0;  // ages, in no unit
    std::uint64_t step_ = 0;
    Time now_{};
};

}  // namespace model
