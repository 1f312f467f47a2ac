// SPDX-License-Identifier: MIT
#include "simulation/scheduler.hpp"

#include "simulation/witness.hpp"

#include <algorithm>

namespace simulation {

using roomcast::Position;

void Witness::fail(const std::string& what) const { Scheduler::current().fail(what); }

void Witness::fail(std::size_t session, const Word& word, const std::string& what) const {
    fail(what + ": c" + std::to_string(session) + " hears " + name_of(word.say) + " r" +
         std::to_string(word.room) + " #" + std::to_string(word.id) + ", number " + std::to_string(word.seq));
}

std::size_t Witness::add_session(std::size_t user, bool tagged) {
    const std::size_t session = sessions_.size();
    sessions_.push_back({.user = user, .tagged = tagged});
    for (const Ending& ending : endings_)
        if (ending.under_way) at_each_place(ending, session, [&](Place& place) { may_end(ending, place); });
    return session;
}
std::uint32_t Witness::add_message(const Sent& sent) {
    messages_.push_back(sent);
    return static_cast<std::uint32_t>(messages_.size() - 1);
}
std::uint32_t Witness::add_request(Asked asked, std::size_t session, std::size_t room) {
    requests_.push_back({asked, session, room});
    return static_cast<std::uint32_t>(requests_.size() - 1);
}
void Witness::join_begins(std::size_t session, std::size_t room) {
    const std::size_t user = sessions_[session].user;
    ++joins_begun_[user];
    ++sessions_[session].joins;
    sessions_[session].revived |= sessions_[session].disconnecting;
    for (Session& s : sessions_) {
        if (s.user != user) continue;
        s.places[room].over = false;
        s.places[room].after = 0;
    }
}
void Witness::join_is_over(std::size_t session) {
    ++joins_over_[sessions_[session].user];
    --sessions_[session].joins;
}
void Witness::disconnect_begins(std::size_t session) {
    sessions_[session].disconnecting = true;
    sessions_[session].revived |= sessions_[session].joins != 0;
}
void Witness::disconnected(std::size_t session, EndingId id) {
    sessions_[session].disconnected = true;
    sessions_[session].revived |= !stays_ended(endings_[id], session);
}

Witness::EndingId Witness::ending_begins(Ending ending) {
    ending.joins = joins_begun_;
    for (std::size_t user = 0; user < ending.joins.size(); ++user)
        if (joins_begun_[user] != joins_over_[user] + (ending.join ? 1 : 0)) ending.joins[user] = 0;
    for (std::size_t s = 0; s < sessions_.size(); ++s)
        at_each_place(ending, s, [&](Place& place) { may_end(ending, place); });
    endings_.push_back(std::move(ending));
    return endings_.size() - 1;
}
void Witness::ended(EndingId id) {
    Ending& ending = endings_[id];
    ending.under_way = false;
    for (std::size_t s = 0; s < sessions_.size(); ++s) {
        if (!stays_ended(ending, s)) continue;
        at_each_place(ending, s, [](Place& place) {
            if (place.over) return;
            place.over = true;
            place.over_by = Scheduler::current().thread();
            place.after = 0;
        });
    }
}
void Witness::withdrawn(EndingId id) {
    Ending& ending = endings_[id];
    ending.under_way = false;
    for (std::size_t s = 0; s < sessions_.size(); ++s)
        at_each_place(ending, s, [&](Place& place) {
            --place.endings;
            place.leaves -= ending.leave;
            if (place.strays > place.endings) fail("c" + std::to_string(s) + " heard of a room where it is not");
        });
}

void Witness::encoded(const Word& payload, Position position) {
    if (payload.say == Say::message && position.seq != 0) numbers_[{position.epoch, position.seq}] = payload.id;
}

void Witness::answered(std::uint32_t id, Say how) {
    Request& request = requests_[id];
    const bool overtaken = how == Say::not_joined && request.how == Say::joined;  // while it was put into words
    request.how = how;
    if (!overtaken && ++request.answered > 1 && id != 0) fail("request #" + std::to_string(id) + " is answered twice");
}

void Witness::replayed(std::size_t room, Position position, const Position* since, bool recovered,
                       const std::vector<std::pair<std::uint64_t, std::uint32_t>>& entries) {
    const std::string where = "the history of r" + std::to_string(room);
    std::uint64_t next = position.seq + 1 - entries.size();
    for (const auto& [seq, id] : entries) {
        if (seq != next++) fail(where + " has a hole, or does not end with the last number");
        const auto found = numbers_.find({position.epoch, seq});
        if (id != 0 && found != numbers_.end() && found->second != id) fail(where + " has another message under a number");
    }
    if (!since) return;
    const bool complete = since->epoch == position.epoch && since->seq + entries.size() == position.seq;
    if (recovered != complete) fail(where + (recovered ? " is not all, but says so" : " is all, and denies it"));
}

Witness::Meant Witness::meant(std::size_t session, std::uint32_t id) const {
    const Sent& sent = messages_[id];
    if (sent.except == session || (sent.require_tag && !sessions_[session].tagged)) return Meant::never;
    if (sent.perhaps_except == session || (sent.publisher == session && !sent.echo)) return Meant::perhaps;
    return Meant::surely;
}

std::pair<std::size_t, std::size_t> Witness::missed(std::size_t session, std::uint64_t epoch, std::uint64_t first,
                                                    std::uint64_t last) const {
    std::pair<std::size_t, std::size_t> count{};
    for (std::uint64_t seq = first; seq <= last; ++seq) {
        const auto found = numbers_.find({epoch, seq});
        if (found == numbers_.end()) continue;  // nobody was there to encode it for
        const Meant how = meant(session, found->second);
        count.first += how == Meant::surely;
        count.second += how == Meant::perhaps;
    }
    return count;
}

void Witness::send_begins(std::size_t session, int thread, std::string_view bytes) {
    Session& s = sessions_[session];
    if (!s.revived && (s.closed || s.terminated || s.disconnected) && ++s.sends_after_close[static_cast<std::size_t>(thread + 1)] > 1)
        fail("c" + std::to_string(session) + " is sent to after its end");
    const Word word = word_of(bytes);
    const bool traffic = word.say == Say::message || word.say == Say::gap || word.say == Say::presence ||
                         word.say == Say::deleted || word.say == Say::reset;
    if (!traffic && word.say != Say::joined) return;
    Place& place = s.places[word.room];
    // A gap that is being put into words was chosen; that it was in waits on for a slow reader.
    const bool may_follow = word.say == Say::gap || (word.say == Say::joined && (s.was_busy || place.leaves != 0));
    if (place.over && place.over_by == thread && !may_follow)
        fail(session, word, "the thread that ended a membership sends to it");
    if (traffic && place.over && ++place.after > 1) fail(session, word, "more than one send begins after a removal has returned");
}

void Witness::accepted(std::size_t session, std::string_view bytes) {
    for (std::size_t i = 0; i < count_words(bytes); ++i) hear(session, word_of(bytes, i));
}

void Witness::hear(std::size_t session, const Word& word) {
    Session& s = sessions_[session];
    if (s.farewelled && !s.revived) return fail(session, word, "something comes after the farewell");
    const auto answer = [&] {
        if (word.id != 0 && ++requests_[word.id].heard > 1) fail(session, word, "an answer comes twice");
    };
    const auto within = [&](Place& place) {
        if (!place.in) stray(session, place, word);
    };
    switch (word.say) {
        case Say::message: hear_message(session, word); break;
        case Say::joined: answer(); hear_joined(session, word); break;
        case Say::moved: break;
        case Say::left:
            answer();
            leave_heard(s.places[word.room], word);
            break;
        case Say::removed: leave_heard(s.places[word.room], word); break;
        case Say::farewell: s.farewelled = true; break;
        case Say::gap: {
            Place& place = s.places[word.room];
            if (!place.in || word.life != place.life) return stray(session, place, word);
            if (word.seq <= place.last || word.last < word.seq) return fail(session, word, "a gap of what was heard");
            if (missed(session, place.epoch, place.last + 1, word.seq - 1).first != 0)
                fail(session, word, "a gap begins too late");
            const auto [surely, perhaps] = missed(session, place.epoch, word.seq, word.last);
            if (word.dropped < surely || word.dropped > surely + perhaps) fail(session, word, "a gap counts wrongly");
            place.last = word.last;
            break;
        }
        case Say::published:
        case Say::not_published:
        case Say::not_joined: answer(); break;
        case Say::presence:
        case Say::deleted: within(s.places[word.room]); break;
        case Say::reset: {
            Place& place = s.places[word.room];
            if (!place.in || word.epoch < place.epoch) return stray(session, place, word);
            place.epoch = word.epoch;
            place.last = 0;
            break;
        }
        case Say::direct: {
            std::uint32_t& last = s.last_direct[word.room];
            if (word.id <= last) fail(session, word, "what one thread sends changes its order");
            last = word.id;
        }
    }
}

/// The end of an earlier room of that name may be told after the join to the
/// next, since each room has an order of its own.
void Witness::leave_heard(Place& place, const Word& word) {
    if (place.life == word.life) place.in = false;
}

void Witness::stray(std::size_t session, Place& place, const Word& word) {
    if (++place.strays > place.endings) fail(session, word, "it is not there");
}

void Witness::hear_message(std::size_t session, const Word& word) {
    Place& place = sessions_[session].places[word.room];
    const Sent& sent = messages_[word.id];
    if (meant(session, word.id) == Meant::never) fail(session, word, "it was not meant for it");
    if (word.own && sent.publisher != session) fail(session, word, "it was meant for another");
    if (!place.in || (word.seq != 0 && word.epoch != place.epoch)) return stray(session, place, word);
    if (word.seq == 0) return;
    if (place.torn) fail(session, word, "a message is missing before it joined again");
    const auto found = numbers_.find({word.epoch, word.seq});
    if (found == numbers_.end() || found->second != word.id) fail(session, word, "two messages have one number");
    if (word.seq <= place.last) return fail(session, word, "out of order, or twice");
    if (missed(session, place.epoch, place.last + 1, word.seq - 1).first != 0)
        fail(session, word, "a message is missing before it (" + std::to_string(place.last) + " was the last)");
    if (sent.publisher == session && sent.request != 0 && requests_[sent.request].heard == 0)
        fail(session, word, "a message comes before the answer to its publisher");
    place.last = word.seq;
}

void Witness::hear_joined(std::size_t session, const Word& word) {
    Session& s = sessions_[session];
    Place& place = s.places[word.room];
    // Of an earlier room of that name: a send that was under way.
    if (word.epoch < place.epoch && word.life != place.life) return stray(session, place, word);
    if (place.in && place.endings == 0 && !s.revived) {
        const bool back = word.epoch != place.epoch ? word.epoch < place.epoch : word.seq < place.last;
        if (back) fail(session, word, "it begins anew where it was");
        // Of a slow reader that is removed both answers wait on, and nothing between.
        place.torn |= word.epoch != place.epoch || missed(session, place.epoch, place.last + 1, word.seq).first != 0;
    } else {
        if (place.in && word.epoch == place.epoch && word.seq < place.last) fail(session, word, "it goes back");
        place.torn = false;
    }
    place.in = true;
    place.life = word.life;
    place.epoch = word.epoch;
    place.last = word.seq;
}

void Witness::closes(std::size_t session) {
    Session& s = sessions_[session];
    if (!s.revived && (s.closed || s.terminated)) fail("c" + std::to_string(session) + " is closed twice, or after its end");
    s.closed = true;
}
void Witness::terminates(std::size_t session) {
    Session& s = sessions_[session];
    if (!s.revived && s.terminated) fail("c" + std::to_string(session) + " is terminated twice");
    s.terminated = true;
    s.revived |= s.joins != 0;
}

void Witness::observed_begins() {
    if (observing_) fail("two threads tell the observer at once");
    observing_ = true;
}
void Witness::observed_ends(const Whereabouts::Told& told) {
    if (const auto fault = whereabouts_.hear(told); !fault.empty())
        fail(std::string(fault) + ": c" + std::to_string(told.connection) + " r" + std::to_string(told.room));
    observing_ = false;
}

void Witness::check_open(std::size_t session, const std::array<bool, rooms>& member,
                         const std::array<Position, rooms>& positions) {
    const Session& s = sessions_[session];
    const std::string who = "c" + std::to_string(session);
    if (s.revived) return;
    if (s.closed || s.terminated || s.farewelled) fail(who + " was closed, and is open");
    for (std::size_t r = 0; r < rooms; ++r) {
        const Place& place = s.places[r];
        const std::string where = who + " in r" + std::to_string(r);
        // Who moved on and was removed before it was told hears of that removal alone.
        const bool untold = !place.in ? member[r] : !member[r] && (!one_room_ || place.endings == 0);
        if (untold) fail(where + (member[r] ? " was never told" : " was not told of its end"));
        if (!member[r] || !place.in) continue;
        if (place.torn) fail(where + " misses what came before it joined again");
        if (place.epoch != positions[r].epoch || place.last > positions[r].seq) fail(where + " is in another log");
        else if (missed(session, place.epoch, place.last + 1, positions[r].seq).first != 0)
            fail(where + " misses what came after number " + std::to_string(place.last));
    }
}

void Witness::check_requests(const std::vector<bool>& open) {
    for (std::size_t i = 1; i < requests_.size(); ++i) {
        const Request& request = requests_[i];
        const std::string which = "request #" + std::to_string(i);
        if (!request.taken && request.answered != 0) fail(which + " was refused, and is answered");
        if (!request.taken) continue;
        const bool is_open = open[request.session] && !sessions_[request.session].revived;
        const bool always = request.asked == Asked::publish || is_open;
        if (always && request.answered != 1) fail(which + " was taken, and is never answered");
        // A slow reader may lose the answer to a join that has ended since.
        const Session& session = sessions_[request.session];
        const bool may_go = request.asked == Asked::join && session.was_busy && session.places[request.room].endings != 0;
        if (is_open && request.heard == 0 && !may_go) fail(which + ": its answer does not arrive");
    }
}

void Witness::check_whereabouts(std::size_t room, const std::vector<std::size_t>& sessions) {
    std::vector<std::size_t> told;
    for (const auto& [at, connections] : whereabouts_.places())
        if (at.first == room) told.insert(told.end(), connections.begin(), connections.end());
    std::sort(told.begin(), told.end());
    if (told != sessions) fail("observers know of others in r" + std::to_string(room) + " than the registry");
}

void Witness::check_nothing_left() {
    if (!whereabouts_.empty()) fail("observers were not told of the end of somebody, or of a room");
}

}  // namespace simulation
