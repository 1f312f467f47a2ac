// SPDX-License-Identifier: MIT
#include "simulation/world.hpp"

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>

namespace simulation {

using namespace std::chrono_literals;
using roomcast::CloseCode;
using roomcast::JoinStatus;
using roomcast::Membership;
using roomcast::MessageClass;
using roomcast::Position;

namespace {

constexpr std::size_t users = 2;

Random& random() { return Scheduler::current().random(); }
void note(const char* what, std::uint64_t detail = ~std::uint64_t{0}) { Scheduler::current().note(what, detail); }
std::size_t thread_index() { return static_cast<std::size_t>(Scheduler::current().thread() + 1); }
void fail(std::string what) { Scheduler::current().fail(std::move(what)); }
User user_at(std::size_t i) { return static_cast<User>(i); }
RoomName room_at(std::size_t i) { return static_cast<RoomName>(i); }

}  // namespace

World::Registry::Options World::draw_options(Membership membership) {
    Random& r = random();
    Registry::Options options{.membership = membership};
    options.others = r.pick(roomcast::OtherDevices::evict, roomcast::OtherDevices::follow);
    options.last_room = r.pick(roomcast::LastRoom::by_membership, roomcast::LastRoom::close, roomcast::LastRoom::keep);
    if (r.one_in(6)) options.max_devices = 1 + r.below(2);
    options.devices = r.pick(roomcast::DeviceLimit::newest_wins, roomcast::DeviceLimit::refuse);
    options.grace = r.pick(0ms, 3ms);
    options.close_timeout = r.pick(0ms, 3ms);
    options.turn_sends = r.pick(1u, 2u, 3u, 100u);
    options.max_queued = r.pick(2u, 64u);
    options.outbox_messages = r.pick(1u, 2u, 64u);
    options.outbox_control_messages = r.one_in(8) ? 2 : 64;
    options.batch_messages = r.pick(2u, 64u);
    options.room.slow_readers = r.pick(roomcast::SlowReaders::drop_oldest, roomcast::SlowReaders::drop_newest,
                                       roomcast::SlowReaders::disconnect);
    options.room.batch_window = r.pick(0ms, 0ms, 5ms);
    options.room.history = r.pick(0u, 3u);
    options.room.linger = r.pick(0ms, 0ms, 4ms);
    options.room.presence = r.pick(0ms, 0ms, 5ms);
    options.room.presence_names = r.pick(0u, 8u);
    return options;
}

World::World(Membership membership)
    : options_(draw_options(membership)), witness_(membership, options_.others), threads_(2 + random().below(3)),
      reentrant_one_in_(random().one_in(4) ? 6 : 0), harmless_(random().one_in(8)),
      registry_(
          [this] {
              Registry::Options options = options_;
              options.wake = [this](Time time) {
                  host_.called("wake");
                  host_.due = std::min(host_.due, time);
              };
              return options;
          }(),
          {.clock = Scheduler::current().clock()}),
      handles_{registry_.room(room_at(0)), registry_.room(room_at(1))} {
    static_assert(rooms == 2);
    Session::host = &host_;
    if (reentrant_one_in_ != 0) host_.call_back = [this] { call_back(); };
}

World::~World() = default;

void World::prepare() {
    for (std::size_t i = 0; i < slots_.size(); ++i) {
        slots_[i] = Connection();
        if (!random().one_in(4)) join(i, random().below(rooms));
    }
    if (random().one_in(2)) broadcast(random().below(rooms));
    if (random().one_in(2)) poll();
}

void World::work() {
    for (std::size_t left = 1 + random().below(4); left > 0; --left) step();
}

void World::step() {
    const std::size_t slot = random().below(slots_.size());
    const std::size_t room = random().below(rooms);
    switch (random().below(24)) {
        case 0:
        case 1:
        case 2:
        case 3:
        case 4: join(slot, room); break;
        case 5:
        case 6: leave(slot, room); break;
        case 7:
            if (slots_[slot]) disconnect(Connection(slots_[slot]));
            break;
        case 8:
        case 9:
        case 10: publish(slot, room); break;
        case 11:
        case 12:
        case 13: broadcast(room); break;
        case 14: send_directly(slot); break;
        case 15:
        case 16: kick(); break;
        case 17: close(room); break;
        case 18: {
            note("delete", about(nobody, room));
            registry_.delete_message(room_at(room), 1 + random().below(3));
            break;
        }
        case 19: {
            if (!random().one_in(3)) return ask();
            note("reset", about(nobody, room));
            registry_.reset(room_at(room));
            break;
        }
        case 20:
        case 21: become_writable(); break;
        case 22: poll(); break;
        default: shut_down();
    }
}

void World::call_back() {
    if (host_.calm || called_back_[thread_index()] || !random().one_in(reentrant_one_in_)) return;
    const std::size_t thread = thread_index();
    called_back_[thread] = true;
    note("calls back");
    step();
    called_back_[thread] = false;
}

void World::join(std::size_t slot, std::size_t room) {
    Connection old;
    if (!slots_[slot] || slots_[slot]->gone) {
        if (witness_.sessions() == most_sessions) return;
        const std::size_t user = slot % users;
        const std::size_t id = witness_.add_session(user, slot < 2);
        const Temper temper = random().pick(Temper::steady, Temper::slow, Temper::slow, Temper::fragile);
        old = std::exchange(slots_[slot], Connection(std::make_shared<Session>(
                                              host_, id, user, harmless_ ? Temper::steady : temper,
                                              random().one_in(3) ? 1 : 0)));
        all_.emplace_back(slots_[slot]);
    }
    const Connection c = slots_[slot];
    const std::size_t id = c->id;
    const std::uint32_t request = witness_.add_request(Asked::join, id, room);
    note("join", about(id, room, request));
    witness_.join_begins(id, room);
    Witness::Ending migration{.user = c->user, .rooms_mask = all_rooms & ~(1u << room), .join = true};
    if (options_.membership == Membership::one_room_per_connection) migration.session = id;
    if (options_.membership == Membership::many_rooms) migration.rooms_mask = 0;
    const auto ending = witness_.ending_begins(migration);
    Registry::Join how{.user = user_at(c->user), .room = room_at(room), .history = random().below(3),
                       .tags = slot < 2 ? 1u : 0u, .info = Kept(request), .context = Kept(request)};
    if (const Position last = witness_.last_heard(id, room); last.epoch != 0 && random().one_in(2)) {
        how.since = last;
        witness_.asks_since(request, last);
    }
    const auto result = registry_.join(c, std::move(how));
    note(result ? "is in" : "is refused", about(id, room));
    if (result) witness_.taken(request);
    if (result) c->known = true;
    result.status == JoinStatus::migrated ? witness_.ended(ending) : witness_.withdrawn(ending);
    witness_.join_is_over(id);
}

void World::leave(std::size_t slot, std::size_t room) {
    if (harmless_ || !slots_[slot]) return;
    const Connection c = slots_[slot];
    const std::uint32_t request = witness_.add_request(Asked::leave, c->id, room);
    note("leave", about(c->id, room, request));
    const auto ending = witness_.ending_begins({.session = c->id, .rooms_mask = 1u << room, .leave = true});
    if (registry_.leave(c, room_at(room), Kept(request)) != roomcast::LeaveStatus::left)
        return witness_.withdrawn(ending);
    note("has left", about(c->id, room));
    witness_.taken(request);
    witness_.ended(ending);
}

void World::disconnect(const Connection& c) {
    if (harmless_ && !host_.calm) return;
    note("disconnect", about(c->id));
    c->gone = true;
    witness_.disconnect_begins(c->id);
    const auto ending = witness_.ending_begins({.session = c->id});
    if (!registry_.disconnect(c)) return witness_.withdrawn(ending);
    note("is gone", about(c->id));
    witness_.disconnected(c->id, ending);
    witness_.ended(ending);
}

Word World::new_message(const Sent& sent) {
    const std::uint32_t id = witness_.add_message(sent);
    return {.say = Say::message, .room = static_cast<std::uint8_t>(sent.room), .id = id};
}
MessageClass World::draw_class(bool numbered) {
    if (!numbered && random().one_in(4)) return MessageClass::control;
    return random().pick(MessageClass::normal, MessageClass::normal, MessageClass::paid, MessageClass::bulk);
}

void World::publish(std::size_t slot, std::size_t room) {
    if (!slots_[slot]) return;
    const Connection c = slots_[slot];
    const bool numbered = !random().one_in(5);
    Sent sent{.room = room, .publisher = c->id, .echo = !random().one_in(6), .require_tag = random().one_in(8),
              .encodable = !random().one_in(16)};
    if (numbered) sent.request = witness_.add_request(Asked::publish, c->id, room);
    Word word = new_message(sent);
    note("publish", about(c->id, room, word.id));
    Registry::Publish how{.echo = sent.echo, .context = Kept(sent.request), .require = sent.require_tag ? 1u : 0u,
                          .numbered = numbered, .message_class = draw_class(numbered)};
    const roomcast::Frame payload = word.frame();
    if (random().one_in(6)) {
        word.own = true;
        how.own = word.frame();
    }
    const auto result = registry_.publish(c, room_at(room), payload, std::move(how));
    note(result ? "is published" : "is not published", about(c->id, room, word.id));
    if (result && numbered) witness_.taken(sent.request);
}

void World::broadcast(std::size_t room) {
    const bool numbered = !random().one_in(4);
    Sent sent{.room = room, .require_tag = random().one_in(8), .encodable = !random().one_in(16)};
    Connection except;
    if (random().one_in(5)) except = slots_[random().below(slots_.size())];
    if (except) (except->known && !except->gone ? sent.except : sent.perhaps_except) = except->id;
    const Word word = new_message(sent);
    note("broadcast", about(nobody, room, word.id));
    const Registry::Broadcast how{.except = except ? &except : nullptr, .require = sent.require_tag ? 1u : 0u,
                                  .numbered = numbered, .message_class = draw_class(numbered),
                                  .key = !numbered && random().one_in(2) ? 1u : 0u};
    const auto delivery = random().one_in(2) ? handles_[room].broadcast(word.frame(), how)
                                             : registry_.broadcast(room_at(room), word.frame(), how);
    note(taken(delivery) ? "is broadcast" : "is not broadcast", about(nobody, room, word.id));
}

void World::send_directly(std::size_t slot) {
    const std::size_t thread = thread_index();
    if (called_back_[thread]) return;  // it may overtake the one that calls back
    const Word word{.say = Say::direct, .room = static_cast<std::uint8_t>(thread), .id = ++directs_[thread]};
    const auto how = random().pick(MessageClass::control, MessageClass::normal);
    if (random().one_in(2)) {
        note("send to user", about(nobody, nowhere, slot % users));
        registry_.send_to_user(user_at(slot % users), word.frame(), how);
    } else if (slots_[slot]) {
        const Connection c = slots_[slot];
        note("send directly", about(c->id));
        registry_.send(c, word.frame(), how);
    }
}

void World::kick() {
    if (harmless_) return;
    const std::size_t user = random().below(users);
    const std::size_t room = random().below(rooms);
    const roomcast::CloseReason reason{CloseCode::removed_from_room, "kicked"};
    switch (random().below(3)) {
        case 0: {
            note("kick user", about(nobody, nowhere, user));
            const auto ending = witness_.ending_begins({.user = user});
            const auto removal = registry_.kick_user(user_at(user), reason);
            witness_.ended(ending);
            if (!removal) witness_.withdrawn(ending);
            break;
        }
        case 1: {
            const Connection c = slots_[random().below(slots_.size())];
            if (!c) return;
            note("kick", about(c->id));
            const auto ending = witness_.ending_begins({.session = c->id});
            registry_.kick_connection(c, reason) ? witness_.ended(ending) : witness_.withdrawn(ending);
            break;
        }
        default: {
            note("kick user from", about(nobody, room, user));
            const auto ending = witness_.ending_begins({.user = user, .rooms_mask = 1u << room});
            const auto removal = registry_.kick_from(room_at(room), user_at(user), reason);
            removal ? witness_.ended(ending) : witness_.withdrawn(ending);
        }
    }
    note("is kicked");
}

void World::close(std::size_t room) {
    if (harmless_) return;
    note("close room", about(nobody, room));
    const auto ending = witness_.ending_begins({.rooms_mask = 1u << room});
    registry_.close_room(room_at(room)) ? witness_.ended(ending) : witness_.withdrawn(ending);
    note("is closed", about(nobody, room));
}

void World::shut_down() {
    if (harmless_ || !random().one_in(8)) return ask();
    note("shut down");
    witness_.ending_begins({});  // of which nobody tells when it is over
    registry_.shutdown({CloseCode::going_away, "over"}, 1 + random().below(2));
}

/// The transport of somebody who was busy says so once.
void World::become_writable() {
    const std::size_t from = random().below(all_.size() + 1);
    for (std::size_t i = 0; i < all_.size(); ++i) {
        const Connection c(all_[(from + i) % all_.size()].lock());
        if (!c || !c->owes_writable) continue;
        c->owes_writable = false;
        note("writable", about(c->id));
        registry_.writable(c);
        return;
    }
}

void World::poll() {
    note("poll");
    host_.due = Time::max();
    const Time next = registry_.poll();
    host_.due = std::min(host_.due, next);
    note("has polled");
}

void World::ask() {
    const std::size_t user = random().below(users);
    const std::size_t count = registry_.rooms_of_user(user_at(user)).size();
    if (options_.membership == Membership::one_room_per_user && count > 1) fail("a user is found in two rooms");
    const auto counts = registry_.count(room_at(0));
    if (counts && counts->users > counts->connections) fail("a room counts more users than connections");
}

/// Transports say that they are writable, time passes, the host polls when it
/// was told to: until there is nothing to wait for but what takes long.
void World::settle() {
    auto& clock = Scheduler::current().clock();
    const Time end = clock.now() + 200ms;
    for (int left = 2000; left > 0; --left) {
        const bool owed = std::any_of(all_.begin(), all_.end(), [](const auto& weak) {
            const auto session = weak.lock();
            return session && session->owes_writable;
        });
        if (owed) {
            become_writable();
        } else if (host_.due <= clock.now()) {
            poll();
        } else if (host_.due <= end) {
            clock.advance_to(host_.due);
        } else {
            return;
        }
    }
    fail("the registry does not come to rest");
}

void World::check_quiet() {
    std::array<Position, rooms> positions{};
    for (std::size_t r = 0; r < rooms; ++r) {
        std::vector<std::size_t> sessions;
        std::size_t people = 0;
        for (const auto& member : registry_.members(room_at(r)).members) {
            ++people;
            if (member.connections.size() != member.connection_count) fail("a member's connections are miscounted");
            for (const Connection& c : member.connections) {
                sessions.push_back(c->id);
                if (!registry_.is_member(c, room_at(r))) fail("a member is not one");
            }
        }
        const auto counts = registry_.count(room_at(r)).value_or(roomcast::Counts{});
        if (counts != roomcast::Counts{people, sessions.size()}) fail("a room's counts are not its members");
        std::sort(sessions.begin(), sessions.end());
        witness_.check_whereabouts(r, sessions);
        positions[r] = registry_.position(room_at(r)).value_or(Position{});
    }
    std::vector<bool> open(witness_.sessions());
    for (const auto& weak : all_) {
        const Connection c(weak.lock());
        if (!c || !registry_.user_of(c)) continue;
        open[c->id] = true;
        std::array<bool, rooms> member{};
        for (const RoomName room : registry_.rooms_of(c)) member[static_cast<std::size_t>(room)] = true;
        witness_.check_open(c->id, member, positions);
    }
    witness_.check_requests(open);
}

void World::finish() {
    note("the threads are done");
    host_.calm = true;
    settle();
    check_quiet();
    for (Connection& slot : slots_)
        if (slot) disconnect(Connection(slot));
    for (const auto& weak : all_)
        if (const Connection c{weak.lock()}) registry_.disconnect(c);
    for (Connection& slot : slots_) slot.reset();
    settle();
    const auto statistics = registry_.statistics();
    if (registry_.count() != roomcast::Counts{}) fail("somebody is left");
    if (registry_.room_count() != 0) fail("a room is left");
    if (statistics.closing != 0 || statistics.memory != 0) fail("closing connections, or memory, are left");
    if (host_.sessions_alive != 0) fail("a handle is left");
    witness_.check_nothing_left();
}

}  // namespace simulation
