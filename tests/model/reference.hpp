// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "model/bucket.hpp"
#include "model/operation.hpp"
#include "model/outbox.hpp"
#include "model/past.hpp"
#include "model/presence.hpp"
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

/// What a connection hears of the end of a stay.
enum class Farewell { silent, left, removed };

/// A stay that has ended; its connection has not heard of it yet.
struct Parting {
    int connection = none;
    std::uint64_t stay = 0;
    Farewell farewell = Farewell::silent;
    int context = 0;
    CloseReason reason{};
};

/// A registry as plain as can be: lists that are searched from end to end, no
/// thread, no memory to run out of. What it answers and tells is text, so that
/// two outcomes are compared by `==`.
///
/// An operation first changes who is where and answers (reference.cpp,
/// people.cpp); then, one after another, the rooms that it concerned take a
/// turn (turns.cpp), in which they tell their people (post.cpp).
class Reference {
public:
    /// A connection in a room.
    struct Place {
        int room;
        std::uint64_t tags;
        std::uint64_t stay;  // no two are equal
        bool told = false;   // of its join: from there on it hears the room
    };
    /// What comes next for a removed connection.
    enum class Step { open, farewell, close, terminate };
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
        std::optional<Outbox> outbox{};
        Bucket rate{};
        std::size_t reasons_to_wait = 0;  // with its farewell: rooms that still have something for it
        std::string named{};              // the room that its farewell names
        CloseCode code = CloseCode::normal;
        std::string reason{};
        std::optional<Time> due{};  // of its step
    };
    struct Member {
        std::vector<int> connections;
        int info;
    };
    /// What waits for its turn in a room: a join that is to be told, a message,
    /// or a change of the room's log.
    struct Item {
        Operation op{};
        int connection = none;   // who joins or publishes
        std::uint64_t stay = 0;  // as which stay
        int from = none;         // of a join: the room that it ended
        bool follower = false;
        std::uint64_t epoch = 0;  // that `op.since` or `op.seq` is about
        int except = none;
        std::uint64_t seq = 0;   // once it has one

        [[nodiscard]] bool is_join() const { return op.kind == Kind::join; }
        /// Whether its publisher gets it in another form, or not at all.
        [[nodiscard]] bool is_apart() const { return !op.echo || !op.own.empty(); }
        [[nodiscard]] bool filtered() const { return op.require || op.exclude || except != none; }
    };
    struct Room {
        RoomOptions options{};
        std::uint64_t born = 0;   // no two are equal
        std::uint64_t epoch = 0;  // of its log; the same
        int creator = none;
        bool entered = false;  // somebody has been in it
        bool active = false;   // since the idle time was last looked at
        Time idle_since{};
        std::map<int, Member> members{};
        std::vector<std::pair<int, std::uint64_t>> stays{};  // connection and stay, in the order of their joins
        std::uint64_t seq = 0;
        Past past{};
        std::optional<Time> linger_until{};
        std::uint64_t emptied = 0;
        // Its work.
        bool scheduled = false;  // for a turn
        std::deque<Item> queue{};
        std::deque<Parting> ended{};      // to be told next
        std::vector<Parting> leaving{};   // once what they asked for is answered
        std::vector<Item> batch{};        // messages that wait for each other
        Time batch_until{};
        Presence presence{};
        std::optional<CloseReason> closed{};
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

    /// The same from within a callback: what follows is left to `work_off`.
    std::string apply_within(const Operation& op, Time now);
    void work_off();

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
    Place* find_place(int c, std::uint64_t stay);

    // What operations answer, and do at once.
    std::string act(const Operation& op);
    std::string attach(const Operation& op);
    std::string join(const Operation& op);
    Refusal refuse_connection(int c, int user, std::size_t going) const;
    std::string tell(const Operation& op);
    std::string change_log(const Operation& op);
    std::optional<std::string> limit(const Operation& op);
    bool is_full(int r) const;
    bool push(int r, const Operation& op, int publisher);
    std::string send(const Operation& op);
    std::string kick(const Operation& op);
    void poll();
    void expire_rooms();
    void end_too_slow();

    // Who is where.
    std::uint64_t enter(int c, int r, std::uint64_t tags, int info);
    void end(int c, int r, LeaveCause cause, CloseCode code, bool told = true, Parting how = {});
    void leave(int c, int r, int context);
    void expel(int c, int r, CloseReason reason, int named = none);
    void remove(int c, LeaveCause cause, CloseReason reason, int named = none);
    void drop_oldest_devices(int user);
    void forget(int c, LeaveCause cause);
    bool closes_without_room() const;
    bool find_place_for_room();
    void open_room(int r, const RoomOptions& options, int creator);
    void drop_room(int r);
    void close_room(int r, CloseReason reason);
    void ready(int c);
    void one_reason_less(int c);
    void take_step(int c);

    // A room's turn.
    void schedule(int r);
    void run_turn(int r);
    void finish(int r);
    bool begin_next(int r);
    static bool grows(const Room& room);
    void part(int r);
    void answered(Room& room, std::uint64_t stay);
    void tell_join(int r, const Item& join);
    void not_joined(int r, const Item& join);
    void serve(int r, Item message);
    bool can_be_encoded(const Room& room, const Item& message) const;
    void change_log(int r, Item& change);
    void answer_publisher(int r, const Item& message, bool taken);
    void send_batch(int r);
    bool take_apart(int r);

    // Bringing it to connections.
    std::string wire(int c, const std::string& payload, std::uint64_t seq) const;
    std::optional<Letter> letter(const Item& message, int r, int c, const Place& place) const;
    std::optional<std::string> in_one_piece(const std::vector<Item>& batch, int r, int c, const Place& place) const;
    bool hears(const Connection& c) const;
    bool has_ended(int c, const Letter& letter) const;
    bool put(int c, const Letter& letter);
    bool deliver(int c, const Letter& letter, std::optional<Answer> answer);
    Answer attempt(int c, const std::string& text);
    void store(int c, const Letter& letter, bool was_busy);
    void keep_bounds(int c);
    bool has_too_much(const Outbox& outbox) const;
    void end_slow_reader(int c);
    roomcast::SlowReaders policy_of(const Letter& letter) const;
    void flush_soon(int c);
    void flush(int c);

    Options options_;
    std::vector<Connection> connections_;
    std::size_t users_;
    std::vector<std::optional<Room>> rooms_;
    bool sends_;
    std::map<int, Bucket> user_rates_;
    std::set<std::uint64_t> expelled_;  // stays that ended by force
    bool within_ = false;  // a callback
    bool migrating_ = false;  // who leaves now is told of as migrated
    // What is left to be done, in this order.
    std::deque<int> ready_;    // connections, for their next step
    std::deque<int> flushes_;  // connections
    std::deque<int> turns_;    // rooms
    std::vector<std::string> events_;
    roomcast::Statistics statistics_{};
    std::uint64_t last_stamp_ = 0;  // of stays, rooms, logs and ages: what is newer has the greater one
    std::uint64_t step_ = 0;
    Time now_{};
};

}  // namespace model
