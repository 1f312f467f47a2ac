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
#include <sstream>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "model/generator.hpp"
#include "model/listener.hpp"
#include "model/operation.hpp"
#include "model/reference.hpp"
#include "model/words.hpp"
#include "roomcast/registry.hpp"
#include "roomcast/room.hpp"
#include "roomcast/testing/checked_mutex.hpp"
#include "roomcast/testing/fake_connection.hpp"
#include "roomcast/testing/manual_clock.hpp"

namespace model {

using roomcast::testing::FakeConnection;
using roomcast::testing::FakeSession;

/// A member's info, whose destructor must not run under the lock either.
struct Info {
    int value = 0;
    Info(int v = 0) : value(v) {}
    Info(const Info&) = default;
    Info& operator=(const Info&) = default;
    ~Info() { roomcast::testing::assert_unlocked("the destructor of a member's info"); }
    operator int() const { return value; }
};

/// What the registry of a World calls.
struct Host {
    virtual void observed(const EventText& event) = 0;
    virtual void called_back() = 0;

protected:
    ~Host() = default;
};

struct HostObserver {
    Host* host = nullptr;
    template <class Event>
    void on_event(const Event& e) noexcept {
        roomcast::testing::assert_unlocked("an observer");
        EventText text{.kind = e.kind, .room = room_name(e.room), .epoch = e.epoch, .cause = e.cause, .code = e.code,
                       .moved = e.moved, .user_changed = e.user_changed};
        if (e.from) text.from = room_name(*e.from);
        if (e.user) text.user = user_name(*e.user);
        if (e.connection) text.connection = (*e.connection)->name();
        host->observed(text);
        host->called_back();
    }
};

/// Control events in the words of PlainEvents, from code that calls back.
struct HostEvents : PlainEvents {
    Host* host = nullptr;
    template <class Event>
    std::string joined(const Event& e) const { return after(PlainEvents::joined(e)); }
    template <class Event>
    std::string moved(const Event& e) const { return after(PlainEvents::moved(e)); }
    template <class Event>
    std::string left(const Event& e) const { return after(PlainEvents::left(e)); }
    template <class Event>
    std::string removed(const Event& e) const { return after(PlainEvents::removed(e)); }
    template <class Event>
    std::string force_disconnect(const Event& e) const { return after(PlainEvents::force_disconnect(e)); }
    template <class Event>
    std::string gap(const Event& e) const { return after(PlainEvents::gap(e)); }
    template <class Event>
    std::string published(const Event& e) const { return after(PlainEvents::published(e)); }

private:
    std::string after(std::string text) const {
        roomcast::testing::assert_unlocked("the encoder of control events");
        host->called_back();
        return text;
    }
};

struct StringIds {
    using id = std::string;
    static id user(int i) { return user_name(i); }
    static id room(int i) { return room_name(i); }
};
struct NumberIds {
    using id = std::uint64_t;
    static id user(int i) { return static_cast<id>(i); }
    static id room(int i) { return static_cast<id>(i); }
};

template <class Ids>
struct WorldTraits : roomcast::DefaultTraits {
    using user_id = typename Ids::id;
    using room_id = typename Ids::id;
    using member_info = Info;
    using context = int;
    using mutex = roomcast::testing::CheckedMutex;
    using clock = Clock;
    using observer = HostObserver;
    using events = HostEvents;
};

/// A registry and its reference side by side: each operation is done to both,
/// and what they answer, tell and send is compared.
///
/// A reentrant world calls the registry from its callbacks, too. Then the
/// order of what is sent cannot be foretold by something simple; so the states
/// are compared, and each connection's Listener watches what it hears.
template <class Ids>
class World : Host {
    using Registry = roomcast::RoomRegistry<FakeConnection, WorldTraits<Ids>>;
    using Handle = roomcast::Room<FakeConnection, WorldTraits<Ids>>;

public:
    World(const Setting& setting, std::uint64_t seed)
        : setting_(setting), random_(seed), generator_(setting, random_), reference_(setting.options, setting.encodings, setting.users, setting.rooms, !setting.reentrant) {
        roomcast::BasicOptions<Time> options = setting.options;
        options.wake = [this](Time time) {
            roomcast::testing::assert_unlocked("wake");
            due_ = std::min(due_, time);
            called_back();
        };
        registry_ = std::make_unique<Registry>(options, roomcast::Policies<WorldTraits<Ids>>{
                                                            .observer = {this}, .events = {{}, this}, .clock = clock_});
        for (int c = 0; c < connection_count(); ++c) sessions_.push_back(fresh(c));
        reference_.made_way = [this](int room) { return !registry_->count(Ids::room(room)); };
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
        run(generator_.next(reference_, clock_.now(), counter_++));
        // With short turns the rest is done before the next one.
        if (setting_.short_turns) run({.kind = Kind::poll, .n = 1});
        if (fault_.empty() && !setting_.reentrant) compare_outcome();
        if (setting_.reentrant) {
            reference_.sweep();
            listen();
        }
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

    void run(const Operation& op) {
        log(std::string(2 * depth_, ' ') + describe(op));
        ++depth_;
        if (setting_.reentrant && op.kind == Kind::close_room)
            for (int c = 0; c < connection_count(); ++c)
                if (reference_.is_member(c, op.room)) listeners_[index(c)].doubt(room_name(op.room));
        // The reference first: from within callbacks it has to be up to date.
        const bool first = setting_.reentrant;
        std::string expected, answer;
        if (first) expected = reference_.apply(op, clock_.now());
        answer = real(op);
        if (!first) expected = reference_.apply(op, clock_.now());
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
        if (answer == expected || !setting_.reentrant) return answer == expected;
        switch (op.kind) {
            // Whether it is sent at once, or a room still exists that somebody
            // works in, or a broken connection is still reached.
            case Kind::publish: return (answer == "sent" || answer == "queued" || answer == "overloaded") == (expected == "sent");
            case Kind::broadcast:
            case Kind::broadcast_all:
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
        if (!fails || membership == ended || membership_of(c, frame) != membership) return;
        log(std::string(2 * depth_, ' ') + "(c" + std::to_string(c) + " is broken by '" + std::string(frame) + "')");
        reference_.broken(c);
    }

    /// When the membership began that a frame belongs to; none for frames of
    /// the connection's own.
    static constexpr std::uint64_t ended = 0;
    std::optional<std::uint64_t> membership_of(int c, std::string_view frame) const {
        const auto room = Listener::room_of(frame);
        if (!room) return std::nullopt;
        for (const auto& place : reference_.connection(c).places)
            if (*room == Listener::any_room || room_name(place.room) == *room) return place.began;
        return ended;
    }

    bool is_of_any_room(int c, std::string_view frame) const {
        return Listener::room_of(frame) == Listener::any_room && reference_.connection(c).places.size() > 1;
    }

    void observed(const EventText& e) override;

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
    Random random_;
    Generator generator_;
    Reference reference_;
    Clock clock_;
    std::unique_ptr<Registry> registry_;
    std::vector<FakeConnection> sessions_;
    std::vector<Listener> listeners_;
    std::vector<bool> failing_;
    std::map<int, Handle> handles_;
    std::map<std::pair<std::string, std::string>, std::set<std::string>> where_;  // room, user: connections, as observed
    std::map<std::pair<std::string, std::string>, std::set<std::string>> moved_on_;  // the same, left behind by migrations
    std::set<std::uint64_t> opened_;                          // epochs of rooms, as observed
    std::vector<std::string> events_;
    std::map<int, std::pair<std::uint64_t, std::uint64_t>> epochs_;  // room: its birth in the reference, its epoch
    std::set<std::uint64_t> old_epochs_;
    Time due_ = Time::max();
    std::size_t counter_ = 0;
    std::size_t depth_ = 0;
    std::size_t nested_left_ = 0;
    bool quiet_ = false;
    std::string fault_;
    std::deque<std::string> log_;
};

template <class Ids>
std::string World<Ids>::real(const Operation& op) {
    // Copies: a callback may renew them.
    const FakeConnection c = op.connection == none ? nullptr : sessions_[index(op.connection)];
    const FakeConnection other = op.other == none ? nullptr : sessions_[index(op.other)];
    const auto user = Ids::user(op.user);
    const auto room = Ids::room(op.room);
    Registry& registry = *registry_;
    switch (op.kind) {
        case Kind::renew: {
            sessions_[index(op.connection)] = fresh(op.connection);
            listeners_[index(op.connection)] = {};
            failing_[index(op.connection)] = false;
            const bool known = registry.disconnect(c);
            if (!setting_.reentrant) expect(c.use_count() == 1, "a disconnected connection's handle is kept");
            return known ? "true" : "false";
        }
        case Kind::disconnect: {
            const bool known = registry.disconnect(c);
            if (!setting_.reentrant) expect(c.use_count() == 2, "a disconnected connection's handle is kept");
            return known ? "true" : "false";
        }
        case Kind::stall: c->stall_on(op.n); break;
        case Kind::fail: c->fail_on(op.n); break;
        case Kind::throws: c->throw_on(op.n); break;
        case Kind::resume: c->release(); break;
        case Kind::writable: registry.writable(c); return {};
        case Kind::attach: {
            const auto result = op.user == none ? registry.attach(c) : registry.attach(c, user);
            if (result.status == roomcast::AttachStatus::refused) return "refused, " + std::string(to_string(result.refusal));
            return tests::enum_text(result.status);
        }
        case Kind::join: return real_join(op, c, other);
        case Kind::leave: return tests::enum_text(registry.leave(c, room, op.context));
        case Kind::leave_all: return std::to_string(registry.leave_all(c, op.context));
        case Kind::publish:
        case Kind::broadcast:
        case Kind::broadcast_all:
        case Kind::send_to_user:
        case Kind::send: return real_message(op, c, other);
        case Kind::kick_user: return std::to_string(registry.kick_user(user, op.reason).connections);
        case Kind::kick_connection: return std::to_string(registry.kick_connection(c, op.reason).connections);
        case Kind::kick_from: {
            const auto removal = registry.kick_from(room, user, op.reason, other ? &other : nullptr);
            return removal.permitted ? std::to_string(removal.connections) : "not permitted";
        }
        case Kind::close_room: return registry.close_room(room, op.reason) ? "true" : "false";
        case Kind::create_room: return tests::enum_text(registry.create_room(room, op.room_options));
        case Kind::lock_room: return registry.lock_room(room, op.flag) ? "true" : "false";
        case Kind::set_info: return registry.set_info(room, user, op.info) ? "true" : "false";
        case Kind::set_tags: return registry.set_tags(c, room, op.tags) ? "true" : "false";
        case Kind::advance: clock_.advance(op.time); return {};
        case Kind::poll: {
            Time next;
            std::size_t rounds = 0;
            do {
                due_ = Time::max();
                next = registry.poll();
                due_ = std::min(due_, next);
            } while (op.n != 0 && next <= clock_.now() && ++rounds < 1000);
            expect(rounds < 1000, "poll never comes to an end");
            return in_words(next, clock_.now());
        }
    }
    if (op.kind == Kind::stall || op.kind == Kind::resume) failing_[index(op.connection)] = false;
    else failing_[index(op.connection)] = true;
    return {};
}

template <class Ids>
std::string World<Ids>::real_join(const Operation& op, const FakeConnection& c, const FakeConnection& other) {
    const auto user = Ids::user(op.user);
    const auto room = Ids::room(op.room);
    typename Registry::Join join{.room = room, .history = op.n, .tags = op.tags, .may_migrate = op.flag,
                                 .replaces = other ? &other : nullptr, .info = op.info, .update_info = op.update_info,
                                 .context = op.context};
    if (op.user != none) join.user = user;
    if (op.since) {
        const auto position = registry_->position(room);
        join.since = roomcast::Position{(position ? position->epoch : 1) + (op.right_epoch ? 0 : 1), *op.since};
    }
    const roomcast::JoinResult result = registry_->join(c, join);
    if (!result) return "refused, " + std::string(to_string(result.refusal));
    return tests::enum_text(result.status);
}

template <class Ids>
std::string World<Ids>::real_message(const Operation& op, const FakeConnection& c, const FakeConnection& other) {
    const auto room = Ids::room(op.room);
    const FakeConnection* except = other ? &other : nullptr;
    const typename Registry::Publish publish{.own = op.own, .context = op.context, .require = op.require,
                                             .exclude = op.exclude, .numbered = op.flag};
    const typename Registry::Broadcast broadcast{.except = except, .require = op.require, .exclude = op.exclude,
                                                 .numbered = op.flag};
    if (op.by_handle) {
        auto& handle = handles_.try_emplace(op.room, registry_->room(room)).first->second;
        if (op.kind == Kind::publish) return tests::enum_text(handle.publish(c, op.payload, publish).delivery);
        if (op.kind == Kind::broadcast) return tests::enum_text(handle.broadcast(op.payload, broadcast));
    }
    switch (op.kind) {
        case Kind::publish: return tests::enum_text(registry_->publish(c, room, op.payload, publish).delivery);
        case Kind::broadcast: return tests::enum_text(registry_->broadcast(room, op.payload, broadcast));
        case Kind::broadcast_all: return std::to_string(registry_->broadcast_all(op.payload, broadcast));
        case Kind::send_to_user: return std::to_string(registry_->send_to_user(Ids::user(op.user), op.payload));
        default: break;
    }
    const auto message_class = op.flag ? roomcast::MessageClass::control : roomcast::MessageClass::normal;
    return registry_->send(c, op.payload, message_class) ? "true" : "false";
}

/// Follows who is where by what an observer is told.
template <class Ids>
void World<Ids>::observed(const EventText& e) {
    using roomcast::EventKind;
    const auto fault = [&](const char* what) { differ(std::string(what) + ": " + event_text(e)); };
    if (!setting_.reentrant) events_.push_back(event_text(e));
    if (e.kind == EventKind::room_opened && !opened_.insert(e.epoch).second) fault("a room was opened twice");
    if (e.kind == EventKind::room_closed && opened_.erase(e.epoch) != 1) fault("a room was closed that was not open");
    if (e.user.empty()) return;

    const bool by_user = setting_.options.membership == roomcast::Membership::one_room_per_user;
    auto& here = where_[{e.room, e.user}];
    if (e.kind == EventKind::left) {
        if (const auto behind = moved_on_.find({e.room, e.user}); behind != moved_on_.end()) {
            if (behind->second.erase(e.connection) != 1 || e.user_changed) fault("somebody was left behind wrongly");
            if (behind->second.empty()) moved_on_.erase(behind);
            for (auto& [place, connections] : where_)
                if (place.second == e.user) connections.erase(e.connection);
        } else {
            if (here.erase(e.connection) != 1) fault("somebody left who was not there");
            if (e.user_changed != here.empty()) fault("the last one left, or did not");
        }
    } else {
        if (e.user_changed != here.empty()) fault("the user was there already, or was not");
        if (!here.insert(e.connection).second) fault("somebody entered twice");
        moved_on_.erase({e.room, e.user});
    }
    if (e.kind == EventKind::migrated) {
        auto& there = where_[{e.from, e.user}];
        if (there.empty()) fault("a user migrated from where it was not");
        if (by_user) {
            // Who does not move is about to leave; `left` says so.
            there.erase(e.connection);
            if (!there.empty()) moved_on_[{e.from, e.user}] = there;
            if (setting_.options.others == roomcast::OtherDevices::follow) here.merge(there);
        } else if (there.erase(e.connection) != 1) {
            fault("a connection migrated from where it was not");
        }
    }
    std::erase_if(where_, [](const auto& entry) { return entry.second.empty(); });
    if (!by_user) return;
    const auto rooms = std::count_if(where_.begin(), where_.end(), [&](auto& entry) {
        return entry.first.second == e.user && !moved_on_.count(entry.first);
    });
    if (rooms > 1) fault("a user was seen in two rooms");
}

template <class Ids>
void World<Ids>::compare_outcome() {
    auto expected = reference_.take_events();
    auto told = std::exchange(events_, {});
    std::sort(expected.begin(), expected.end());
    std::sort(told.begin(), told.end());
    if (told != expected) {
        std::string text = "the observer was told\n";
        for (const auto& line : told) text += "    " + line + '\n';
        text += "  instead of\n";
        for (const auto& line : expected) text += "    " + line + '\n';
        differ(text);
    }
    for (int c = 0; c < connection_count(); ++c)
        compare_heard(c, sessions_[index(c)]->take_heard(), reference_.take_heard(c));
    const Time due = reference_.next_due();
    if (due_ > due) differ("no wake for " + in_words(due, clock_.now()) + ", only for " + in_words(due_, clock_.now()));
}

/// The order has to be the same, but between different rooms, of which no
/// order is promised.
template <class Ids>
void World<Ids>::compare_heard(int c, std::vector<Heard> heard, std::vector<Heard> expected) {
    if (heard != expected) {
        const auto order = [](std::vector<Heard> items) {
            const auto room = [](const Heard& item) {
                return item.kind == Heard::Kind::send ? Listener::subject(item.text) : std::string();
            };
            std::stable_sort(items.begin(), items.end(), [&](const Heard& a, const Heard& b) {
                if (room(a) != room(b)) return room(a) < room(b);  // the connection's own first
                return room(a) == Listener::any_room && a.text < b.text;
            });
            return items;
        };
        if (order(heard) != order(expected)) {
            std::string text = "c" + std::to_string(c) + " heard\n";
            for (const Heard& item : heard) text += "    " + in_words(item) + '\n';
            text += "  instead of\n";
            for (const Heard& item : expected) text += "    " + in_words(item) + '\n';
            differ(text);
        }
    }
    for (const Heard& item : heard)
        if (const auto fault = listeners_[index(c)].hear(item); !fault.empty())
            differ("c" + std::to_string(c) + " heard '" + item.text + "': " + fault);
}

template <class Ids>
bool World<Ids>::compare_all() {
    quiet_ = true;
    Registry& registry = *registry_;
    const auto same = [&](const std::string& question, const auto& answer, const auto& expected) {
        if (answer == expected) return;
        std::ostringstream text;
        text << question << ": " << Catch::Detail::stringify(answer) << " instead of " << Catch::Detail::stringify(expected);
        differ(text.str());
    };
    const auto sorted = [](auto names) {
        std::sort(names.begin(), names.end());
        return names;
    };
    same("count()", registry.count(), reference_.counts());
    for (int c = 0; c < connection_count(); ++c) {
        const auto& expected = reference_.connection(c);
        const FakeConnection& session = sessions_[index(c)];
        const std::string name = "c" + std::to_string(c);
        const bool open = expected.known && expected.step == Reference::Step::open;
        const auto user = registry.user_of(session);
        same("user_of " + name, user ? user_name(*user) : "", open && expected.user != none ? user_name(expected.user) : "");
        std::vector<std::string> rooms, expected_rooms;
        for (const auto& id : registry.rooms_of(session)) rooms.push_back(room_name(id));
        for (const auto& place : expected.places) expected_rooms.push_back(room_name(place.room));
        same("rooms_of " + name, sorted(rooms), sorted(expected_rooms));
        for (int r = 0; r < static_cast<int>(setting_.rooms); ++r)
            same("is_member " + name + ' ' + room_name(r), registry.is_member(session, Ids::room(r)), reference_.is_member(c, r));
    }
    for (int u = 0; u < static_cast<int>(setting_.users); ++u) {
        const auto expected = reference_.rooms_of_user(u);
        std::vector<std::string> rooms, expected_rooms;
        for (const auto& id : registry.rooms_of_user(Ids::user(u))) rooms.push_back(room_name(id));
        for (const int r : expected) expected_rooms.push_back(room_name(r));
        same("rooms_of_user " + user_name(u), sorted(rooms), sorted(expected_rooms));
        same("room_of " + user_name(u), registry.room_of(Ids::user(u)).has_value(), !expected.empty());
    }
    using Row = std::tuple<std::size_t, std::string, std::size_t>;  // in the order of top_rooms
    std::vector<Row> all_rooms;
    for (int r = 0; r < static_cast<int>(setting_.rooms); ++r) {
        compare_room(r, same);
        if (reference_.room(r)) {
            const Counts counts = reference_.counts(r);
            all_rooms.emplace_back(setting_.users - counts.users, room_name(r), counts.connections);
        }
    }
    same("room_count()", registry.room_count(), all_rooms.size());
    std::sort(all_rooms.begin(), all_rooms.end());
    const std::size_t most = random_.below(setting_.rooms + 2);
    std::vector<Row> top;
    for (const auto& row : registry.top_rooms(most))
        top.emplace_back(setting_.users - row.users, room_name(row.room), row.connections);
    all_rooms.resize(std::min(all_rooms.size(), most));
    same("top_rooms " + std::to_string(most), top, all_rooms);

    const auto statistics = registry.statistics();
    const auto& expected = reference_.statistics();
    same("statistics().overloaded", statistics.overloaded == 0 || setting_.reentrant, true);
    if (!setting_.reentrant) {
        same("statistics().messages", statistics.messages, expected.messages);
        same("statistics().not_encoded", statistics.not_encoded, expected.not_encoded);
        same("statistics().dropped", statistics.dropped, expected.dropped);
        same("statistics().slow_consumers", statistics.slow_consumers, expected.slow_consumers);
        same("statistics().broken_connections", statistics.broken_connections, expected.broken_connections);
        same("statistics().forced_closes", statistics.forced_closes, expected.forced_closes);
        same("statistics().terminated", statistics.terminated, expected.terminated);
    }
    same("the rooms that the observer knows", opened_.size(), reference_.room_count());
    std::map<std::pair<std::string, std::string>, std::set<std::string>> where;
    for (int c = 0; c < connection_count(); ++c)
        for (const auto& place : reference_.connection(c).places)
            where[{room_name(place.room), user_name(reference_.connection(c).user)}].insert("c" + std::to_string(c));
    same("who is where by what the observer was told", where_ == where, true);
    quiet_ = false;
    return fault_.empty();
}

template <class Ids>
template <class Same>
void World<Ids>::compare_room(int r, const Same& same) {
    Registry& registry = *registry_;
    const auto id = Ids::room(r);
    const std::string name = room_name(r);
    const auto& expected = reference_.room(r);
    const auto position = registry.position(id);
    same("position " + name + " is there", position.has_value(), expected.has_value());
    const auto count = registry.count(id);
    same("count " + name, count.value_or(Counts{99, 99}), expected ? reference_.counts(r) : Counts{99, 99});
    if (!expected || !position) return;
    if (!setting_.reentrant) {
        same("the last number of " + name, position->seq, expected->seq);
        const auto known = epochs_.find(r);
        if (known != epochs_.end() && known->second.first == expected->born) {
            same("the epoch of " + name, position->epoch, known->second.second);
        } else {
            epochs_[r] = {expected->born, position->epoch};
            same("the epoch of " + name + " is new", old_epochs_.insert(position->epoch).second, true);
        }
    }
    if (!setting_.reentrant || setting_.options.room.keep_empty) {
        const auto creator = registry.creator(id);
        same("creator " + name, creator ? user_name(*creator) : "", expected->creator == none ? "" : user_name(expected->creator));
    }
    using Row = std::tuple<std::string, int, std::vector<std::string>>;
    std::vector<Row> rows, expected_rows;
    std::size_t page = 0;
    do {
        const auto members = registry.members(id, page, 1 + random_.below(8));
        for (const auto& member : members.members) {
            std::vector<std::string> connections;
            for (const FakeConnection& c : member.connections) connections.push_back(c->name());
            same("the count of " + name + "'s member " + user_name(member.user), member.connection_count, connections.size());
            rows.emplace_back(user_name(member.user), member.info->value, connections);
        }
        page = members.next;
    } while (page != 0);
    for (int u = 0; u < static_cast<int>(setting_.users); ++u) {
        const auto member = expected->members.find(u);
        const bool there = member != expected->members.end();
        same("is_member " + user_name(u) + ' ' + name, registry.is_member(Ids::user(u), id), there);
        const auto info = registry.info(id, Ids::user(u));
        same("info " + name + ' ' + user_name(u), info ? info->value : none, there ? member->second.info : none);
        if (!there) continue;
        std::vector<std::string> connections;
        for (const int c : member->second.connections) connections.push_back("c" + std::to_string(c));
        expected_rows.emplace_back(user_name(u), member->second.info, connections);
    }
    std::sort(rows.begin(), rows.end());
    std::sort(expected_rows.begin(), expected_rows.end());
    same("members " + name, rows == expected_rows, true);
}

/// Half of the worlds end by shutdown, the others as their people go.
template <class Ids>
bool World<Ids>::finish() {
    quiet_ = true;
    Registry& registry = *registry_;
    std::vector<std::weak_ptr<FakeSession>> sessions(sessions_.begin(), sessions_.end());
    if (random_.one_in(2)) {
        const std::size_t open = registry.count().connections;
        const std::size_t batch = 1 + random_.below(4);
        bool rooms_end = false;  // meanwhile, and their connections with them
        for (int r = 0; r < static_cast<int>(setting_.rooms); ++r)
            rooms_end = rooms_end || (reference_.room(r) && (reference_.room(r)->options.ends_at || reference_.room(r)->options.idle.count() > 0));
        registry.shutdown({CloseCode::restarting, "restarting"}, batch, milliseconds(5));
        expect(registry.join(sessions_[0], {.user = Ids::user(0), .room = Ids::room(0)}).refusal == Refusal::shutting_down,
               "a newcomer was let in while shutting down");
        std::size_t gone = 0;
        for (int i = 0; i < 1000; ++i) {
            const std::size_t before = registry.count().connections;
            const Time next = registry.poll();
            const std::size_t removed = before - registry.count().connections;
            expect(removed <= batch || rooms_end, "shutdown removes more than its batch");
            gone += removed;
            if (next == Time::max()) break;
            clock_.advance_to(next);
        }
        expect(gone == open, "shutdown does not remove all");
        for (const FakeConnection& session : sessions_) {
            session->release();
            expect(!registry.disconnect(session), "a connection is still known after shutdown");
        }
    } else {
        for (const FakeConnection& session : sessions_) registry.disconnect(session);
        for (int r = 0; r < static_cast<int>(setting_.rooms); ++r) registry.close_room(Ids::room(r));
        while (registry.poll() <= clock_.now()) {}
    }
    for (int r = 0; r < static_cast<int>(setting_.rooms); ++r) registry.close_room(Ids::room(r));
    expect(registry.count() == Counts{}, "somebody is left");
    expect(registry.room_count() == 0, "a room is left");
    expect(where_.empty() && opened_.empty(), "the observer was not told of all that ended");
    sessions_.clear();
    for (const auto& session : sessions) expect(session.expired(), "a handle is left");
    return fault_.empty();
}

}  // namespace model
