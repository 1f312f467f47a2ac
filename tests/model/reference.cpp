// SPDX-License-Identifier: MIT
#include "model/reference.hpp"

#include <algorithm>
#include <tuple>

namespace model {

using roomcast::DeviceLimit;
using roomcast::LeaveStatus;
using roomcast::Membership;
using roomcast::MessageClass;
using roomcast::OtherDevices;
using roomcast::testing::FakeSession;
using tests::enum_text;

namespace {

std::string refused(Refusal refusal) { return "refused, " + std::string(to_string(refusal)); }

}  // namespace

Reference::Reference(Options options, std::vector<int> encodings, std::size_t users, std::size_t rooms, bool sends)
    : options_(std::move(options)), connections_(encodings.size()), users_(users), rooms_(rooms), sends_(sends) {
    for (std::size_t c = 0; c < encodings.size(); ++c) connections_[c].encoding = encodings[c];
}

// Questions.

bool Reference::is_member(int c, int r) const {
    const auto& places = connection(c).places;
    return std::any_of(places.begin(), places.end(), [&](const Place& p) { return p.room == r; });
}

bool Reference::is_well(int c) const {
    return connection(c).answer == Answer::accepted && !connection(c).outbox;
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

Counts Reference::counts() const {
    Counts counts;
    for (const Connection& c : connections_) counts.connections += open(c);
    for (std::size_t u = 0; u < users_; ++u) counts.users += !devices(static_cast<int>(u)).empty();
    return counts;
}

Counts Reference::counts(int r) const { return {room(r)->members.size(), room(r)->stays.size()}; }

std::size_t Reference::room_count() const {
    return static_cast<std::size_t>(std::count_if(rooms_.begin(), rooms_.end(), [](auto& r) { return r.has_value(); }));
}

Time Reference::next_due() const {
    Time next = Time::max();
    for (const Connection& c : connections_) {
        if (c.known && c.due) next = std::min(next, *c.due);
        if (c.outbox && c.outbox->may_wait && options_.outbox_age.count() > 0)
            next = std::min<Time>(next, c.outbox->oldest + options_.outbox_age);
    }
    for (const auto& room : rooms_)
        if (room) next = std::min(next, due(*room));
    return next;
}

Time Reference::due(const Room& room) {
    Time due = Time::max();
    if (room.linger_until) due = std::min(due, *room.linger_until);
    if (room.options.ends_at) due = std::min(due, *room.options.ends_at);
    if (room.options.idle.count() > 0) due = std::min<Time>(due, room.idle_since + room.options.idle);
    if (room.scheduled) return due;
    if (!room.batch.empty()) due = std::min(due, room.batch_until);
    if (room.presence.due()) due = std::min(due, *room.presence.due());
    return due;
}

// Operations.

std::string Reference::apply(const Operation& op, Time now) {
    now_ = now;
    if (op.kind != Kind::poll) ++step_;  // what a short turn left is done in the next poll
    std::string answer = act(op);
    work_off();
    return op.kind == Kind::poll ? in_words(next_due(), now_) : answer;
}

std::string Reference::apply_within(const Operation& op, Time now) {
    now_ = now;
    within_ = true;
    std::string answer = act(op);
    within_ = false;
    return answer;
}

void Reference::work_off() {
    const auto next = [](std::deque<int>& list) {
        const int first = list.front();
        list.pop_front();
        return first;
    };
    for (;;) {
        if (!ready_.empty()) take_step(next(ready_));
        else if (!flushes_.empty()) flush(next(flushes_));
        else if (!turns_.empty()) run_turn(next(turns_));
        else return;
    }
}

void Reference::broken(int c) {
    if (!open(at(c))) return;
    ++statistics_.broken_connections;
    remove(c, LeaveCause::broken, {CloseCode::internal_error, "send failed"});
}

std::string Reference::act(const Operation& op) {
    const int c = op.connection;
    switch (op.kind) {
        case Kind::renew:
        case Kind::disconnect: {
            const bool known = at(c).known;
            forget(c, LeaveCause::disconnected);
            if (op.kind == Kind::renew) {
                work_off();
                at(c) = Connection{.encoding = at(c).encoding};
            }
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
        case Kind::writable:
            if (at(c).outbox) flush_soon(c);
            return {};
        case Kind::attach: return attach(op);
        case Kind::join: return join(op);
        case Kind::leave:
            if (!open(at(c))) return enum_text(LeaveStatus::unknown_connection);
            if (!is_member(c, op.room)) return enum_text(LeaveStatus::not_in_room);
            leave(c, op.room, op.context);
            return enum_text(LeaveStatus::left);
        case Kind::leave_all: {
            const std::vector<Place> places = open(at(c)) ? at(c).places : std::vector<Place>();
            for (const Place& p : places) leave(c, p.room, op.context);
            return std::to_string(places.size());
        }
        case Kind::publish:
        case Kind::broadcast:
        case Kind::broadcast_all: return tell(op);
        case Kind::delete_message:
        case Kind::reset: return change_log(op);
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
                work_off();
            } while (op.n != 0 && next_due() <= now_);
            return {};
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
        c.age = ++last_stamp_;
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

std::string Reference::join(const Operation& op) {
    const int c = op.connection;
    const int r = op.room;
    if (at(c).known && !open(at(c))) return refused(Refusal::closing);
    if (op.user != none && at(c).user != none && at(c).user != op.user) return refused(Refusal::other_user);
    const int user = at(c).user != none ? at(c).user : op.user;
    if (user == none) return refused(Refusal::no_user);

    const bool replaces = op.other != none && op.other != c && open(at(op.other)) && at(op.other).user == user;
    const auto end_replaced = [&] {
        if (replaces) remove(op.other, LeaveCause::removed, {CloseCode::normal, "replaced"});
    };
    const auto queue = [&](int who, std::uint64_t stay, int from, bool follower) {
        Item item{.op = op, .connection = who, .stay = stay, .from = from, .follower = follower};
        if (follower) item.op.since.reset(), item.op.n = 0;
        item.epoch = item.op.since && op.right_epoch ? in(r).epoch : 0;
        in(r).queue.push_back(std::move(item));
        schedule(r);
    };
    for (const Place& here : at(c).places)
        if (here.room == r) {
            const std::uint64_t stay = here.stay;
            if (op.update_info) in(r).members.at(user).info = op.info;
            end_replaced();
            queue(c, stay, none, false);
            in(r).queue.back().op.n = 0;
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
    const std::size_t going = (replaces ? 1 : 0) + (follow || !closes_without_room() ? 0 : others.size());
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
        at(c).age = ++last_stamp_;
    }
    const bool first = !in(r).members.count(user);
    const std::uint64_t stay = enter(c, r, op.tags, op.info);
    if (op.update_info) in(r).members.at(user).info = op.info;
    EventText event{.kind = from == none ? roomcast::EventKind::joined : roomcast::EventKind::migrated,
                    .room = room_name(r), .user = user_name(user), .connection = "c" + std::to_string(c)};
    event.user_changed = first;
    event.moved = (follow ? others.size() : 0) + 1;
    if (from != none) event.from = room_name(from);
    events_.push_back(event_text(event));
    // Who goes from the old room now is no longer seen there.
    migrating_ = from != none && options_.membership == Membership::one_room_per_user;
    std::map<int, std::uint64_t> tags;  // of who follows
    for (const int other : others) tags[other] = at(other).places.front().tags;
    if (from != none)
        for (const auto& [device, ignored] : std::vector(in(from).stays)) {
            const bool moves = device == c || (follow && tags.count(device));
            if (moves) end(device, from, LeaveCause::left, CloseCode::normal, false);
            else if (tags.count(device)) expel(device, from, {CloseCode::moved_elsewhere, "entered another room"}, r);
        }
    migrating_ = false;
    queue(c, stay, from, false);
    if (follow)
        for (const int other : others) queue(other, enter(other, r, tags[other], op.info), from, true);
    end_replaced();
    if (new_device) drop_oldest_devices(user);
    return from != none ? "migrated" : first ? "joined" : "device_added";
}

std::string Reference::tell(const Operation& op) {
    const int c = op.connection;
    const char* const taken = within_ ? "queued" : "sent";
    if (op.kind == Kind::broadcast_all) {
        std::vector<int> all;
        for (int r = 0; r < static_cast<int>(rooms_.size()); ++r)
            if (room(r)) all.push_back(r);
        std::sort(all.begin(), all.end(), [&](int a, int b) { return in(a).born < in(b).born; });
        return std::to_string(std::count_if(all.begin(), all.end(), [&](int r) { return push(r, op, none); }));
    }
    if (op.kind == Kind::publish) {
        if (at(c).known && !open(at(c))) return "closing";
        if (!room(op.room)) return "no_room";
        if (!is_member(c, op.room)) return "not_in_room";
        if (const auto limited = limit(op)) return *limited;
    }
    if (!room(op.room)) return "no_room";
    return push(op.room, op, op.kind == Kind::publish ? c : none) ? taken : "overloaded";
}

/// What a member says too fast is not taken.
std::optional<std::string> Reference::limit(const Operation& op) {
    if (op.message_class < MessageClass::normal) return std::nullopt;
    if (is_full(op.room)) return std::nullopt;  // no token is taken
    Bucket& own = at(op.connection).rate;
    Bucket& users = user_rates_[at(op.connection).user];
    milliseconds wait = own.wait(options_.connection_rate, now_);
    if (wait == milliseconds(0)) wait = users.wait(options_.user_rate, now_);
    if (wait != milliseconds(0)) {
        ++statistics_.rate_limited;
        return limited_text(wait);
    }
    own.take(options_.connection_rate);
    users.take(options_.user_rate);
    return std::nullopt;
}

std::string Reference::change_log(const Operation& op) {
    if (!room(op.room)) return "no_room";
    if (op.other != none && !is_member(op.other, op.room)) return "not_in_room";
    if (op.kind == Kind::delete_message && (op.seq == 0 || op.seq > in(op.room).seq)) return "no_message";
    return push(op.room, op, none) ? (within_ ? "queued" : "sent") : "overloaded";
}

bool Reference::is_full(int r) const {
    const auto& queue = room(r)->queue;
    const auto messages = std::count_if(queue.begin(), queue.end(), [](auto& item) { return !item.is_join(); });
    return static_cast<std::size_t>(messages) >= options_.max_queued;
}

/// False: the room's queue is full.
bool Reference::push(int r, const Operation& op, int publisher) {
    Room& room = in(r);
    if (is_full(r)) {
        ++statistics_.overloaded;
        return false;
    }
    Item item{.op = op, .connection = publisher, .epoch = room.epoch};
    item.op.room = r;
    if (publisher != none)
        for (const Place& p : at(publisher).places)
            if (p.room == r) item.stay = p.stay;
    const bool is_broadcast = op.kind == Kind::broadcast || op.kind == Kind::broadcast_all;
    if (is_broadcast && op.other != none && at(op.other).known) item.except = op.other;
    if (op.kind == Kind::delete_message || op.kind == Kind::reset) {
        item.op.message_class = MessageClass::control;
        item.op.flag = false;  // it has no number
    }
    ++statistics_.messages;
    room.active = true;
    room.queue.push_back(std::move(item));
    schedule(r);
    return true;
}

std::string Reference::send(const Operation& op) {
    std::vector<int> receivers;
    if (op.payload == FakeSession::unencodable) return op.kind == Kind::send ? "false" : "0";
    if (op.kind == Kind::send_to_user) receivers = devices(op.user);
    else if (open(at(op.connection))) receivers = {op.connection};
    std::size_t reached = 0;
    for (const int c : receivers) ++at(c).reasons_to_wait;
    for (const int c : receivers) reached += put(c, {.text = wire(c, op.payload, 0), .message_class = op.message_class});
    for (const int c : receivers) one_reason_less(c);
    return op.kind == Kind::send ? (reached ? "true" : "false") : std::to_string(reached);
}

std::string Reference::kick(const Operation& op) {
    const auto answer = [](std::size_t n) { return std::to_string(n); };
    if (op.kind == Kind::kick_connection) {
        if (!open(at(op.connection))) return answer(0);
        remove(op.connection, LeaveCause::removed, op.reason);
        return answer(1);
    }
    if (op.kind == Kind::kick_user) {
        const auto all = devices(op.user);
        for (const int c : all) remove(c, LeaveCause::removed, op.reason);
        return answer(all.size());
    }
    if (op.other != none && !is_member(op.other, op.room)) return "not permitted";
    if (!room(op.room) || !in(op.room).members.count(op.user)) return answer(0);
    const auto all = in(op.room).members.at(op.user).connections;
    for (const int c : all) expel(c, op.room, op.reason);
    return answer(all.size());
}

void Reference::poll() {
    std::vector<int> due;
    for (int c = 0; c < static_cast<int>(connections_.size()); ++c)
        if (at(c).known && at(c).due && *at(c).due <= now_) due.push_back(c);
    std::sort(due.begin(), due.end(), [&](int a, int b) {
        return std::tuple(at(a).step, *at(a).due) < std::tuple(at(b).step, *at(b).due);
    });
    for (const int c : due) {
        at(c).due.reset();
        ready_.push_back(c);
    }
    expire_rooms();
    end_too_slow();
}

void Reference::expire_rooms() {
    for (;;) {
        int r = none;  // due first
        for (int other = 0; other < static_cast<int>(rooms_.size()); ++other) {
            if (!room(other) || in(other).closed || due(in(other)) > now_) continue;
            if (r == none || std::pair(due(in(other)), in(other).born) < std::pair(due(in(r)), in(r).born)) r = other;
        }
        if (r == none) return;
        Room& one = in(r);
        const bool lingered = one.linger_until && *one.linger_until <= now_;
        const bool idled = one.options.idle.count() > 0 && one.idle_since + one.options.idle <= now_;
        if (lingered && !one.scheduled) {
            drop_room(r);
        } else if (!one.scheduled && ((!one.batch.empty() && one.batch_until <= now_) ||
                                      (one.presence.due() && *one.presence.due() <= now_))) {
            schedule(r);
        } else if (one.options.ends_at && *one.options.ends_at <= now_) {
            close_room(r, {CloseCode::room_closed, "the room has ended"});
        } else if (idled && !one.active) {
            close_room(r, {CloseCode::room_closed, "the room was idle"});
        } else if (idled) {
            one.active = false;
            one.idle_since = now_;
        } else {
            one.linger_until = now_ + one.options.linger;
        }
    }
}

/// Whose oldest frame has waited for too long.
void Reference::end_too_slow() {
    if (options_.outbox_age.count() <= 0) return;
    std::map<std::pair<Time, std::uint64_t>, int> due;
    for (int c = 0; c < static_cast<int>(connections_.size()); ++c)
        if (at(c).outbox && at(c).outbox->may_wait && at(c).outbox->oldest + options_.outbox_age <= now_)
            due[{at(c).outbox->oldest, at(c).outbox->stamp}] = c;
    for (const auto& [when, c] : due)
        if (at(c).outbox) end_slow_reader(c);
}

}  // namespace model
