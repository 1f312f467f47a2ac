// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/generator.hpp"
#include "model/host.hpp"
#include "model/listener.hpp"
#include "model/operation.hpp"
#include "model/pairs.hpp"
#include "model/reference.hpp"
#include "model/words.hpp"
#include "support/whereabouts.hpp"

namespace model {

/// A registry and its reference side by side: each operation is done to both,
/// and what they answer, tell and send is compared.
///
/// In a world with bursts some operations come from within a callback, several
/// before the first of them is worked off.
///
/// A reentrant world calls the registry from all its callbacks. Then the order
/// of what is sent cannot be foretold by something simple; so the states are
/// compared, and each connection's Listener watches what it hears.
template <class Ids>
class World : Host {
    using Registry = roomcast::RoomRegistry<FakeConnection, WorldTraits<Ids>>;
    using Handle = roomcast::Room<FakeConnection, WorldTraits<Ids>>;

public:
    /// `random` makes all choices, and is borrowed.
    World(const Setting& setting, Random& random, Pairs* pairs = nullptr)
        : setting_(setting),
          pairs_(pairs),
          random_(random),
          generator_(setting, random_),
          reference_(setting.options, setting.encodings, setting.users, setting.rooms, !setting.reentrant),
          whereabouts_(setting.options.membership, setting.options.others) {
        roomcast::BasicOptions<Time> options = setting.options;
        if (setting.bursts && options.max_connections != 0) ++options.max_connections;  // for the host's own
        options.wake = [this](Time time) {
            roomcast::testing::assert_unlocked("wake");
            due_ = std::min(due_, time);
            called_back();
        };
        registry_ = std::make_unique<Registry>(options, roomcast::Policies<WorldTraits<Ids>>{
                                                            .observer = {this}, .events = {{}, this}, .clock = clock_});
        for (int c = 0; c < connection_count(); ++c) sessions_.push_back(fresh(c));
        reference_.made_way = [this](int room) { return !registry_->count(Ids::room(room)); };
        if (setting.bursts) registry_->attach(host_connection_);
        listeners_.resize(sessions_.size());
        failing_.resize(sessions_.size());
    }
    ~World() {
        quiet_ = true;
        handles_.clear();
        registry_.reset();
    }
    World(const World&) = delete;
    World& operator=(const World&) = delete;

    /// One random operation; false when something differed (see `fault`).
    bool step() {
        nested_left_ = 12;
        if (setting_.bursts && random_.one_in(4)) burst();
        else run(generator_.next(reference_, clock_.now(), counter_++));
        // With short turns the rest is done before the next one.
        if (setting_.short_turns) run({.kind = Kind::poll, .n = 1});
        if (fault_.empty() && !setting_.reentrant) compare_outcome();
        if (setting_.reentrant) listen();
        return fault_.empty();
    }

    /// Compares every answer that the registry can give.
    bool compare_all();

    /// Everybody goes; nothing may be left.
    bool finish();

    /// What differed, and what was done before.
    [[nodiscard]] std::string fault() const {
        std::string text = fault_ + "\nafter:\n";
        for (const std::string& line : log_) text += line + '\n';
        return text;
    }

private:
    int connection_count() const { return static_cast<int>(setting_.encodings.size()); }
    static std::size_t index(int i) { return static_cast<std::size_t>(i); }

    FakeConnection fresh(int c) {
        auto session = roomcast::testing::make_fake("c" + std::to_string(c), setting_.encodings[index(c)]);
        if (setting_.reentrant) {
            session->on_send = [this, c](std::string_view frame) { heard(c, frame); };
            session->on_close = [this](CloseCode) { called_back(); };
            session->on_terminate = [this] { called_back(); };
            session->on_destroyed = [this] { called_back(); };
        }
        return session;
    }

    // Both sides.

    /// Some operations from within a callback, of the host's own connection.
    void burst() {
        host_connection_->on_send = [this](std::string_view) {
            within_ = true;
            ++depth_;
            for (std::size_t left = 2 + random_.below(6); left > 0 && fault_.empty(); --left) run(next_within(left == 1));
            --depth_;
            within_ = false;
        };
        log("burst");
        registry_->send(host_connection_, "now");
        host_connection_->on_send = nullptr;
        reference_.work_off();
    }
    Operation next_within(bool last) {
        for (;;) {
            Operation op = generator_.next(reference_, clock_.now(), counter_++);
            // Those of a closed room end one by one, when somebody looks.
            const bool fits = op.kind != Kind::renew && op.kind != Kind::poll && (last || op.kind != Kind::close_room);
            if (fits) return op;
        }
    }

    void run(const Operation& op) {
        log(std::string(2 * depth_, ' ') + describe(op));
        if (pairs_) pairs_->note(op.kind);
        ++depth_;
        if (setting_.reentrant && op.kind == Kind::close_room)
            for (int c = 0; c < connection_count(); ++c)
                listeners_[index(c)].closing(room_name(op.room), reference_.is_member(c, op.room));
        // The reference first: from within callbacks it has to be up to date.
        const bool first = setting_.reentrant;
        std::string expected, answer;
        if (first) expected = reference_.apply(op, clock_.now());
        answer = real(op);
        if (!first) expected = within_ ? reference_.apply_within(op, clock_.now()) : reference_.apply(op, clock_.now());
        --depth_;
        if (!alike(op, answer, expected))
            differ(describe(op) + ": answered '" + answer + "' instead of '" + expected + "'");
    }

    void log(std::string line) {
        log_.push_back(std::move(line));
        if (log_.size() > 60) log_.pop_front();
    }

