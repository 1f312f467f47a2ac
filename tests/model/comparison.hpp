// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "model/world.hpp"

/// What both sides did, told and know.
namespace model {

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
    Counts all = reference_.counts();
    all.connections += setting_.bursts;  // the host's own
    same("count()", registry.count(), all);
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
    std::size_t closing = 0;
    for (int c = 0; c < connection_count(); ++c)
        closing += reference_.connection(c).known && reference_.connection(c).step != Reference::Step::open;
    if (!setting_.reentrant) {
        same("statistics().closing", statistics.closing, closing);
        same("statistics().overloaded", statistics.overloaded, expected.overloaded);
        same("statistics().replaced", statistics.replaced, expected.replaced);
        same("statistics().rate_limited", statistics.rate_limited, expected.rate_limited);
        same("statistics().messages", statistics.messages, expected.messages);
        same("statistics().not_encoded", statistics.not_encoded, expected.not_encoded);
        same("statistics().dropped", statistics.dropped, expected.dropped);
        same("statistics().slow_consumers", statistics.slow_consumers, expected.slow_consumers);
        same("statistics().broken_connections", statistics.broken_connections, expected.broken_connections);
        same("statistics().forced_closes", statistics.forced_closes, expected.forced_closes);
        same("statistics().terminated", statistics.terminated, expected.terminated);
    }
    same("the rooms that the observer knows", whereabouts_.room_count(), reference_.room_count());
    typename decltype(whereabouts_)::Places where;
    for (int c = 0; c < connection_count(); ++c)
        for (const auto& place : reference_.connection(c).places)
            where[{room_name(place.room), user_name(reference_.connection(c).user)}].insert("c" + std::to_string(c));
    same("who is where by what the observer was told", whereabouts_.places() == where, true);
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
        if (known != epochs_.end() && known->second.first == expected->epoch) {
            same("the epoch of " + name, position->epoch, known->second.second);
        } else {
            epochs_[r] = {expected->epoch, position->epoch};
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
        same("has_member " + name + ' ' + user_name(u), registry.has_member(id, Ids::user(u)), there);
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
    registry.disconnect(host_connection_);
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
            const auto ended_meanwhile = [&] {
                const auto statistics = registry.statistics();
                return statistics.slow_consumers + statistics.broken_connections;
            };
            const std::size_t before = registry.count().connections;
            const auto ended_before = ended_meanwhile();
            const Time next = registry.poll();
            const std::size_t removed = before - registry.count().connections;
            expect(removed <= batch + ended_meanwhile() - ended_before || rooms_end, "shutdown removes more than its batch");
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
    expect(registry.statistics().memory == 0, "what waits for nobody still counts as memory");
    expect(whereabouts_.empty(), "the observer was not told of all that ended");
    sessions_.clear();
    for (const auto& session : sessions) expect(session.expired(), "a handle is left");
    return fault_.empty();
}

}  // namespace model
