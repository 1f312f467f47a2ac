// SPDX-License-Identifier: MIT
#include "model/reference.hpp"

#include <algorithm>

namespace model {

using roomcast::Delivery;
using roomcast::DeviceLimit;
using roomcast::JoinStatus;
using roomcast::LastRoom;
using roomcast::LeaveStatus;
using roomcast::Membership;
using roomcast::OtherDevices;
using roomcast::testing::FakeSession;
using tests::enum_text;

namespace {

std::string refused(Refusal refusal) { return "refused, " + std::string(to_string(refusal)); }

bool holds(const std::vector<Reference::Place>& places, int room) {
    return std::any_of(places.begin(), places.end(), [&](const auto& p) { return p.room == room; });
}

}  // namespace

Reference::Reference(Options options, std::vector<int> encodings, std::size_t users, std::size_t rooms, bool sends)
    : options_(std::move(options)), connections_(encodings.size()), users_(users), rooms_(rooms), sends_(sends) {
    for (std::size_t c = 0; c < encodings.size(); ++c) connections_[c].encoding = encodings[c];
}

// Questions.

bool Reference::is_member(int c, int r) const { return holds(connection(c).places, r); }

bool Reference::is_well(int c) const {
    return connection(c).answer == Answer::accepted && connection(c).outbox.empty();
}

std::vector<int> Reference::devices(int user) const {
    std::vector<int> found;
    for (std::size_t c = 0; c < connections_.size(); ++c)
        if (open(connections_[c]) && connections_[c].user == user) found.push_back(static_cast<int>(c));
    std::sort(found.begin(), found.end(), [&](int a, int b) { return connection(a).age < connection(b).age; });
    return found;
}

std::vector<int> Reference::rooms_of_user(int user) const {
    std::vector<int> found;
    for (std::size_t r = 0; r < rooms_.size(); ++r)
        if (rooms_[r] && rooms_[r]->members.count(user)) found.push_back(static_cast<int>(r));
    return found;
}

std::vector<int> Reference::connections_in(int r) const {
    std::vector<int> found;
    for (const auto& [user, member] : room(r)->members)
        found.insert(found.end(), member.connections.begin(), member.connections.end());
    return found;
}

Counts Reference::counts() const {
    Counts counts;
    for (const Connection& c : connections_) counts.connections += open(c);
    for (std::size_t u = 0; u < users_; ++u) counts.users += !devices(static_cast<int>(u)).empty();
    return counts;
}

Counts Reference::counts(int r) const { return {room(r)->members.size(), connections_in(r).size()}; }

std::size_t Reference::room_count() const {
    return static_cast<std::size_t>(std::count_if(rooms_.begin(), rooms_.end(), [](auto& r) { return r.has_value(); }));
}

Time Reference::next_due() const {
    Time next = Time::max();
    for (const Connection& c : connections_)
        if (c.known && c.step != Step::open) next = std::min(next, c.due);
    for (const auto& room : rooms_)
        if (room) next = std::min(next, due(*room));
    return next;
}

Time Reference::due(const Room& room) {
    Time due = Time::max();
    if (room.linger_until) due = std::min(due, *room.linger_until);
    if (room.options.ends_at) due = std::min(due, *room.options.ends_at);
    if (room.options.idle.count() > 0) due = std::min<Time>(due, room.idle_since + room.options.idle);
    return due;
}

// Operations.

std::string Reference::apply(const Operation& op, Time now) {
    now_ = now;
    if (op.kind != Kind::poll) ++step_;  // what a short turn left is done in the next poll
    const std::string answer = act(op);
    sweep();
    return answer;
}

void Reference::broken(int c) {
    if (!open(at(c))) return;
    ++statistics_.broken_connections;
    remove(c, LeaveCause::broken, {CloseCode::internal_error, "send failed"}, none);
}

std::string Reference::act(const Operation& op) {
    const int c = op.connection;
    switch (op.kind) {
        case Kind::renew:
        case Kind::disconnect: {
            const bool known = at(c).known;
            forget(c, LeaveCause::disconnected);
            if (op.kind == Kind::renew) at(c) = Connection{.encoding = at(c).encoding};
            return known ? "true" : "false";
        }
        case Kind::stall:
        case Kind::fail:
        case Kind::throws:
            at(c).answer = op.kind == Kind::stall ? Answer::busy : Answer::failed;
            at(c).turns_at = at(c).attempts + op.n;
            return {};
        case Kind::resume:
            at(c).answer = Answer::accepted;
            at(c).turns_at = std::numeric_limits<std::size_t>::max();
            return {};
        case Kind::writable: flush(c); return {};
        case Kind::attach: return attach(op);
        case Kind::join: return join(op);
        case Kind::leave:
            if (!open(at(c))) return enum_text(LeaveStatus::unknown_connection);
            if (!is_member(c, op.room)) return enum_text(LeaveStatus::not_in_room);
            leave(c, op.room, LeaveCause::left, CloseCode::normal);
            put(c, {.text = left_text(room_name(op.room), op.context), .control = true});
            return enum_text(LeaveStatus::left);
        case Kind::leave_all: {
            const std::vector<Place> places = at(c).places;
            for (const Place& p : places) leave(c, p.room, LeaveCause::left, CloseCode::normal);
            for (const Place& p : places) put(c, {.text = left_text(room_name(p.room), op.context), .control = true});
            return std::to_string(places.size());
        }
        case Kind::publish:
        case Kind::broadcast:
        case Kind::broadcast_all: return tell(op);
        case Kind::send_to_user:
        case Kind::send: return send(op);
        case Kind::kick_user:
        case Kind::kick_connection:
        case Kind::kick_from: return kick(op);
        case Kind::close_room:
            if (!room(op.room)) return "false";
            close_room(op.room, op.reason);
            return "true";
        case Kind::create_room:
            if (room(op.room)) return "exists";
            if (!find_place_for_room()) return "refused";
            open_room(op.room, op.room_options, none);
            return "created";
        case Kind::lock_room:
            if (!room(op.room)) return "false";
            in(op.room).options.locked = op.flag;
            return "true";
        case Kind::set_info:
            if (!room(op.room) || !in(op.room).members.count(op.user)) return "false";
            in(op.room).members.at(op.user).info = op.info;
            return "true";
        case Kind::set_tags:
            for (Place& p : at(c).places)
                if (p.room == op.room) {
                    p.tags = op.tags;
                    return "true";
                }
            return "false";
        case Kind::advance: return {};
        case Kind::poll:
            do {
                poll();
                sweep();
            } while (op.n != 0 && next_due() <= now_);
            return in_words(next_due(), now_);
    }
    return {};
}

std::string Reference::attach(const Operation& op) {
    Connection& c = at(op.connection);
    if (c.known && !open(c)) return refused(Refusal::closing);
    if (op.user != none && c.user != none && c.user != op.user) return refused(Refusal::other_user);
    if (c.known && (op.user == none || c.user != none)) return "already_attached";
    if (const Refusal no = refuse_connection(op.connection, op.user, 0); no != Refusal::none) return refused(no);
    c.known = true;
    if (op.user != none) {
        c.user = op.user;
        c.age = ++clock_;
        drop_oldest_devices(op.user);
    }
    return "attached";
}

/// `going`: connections of the user that make way anyway.
Refusal Reference::refuse_connection(int c, int user, std::size_t going) const {
    if (!connection(c).known && options_.max_connections != 0 &&
        counts().connections - going >= options_.max_connections)
        return Refusal::too_many_connections;
    if (user == none || connection(c).user != none || options_.devices == DeviceLimit::newest_wins) return Refusal::none;
    if (options_.max_devices != 0 && devices(user).size() - going + 1 > options_.max_devices)
        return Refusal::too_many_devices;
    return Refusal::none;
}

void Reference::drop_oldest_devices(int user) {
    while (options_.max_devices != 0 && devices(user).size() > options_.max_devices)
        remove(devices(user).front(), LeaveCause::removed, {CloseCode::too_many_devices, "too many devices"}, none);
}

std::string Reference::join(const Operation& op) {
    const int c = op.connection;
    const int r = op.room;
    if (at(c).known && !open(at(c))) return refused(Refusal::closing);
    if (op.user != none && at(c).user != none && at(c).user != op.user) return refused(Refusal::other_user);
    const int user = at(c).user != none ? at(c).user : op.user;
    if (user == none) return refused(Refusal::no_user);

    const bool replaces = op.other != none && op.other != c && open(at(op.other)) && at(op.other).user == user;
    const auto end_replaced = [&] {
        if (replaces) remove(op.other, LeaveCause::removed, {CloseCode::normal, "replaced"}, none);
    };
    if (is_member(c, r)) {
        if (op.update_info) in(r).members.at(user).info = op.info;
        end_replaced();
        Operation without = op;
        without.n = 0;
        greet(c, without, none, false);
        return "already_here";
    }

    // What has to go, and whom it concerns.
    int from = none;
    std::vector<int> others;  // devices of the user in `from`
    if (options_.membership == Membership::one_room_per_user) {
        for (const int other : rooms_of_user(user))
            if (other != r) from = other;
        if (from != none) others = in(from).members.at(user).connections;
        std::erase_if(others, [&](int other) { return other == c || (replaces && other == op.other); });
    } else if (options_.membership == Membership::one_room_per_connection && !at(c).places.empty()) {
        from = at(c).places.front().room;
    }
    if (!op.flag && from != none) return refused(Refusal::elsewhere);
    const bool newcomer = !room(r) || !in(r).members.count(user);
    if (room(r) && newcomer) {
        if (in(r).options.locked) return refused(Refusal::room_locked);
        if (in(r).options.max_users != 0 && counts(r).users >= in(r).options.max_users) return refused(Refusal::room_full);
    }
    const bool follow = options_.others == OtherDevices::follow;
    const bool closes = options_.last_room == LastRoom::close ||
                        (options_.last_room == LastRoom::by_membership && options_.membership != Membership::many_rooms);
    const std::size_t going = (replaces ? 1 : 0) + (follow || !closes ? 0 : others.size());
    if (refuse_connection(c, none, going) != Refusal::none) return refused(Refusal::too_many_connections);
    if (options_.membership == Membership::many_rooms && options_.max_rooms_per_connection != 0 &&
        at(c).places.size() >= options_.max_rooms_per_connection)
        return refused(Refusal::too_many_rooms_of_connection);
    if (const Refusal no = refuse_connection(c, user, going); no != Refusal::none) return refused(no);
    if (!room(r) && !find_place_for_room()) return refused(Refusal::too_many_rooms);

    // It is accepted.
    if (!room(r)) open_room(r, options_.room, user);
    in(r).linger_until.reset();
    at(c).known = true;
    const bool new_device = at(c).user == none;
    if (new_device) {
        at(c).user = user;
        at(c).age = ++clock_;
    }
    const bool first = !in(r).members.count(user);
    enter(c, r, op.tags, op.info);
    if (op.update_info) in(r).members.at(user).info = op.info;
    EventText event{.kind = from == none ? roomcast::EventKind::joined : roomcast::EventKind::migrated,
                    .room = room_name(r), .user = user_name(user), .connection = "c" + std::to_string(c)};
    event.user_changed = first;
    event.moved = (follow ? others.size() : 0) + 1;
    if (from != none) event.from = room_name(from);
    events_.push_back(event_text(event));
    // Who goes from the old room now is no longer seen there.
    const CloseReason moved_elsewhere{CloseCode::moved_elsewhere, "entered another room"};
    migrating_ = from != none && options_.membership == Membership::one_room_per_user;
    if (from != none && is_member(c, from)) leave(c, from, LeaveCause::left, CloseCode::normal, false);
    for (const int other : others) {
        if (!follow) {
            expel(other, from, moved_elsewhere, r, false);
            continue;
        }
        const std::uint64_t tags = at(other).places.front().tags;
        leave(other, from, LeaveCause::left, CloseCode::normal, false);
        enter(other, r, tags, op.info);
    }
    end_replaced();
    migrating_ = false;
    if (new_device) drop_oldest_devices(user);
    for (const int other : others) say_untold(other);
    greet(c, op, from, false);
    if (follow)
        for (const int other : others)
            if (is_member(other, r)) greet(other, op, from, true);
    return from != none ? "migrated" : first ? "joined" : "device_added";
}

std::string Reference::tell(const Operation& op) {
    const int c = op.connection;
    if (op.kind == Kind::broadcast_all) {
        std::size_t reached = 0;
        Operation one = op;
        for (one.room = 0; one.room < static_cast<int>(rooms_.size()); ++one.room)
            if (room(one.room)) {
                fan_out(one, none);
                ++reached;
            }
        return std::to_string(reached);
    }
    if (op.kind == Kind::publish) {
        if (at(c).known && !open(at(c))) return "closing";
        if (!room(op.room)) return "no_room";
        if (!is_member(c, op.room)) return "not_in_room";
    }
    if (!room(op.room)) return "no_room";
    fan_out(op, op.kind == Kind::publish ? c : none);
    return "sent";
}

std::string Reference::send(const Operation& op) {
    std::vector<int> receivers;
    if (op.payload == FakeSession::unencodable) return op.kind == Kind::send ? "false" : "0";
    if (op.kind == Kind::send_to_user) receivers = devices(op.user);
    else if (open(at(op.connection))) receivers = {op.connection};
    std::size_t reached = 0;
    for (const int c : receivers) {
        reached += put(c, {.text = wire(c, op.payload, 0), .control = op.kind == Kind::send && op.flag});
    }
    return op.kind == Kind::send ? (reached ? "true" : "false") : std::to_string(reached);
}

std::string Reference::kick(const Operation& op) {
    const auto answer = [](std::size_t n) { return std::to_string(n); };
    if (op.kind == Kind::kick_connection) {
        if (!open(at(op.connection))) return answer(0);
        remove(op.connection, LeaveCause::removed, op.reason, none);
        return answer(1);
    }
    if (op.kind == Kind::kick_user) {
        const auto all = devices(op.user);
        for (const int c : all) remove(c, LeaveCause::removed, op.reason, none);
        return answer(all.size());
    }
    if (op.other != none && !is_member(op.other, op.room)) return "not permitted";
    if (!room(op.room) || !in(op.room).members.count(op.user)) return answer(0);
    const auto all = in(op.room).members.at(op.user).connections;
    for (const int c : all) expel(c, op.room, op.reason, none);
    return answer(all.size());
}

void Reference::poll() {
    std::vector<int> due;
    for (std::size_t c = 0; c < connections_.size(); ++c) {
        const Connection& one = connections_[c];
        if ((one.step == Step::close || one.step == Step::terminate) && one.due <= now_) due.push_back(static_cast<int>(c));
    }
    std::vector<int> rooms;
    for (int r = 0; r < static_cast<int>(rooms_.size()); ++r)
        if (room(r) && Reference::due(*room(r)) <= now_) rooms.push_back(r);
    std::sort(rooms.begin(), rooms.end(), [this](int a, int b) {
        const Room &x = *room(a), &y = *room(b);
        return std::pair(Reference::due(x), x.born) < std::pair(Reference::due(y), y.born);
    });
    for (const int r : rooms) {
        Room& one = in(r);
        if (one.linger_until && *one.linger_until <= now_) {
            events_.push_back(event_text({.kind = roomcast::EventKind::room_closed, .room = room_name(r)}));
            rooms_[index(r)].reset();
        } else if (one.options.ends_at && *one.options.ends_at <= now_) {
            close_room(r, {CloseCode::room_closed, "the room has ended"});
        } else if (one.options.idle.count() > 0 && one.idle_since + one.options.idle <= now_) {
            if (!one.active) {
                close_room(r, {CloseCode::room_closed, "the room was idle"});
            } else {
                one.active = false;
                one.idle_since = now_;
            }
        }
    }
    for (const int c : due) take_step(c);
}

// Rooms.

void Reference::open_room(int r, const RoomOptions& options, int creator) {
    rooms_[index(r)].emplace();
    in(r).options = options;
    in(r).born = ++clock_;
    in(r).creator = creator;
    in(r).idle_since = now_;
    events_.push_back(event_text({.kind = roomcast::EventKind::room_opened, .room = room_name(r)}));
}

/// Of the lingering rooms the one that has been empty for longest makes way.
bool Reference::find_place_for_room() {
    if (options_.max_rooms == 0 || room_count() < options_.max_rooms) return true;
    int longest = none;
    for (int r = 0; r < static_cast<int>(rooms_.size()); ++r)
        if (room(r) && in(r).linger_until &&
            (longest == none || in(r).emptied < in(longest).emptied ||
             (in(r).emptied == in(longest).emptied && !made_way(longest))))
            longest = r;
    if (longest == none) return false;
    events_.push_back(event_text({.kind = roomcast::EventKind::room_closed, .room = room_name(longest)}));
    rooms_[index(longest)].reset();
    return true;
}

void Reference::close_room(int r, CloseReason reason) {
    for (const int c : connections_in(r)) expel(c, r, reason, r);
    events_.push_back(event_text({.kind = roomcast::EventKind::room_closed, .room = room_name(r)}));
    rooms_[index(r)].reset();
}

void Reference::sweep() {
    for (int r = 0; r < static_cast<int>(rooms_.size()); ++r) {
        if (!room(r) || !in(r).members.empty() || !in(r).entered || in(r).options.keep_empty || in(r).linger_until) continue;
        if (in(r).options.linger.count() > 0) {
            in(r).linger_until = now_ + in(r).options.linger;
            in(r).emptied = step_;
        } else {
            events_.push_back(event_text({.kind = roomcast::EventKind::room_closed, .room = room_name(r)}));
            rooms_[index(r)].reset();
        }
    }
}

// Memberships.

void Reference::enter(int c, int r, std::uint64_t tags, int info) {
    at(c).places.push_back({r, tags, ++clock_});
    in(r).members.try_emplace(at(c).user, Member{{}, info}).first->second.connections.push_back(c);
    in(r).entered = in(r).active = true;
}

void Reference::leave(int c, int r, LeaveCause cause, CloseCode code, bool told) {
    std::erase_if(at(c).places, [&](const Place& p) { return p.room == r; });
    auto& members = in(r).members;
    const auto member = members.find(at(c).user);
    std::erase(member->second.connections, c);
    const bool last = member->second.connections.empty();
    if (last) members.erase(member);
    std::erase_if(at(c).outbox, [&](const Entry& e) { return e.room == r; });
    if (!told) return;
    EventText event{.kind = roomcast::EventKind::left, .room = room_name(r), .user = user_name(at(c).user),
                    .connection = "c" + std::to_string(c)};
    event.cause = cause;
    event.code = code;
    event.user_changed = last && !migrating_;
    events_.push_back(event_text(event));
}

void Reference::expel(int c, int r, CloseReason reason, int named, bool tell) {
    const bool closes = options_.last_room == LastRoom::close ||
                        (options_.last_room == LastRoom::by_membership && options_.membership != Membership::many_rooms);
    if (at(c).places.size() == 1 && closes) return remove(c, LeaveCause::removed, reason, named == none ? r : named);
    leave(c, r, LeaveCause::removed, reason.code, true);
    at(c).untold = removed_text(room_name(r), reason);
    if (tell) say_untold(c);
}

void Reference::say_untold(int c) {
    const std::string text = std::exchange(at(c).untold, {});
    if (!text.empty()) put(c, {.text = text, .control = true});
}

void Reference::remove(int c, LeaveCause cause, CloseReason reason, int named) {
    if (named == none && !at(c).places.empty()) named = at(c).places.back().room;
    while (!at(c).places.empty()) leave(c, at(c).places.front().room, cause, reason.code, true);
    Connection& one = at(c);
    one.code = reason.code;
    one.reason = std::string(reason.text);
    one.due = now_;
    if (cause == LeaveCause::broken) {
        one.step = Step::terminate;
        one.outbox.clear();
        return take_step(c);
    }
    one.step = Step::close;
    one.due = now_ + options_.grace;
    say_untold(c);
    const auto text = farewell_text(named == none ? std::nullopt : std::optional(room_name(named)), reason);
    if (text.empty() || !put(c, {.text = text, .control = true})) take_step(c);
}

void Reference::take_step(int c) {
    Connection& one = at(c);
    if (one.step == Step::close) {
        ++statistics_.forced_closes;
        one.heard.push_back({Heard::Kind::close, one.reason, one.code});
        one.outbox.clear();
        one.step = Step::terminate;
        one.due = now_ + options_.close_timeout;
    } else {
        ++statistics_.terminated;
        one.heard.push_back({Heard::Kind::terminate, {}});
        forget(c, LeaveCause::removed);
    }
}

/// The transport is gone.
void Reference::forget(int c, LeaveCause cause) {
    Connection& one = at(c);
    while (!one.places.empty()) leave(c, one.places.front().room, cause, CloseCode::normal);
    one.gone = one.gone || one.known;
    one.known = false;
    one.step = Step::open;
    one.user = none;
    one.outbox.clear();
}

// Messages.

std::string Reference::wire(int c, const std::string& payload, std::uint64_t seq) const {
    const roomcast::Frame frame(payload);
    return std::string(FakeSession::encode({.position = {0, seq}, .payload = frame}, connection(c).encoding).view());
}

void Reference::fan_out(const Operation& op, int origin) {
    Room& room = in(op.room);
    const int r = op.room;
    ++statistics_.messages;
    room.active = true;
    const auto everybody = connections_in(r);
    if ((op.payload == FakeSession::unencodable && !everybody.empty()) ||
        (op.own == FakeSession::unencodable && origin != none)) {
        ++statistics_.not_encoded;
        events_.push_back(event_text({.kind = roomcast::EventKind::message_dropped, .room = room_name(r)}));
        return;
    }
    const std::uint64_t seq = op.flag ? ++room.seq : 0;
    if (origin != none && seq != 0)
        if (const auto text = published_text(room_name(r), op.context, seq); !text.empty())
            put(origin, {.text = text, .control = true});
    for (const int c : everybody) {
        const auto place = std::find_if(at(c).places.begin(), at(c).places.end(), [&](auto& p) { return p.room == r; });
        if (place == at(c).places.end()) continue;  // ended by a failed send
        if (c == op.other || (place->tags & op.require) != op.require || (place->tags & op.exclude) != 0) continue;
        const std::string& payload = c == origin && !op.own.empty() ? op.own : op.payload;
        put(c, {.text = wire(c, payload, seq), .room = r, .seq = seq});
    }
    if (seq == 0 || room.options.history == 0) return;
    room.history.emplace_back(seq, op.payload);
    const auto bytes = [&] {
        std::size_t sum = 0;
        for (const auto& [number, payload] : room.history) sum += payload.size();
        return sum;
    };
    while (room.history.size() > room.options.history ||
           (room.options.history_bytes != 0 && bytes() > room.options.history_bytes))
        room.history.pop_front();
}

void Reference::greet(int c, const Operation& op, int from, bool follower) {
    Room& room = in(op.room);
    if (follower)
        put(c, {.text = moved_text(room_name(from), room_name(op.room)), .room = op.room, .control = true});
    if (!is_member(c, op.room)) return;
    JoinedText text{.room = room_name(op.room), .user = user_name(at(c).user), .from = {}, .creator = {},
                    .info = room.members.at(at(c).user).info, .context = {}, .seq = room.seq,
                    .counts = counts(op.room), .history = {}};
    if (from != none) text.from = room_name(from);
    if (room.creator != none) text.creator = user_name(room.creator);
    std::size_t wanted = 0;
    bool same_log = false;
    if (!follower) {
        text.context = op.context;
        text.was_recovering = op.since.has_value();
        same_log = op.since && op.right_epoch && *op.since <= room.seq;
        wanted = same_log ? room.seq - *op.since : op.since ? room.history.size() : op.n;
    }
    std::size_t bytes = 0;
    for (auto entry = room.history.rbegin(); entry != room.history.rend() && text.history.size() < wanted; ++entry) {
        bytes += entry->second.size();
        if (bytes > options_.join_history_bytes) break;
        text.history.insert(text.history.begin(), *entry);
    }
    text.recovered = same_log && text.history.size() == wanted;
    put(c, {.text = joined_text(text), .room = op.room, .control = true});
}

Reference::Answer Reference::attempt(int c, const std::string& text) {
    Connection& one = at(c);
    if (++one.attempts >= one.turns_at) return one.answer;
    one.heard.push_back({Heard::Kind::send, text});
    return Answer::accepted;
}

/// False when it neither went out nor waits.
bool Reference::put(int c, Entry entry) {
    if (!sends_) return true;
    if (at(c).outbox.empty()) {
        const Answer answer = attempt(c, entry.text);
        if (answer == Answer::accepted) return true;
        if (answer == Answer::failed) {
            broken(c);
            return false;
        }
    }
    store(c, std::move(entry));
    return true;
}

void Reference::store(int c, Entry entry) {
    auto& outbox = at(c).outbox;
    outbox.push_back(std::move(entry));
    std::size_t data = 0, data_bytes = 0, control = 0, control_bytes = 0;
    for (const Entry& e : outbox) {
        if (e.missed != 0) continue;
        (e.control ? control : data) += 1;
        (e.control ? control_bytes : data_bytes) += e.text.size();
    }
    while (data > options_.outbox_messages || data_bytes > options_.outbox_bytes) {
        const auto oldest = std::find_if(outbox.begin(), outbox.end(), [](auto& e) { return !e.control && e.missed == 0; });
        const Entry lost = *oldest;
        --data;
        data_bytes -= lost.text.size();
        ++statistics_.dropped;
        const auto gap = std::find_if(outbox.begin(), outbox.end(),
                                      [&](auto& e) { return e.missed != 0 && e.room == lost.room; });
        if (lost.seq != 0 && gap == outbox.end()) {
            *oldest = {.text = {}, .room = lost.room, .control = false, .seq = lost.seq, .last = lost.seq, .missed = 1};
            continue;
        }
        if (lost.seq != 0) {
            gap->last = lost.seq;
            ++gap->missed;
        }
        outbox.erase(oldest);
    }
    if (!open(at(c)) || (control <= options_.outbox_control_messages && control_bytes <= options_.outbox_control_bytes)) return;
    ++statistics_.slow_consumers;
    remove(c, LeaveCause::removed, {CloseCode::slow_consumer, "read too slowly"}, none);
}

void Reference::flush(int c) {
    auto& outbox = at(c).outbox;
    while (!outbox.empty()) {
        const Entry& e = outbox.front();
        const auto text = e.missed == 0 ? e.text : gap_text(room_name(e.room), e.missed, e.seq, e.last);
        const Answer answer = attempt(c, text);
        if (answer == Answer::busy) return;
        if (answer == Answer::failed) {
            outbox.clear();
            return broken(c);
        }
        outbox.pop_front();
    }
}

}  // namespace model