    void differ(const std::string& what) {
        if (fault_.empty()) fault_ = what;
    }
    void expect(bool holds, const std::string& what) {
        if (!holds) differ(what);
    }

    bool alike(const Operation& op, const std::string& answer, const std::string& expected) const {
        // Rates are swept by the clock, too; never to be late is looked at elsewhere.
        if (op.kind == Kind::poll && setting_.options.user_rate.limits()) return true;
        if (answer == expected || !setting_.reentrant) return answer == expected;
        switch (op.kind) {
            // Whether it is sent at once, or a room still exists that somebody
            // works in, or a broken connection is still reached.
            case Kind::publish: return (answer == "sent" || answer == "queued" || answer == "overloaded") == (expected == "sent");
            case Kind::broadcast:
            case Kind::broadcast_all:
            case Kind::delete_message:
            case Kind::reset:
            case Kind::send:
            case Kind::send_to_user:
            case Kind::poll:
            // Or whether the terminate was already carried out.
            case Kind::renew:
            case Kind::disconnect: return true;
            case Kind::create_room:
            case Kind::close_room: return !setting_.options.room.keep_empty;
            default: return false;
        }
    }

    void called_back() override {
        if (quiet_ || !setting_.reentrant || !fault_.empty() || depth_ == 0 || depth_ > 3 || nested_left_ == 0) return;
        if (!random_.one_in(4)) return;
        --nested_left_;
        run(generator_.next(reference_, clock_.now(), counter_++));
    }

    /// A send, in a reentrant world.
    void heard(int c, std::string_view frame) {
        const bool fails = failing_[index(c)];
        const auto membership = membership_of(c, frame);
        // Of a message to all rooms nobody sees whose it is. So while one fails
        // no room may end: the failure would be nobody's concern if it was that
        // room's, and would end the connection if it was another's.
        if (!fails || !is_of_any_room(c, frame)) called_back();
        // A failed send to a membership that has ended meanwhile is nobody's
        // concern any more.
        if (!fails || membership == ended || (membership && membership_of(c, frame) != membership)) return;
        log(std::string(2 * depth_, ' ') + "(c" + std::to_string(c) + " is broken by '" + std::string(frame) + "')");
        reference_.broken(c);
        reference_.work_off();
    }

    /// When the membership began that a frame belongs to; none for frames of
    /// the connection's own.
    static constexpr std::uint64_t ended = 0;
    std::optional<std::uint64_t> membership_of(int c, std::string_view frame) const {
        const auto room = Listener::room_of(frame);
        if (!room) return std::nullopt;
        // How somebody came to be there is its own.
        if (frame.starts_with("joined ") || frame.starts_with("moved ")) return std::nullopt;
        for (const auto& place : reference_.connection(c).places)
            if (*room == Listener::any_room || room_name(place.room) == *room) return place.stay;
        return ended;
    }

    /// A batch holds those who get what they published otherwise than the rest.
    bool is_held(int c) const {
        for (int r = 0; r < static_cast<int>(setting_.rooms); ++r)
            if (const auto& room = reference_.room(r))
                for (const auto& message : room->batch)
                    if (message.connection == c && message.is_apart()) return true;
        return false;
    }

    bool is_of_any_room(int c, std::string_view frame) const {
        return Listener::room_of(frame) == Listener::any_room && reference_.connection(c).places.size() > 1;
    }

    void observed(const EventText& e) override {
        if (!setting_.reentrant) events_.push_back(event_text(e));
        const auto named = [](const std::string& id) { return id.empty() ? std::nullopt : std::optional(id); };
        const auto fault = whereabouts_.hear(
            {e.kind, e.epoch, e.room, named(e.from), named(e.user), e.connection, e.user_changed});
        if (!fault.empty()) differ(std::string(fault) + ": " + event_text(e));
    }

    std::string real(const Operation& op);
    std::string real_join(const Operation& op, const FakeConnection& c, const FakeConnection& other);
    std::string real_message(const Operation& op, const FakeConnection& c, const FakeConnection& other);

    template <class Same>
    void compare_room(int r, const Same& same);
    void compare_outcome();
    void compare_heard(int c, std::vector<Heard> heard, std::vector<Heard> expected);
    void listen() {
        for (int c = 0; c < connection_count(); ++c)
            for (const Heard& item : sessions_[index(c)]->take_heard())
                if (const auto fault = listeners_[index(c)].hear(item); !fault.empty())
                    differ("c" + std::to_string(c) + " heard '" + item.text + "': " + fault);
    }

    const Setting setting_;
    Pairs* const pairs_;  // where it is noted what followed what; or null
    Random& random_;
    Generator generator_;
    Reference reference_;
    Clock clock_;
    std::unique_ptr<Registry> registry_;
    const FakeConnection host_connection_ = roomcast::testing::make_fake("host");
    std::vector<FakeConnection> sessions_;
    std::vector<Listener> listeners_;
    std::vector<bool> failing_;
    std::map<int, Handle> handles_;
    tests::Whereabouts<std::string, std::string> whereabouts_;  // rooms, users and connections by name
    std::vector<std::string> events_;
    std::map<int, std::pair<std::uint64_t, std::uint64_t>> epochs_;  // room: that of the reference, that of the registry
    std::set<std::uint64_t> old_epochs_;
    Time due_ = Time::max();
    std::size_t counter_ = 0;
    std::size_t depth_ = 0;
    std::size_t nested_left_ = 0;
    bool quiet_ = false;
    bool within_ = false;  // a burst
    std::string fault_;
    std::deque<std::string> log_;
};

}  // namespace model

#include "model/calls.hpp"
#include "model/comparison.hpp"
