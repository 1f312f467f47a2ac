// SPDX-License-Identifier: MIT
// Who is where, and what becomes of those who go.
#include <algorithm>

#include "model/reference.hpp"

namespace model {

using roomcast::LastRoom;
using roomcast::Membership;

Reference::Place* Reference::find_place(int c, std::uint64_t stay) {
    for (Place& place : at(c).places)
        if (place.stay == stay) return &place;
    return nullptr;
}

std::uint64_t Reference::enter(int c, int r, std::uint64_t tags, int info) {
    Room& room = in(r);
    const std::uint64_t stay = ++last_stamp_;
    at(c).places.push_back({r, tags, stay});
    ++at(c).reasons_to_wait;
    const auto [member, is_new] = room.members.try_emplace(at(c).user, Member{{}, info});
    member->second.connections.push_back(c);
    if (is_new) room.presence.came(at(c).user);
    room.presence.changed();
    room.stays.emplace_back(c, stay);
    room.entered = room.active = true;
    return stay;
}

/// Ends one stay. `how` its connection is told, if it is.
void Reference::end(int c, int r, LeaveCause cause, CloseCode code, bool told, Parting how) {
    Room& room = in(r);
    const auto place = std::find_if(at(c).places.begin(), at(c).places.end(), [&](const Place& p) { return p.room == r; });
    how.connection = c;
    how.stay = place->stay;
    at(c).places.erase(place);
    std::erase(room.stays, std::pair(c, how.stay));
    if (at(c).outbox) {
        at(c).outbox->forget(how.stay);
        if (at(c).outbox->entries.empty()) at(c).outbox.reset();
    }
    const auto member = room.members.find(at(c).user);
    std::erase(member->second.connections, c);
    const bool last = member->second.connections.empty();
    if (last) {
        room.presence.went(at(c).user, member->second.info);
        room.members.erase(member);
    }
    room.presence.changed();
    if (cause == LeaveCause::removed) expelled_.insert(how.stay);
    const bool waits = how.farewell == Farewell::left &&
                       std::any_of(room.queue.begin(), room.queue.end(), [&](auto& item) { return item.stay == how.stay; });
    // Where nobody works and there is nobody to tell, nobody waits for the room.
    const bool at_once = how.farewell == Farewell::silent && !room.scheduled && room.batch.empty() &&
                         room.options.presence.count() <= 0 && room.options.rate.per_second <= 0;
    if (at_once) one_reason_less(c);
    else if (waits) room.leaving.push_back(how);
    else room.ended.push_back(how);
    if (!at_once || room.stays.empty()) schedule(r);
    if (!told) return;
    EventText event{.kind = roomcast::EventKind::left, .room = room_name(r), .user = user_name(at(c).user),
                    .connection = "c" + std::to_string(c)};
    event.cause = cause;
    event.code = code;
    event.user_changed = last && !migrating_;
    events_.push_back(event_text(event));
}

void Reference::leave(int c, int r, int context) {
    end(c, r, LeaveCause::left, CloseCode::normal, true, {.farewell = Farewell::left, .context = context});
}

bool Reference::closes_without_room() const {
    if (options_.last_room != LastRoom::by_membership) return options_.last_room == LastRoom::close;
    return options_.membership != Membership::many_rooms;
}

void Reference::expel(int c, int r, CloseReason reason, int named) {
    if (at(c).places.size() == 1 && closes_without_room())
        return remove(c, LeaveCause::removed, reason, named == none ? r : named);
    end(c, r, LeaveCause::removed, reason.code, true, {.farewell = Farewell::removed, .reason = reason});
}

/// Ends all of a connection; its farewell comes once all its rooms have let
/// go of it.
void Reference::remove(int c, LeaveCause cause, CloseReason reason, int named) {
    Connection& one = at(c);
    if (named == none && !one.places.empty()) named = one.places.back().room;
    one.named = named == none ? "" : room_name(named);
    while (!one.places.empty()) end(c, one.places.front().room, cause, reason.code);
    one.code = reason.code;
    one.reason = std::string(reason.text);
    one.step = cause == LeaveCause::broken ? Step::terminate : Step::farewell;
    ready(c);
}

void Reference::ready(int c) {
    const Connection& one = at(c);
    if (one.known && (one.step == Step::farewell || one.step == Step::terminate) && one.reasons_to_wait == 0)
        ready_.push_back(c);
}

void Reference::one_reason_less(int c) {
    --at(c).reasons_to_wait;
    ready(c);
}

void Reference::drop_oldest_devices(int user) {
    while (options_.max_devices != 0 && devices(user).size() > options_.max_devices)
        remove(devices(user).front(), LeaveCause::removed, {CloseCode::too_many_devices, "too many devices"});
}

/// A removed connection's next step: farewell, close, terminate.
void Reference::take_step(int c) {
    Connection& one = at(c);
    if (!one.known) return;
    if (one.step == Step::farewell) {
        const auto text = farewell_text(one.named.empty() ? std::nullopt : std::optional(one.named), {one.code, one.reason});
        const bool told = !text.empty() && put(c, {.text = text});
        one.step = Step::close;
        if (told) one.due = now_ + options_.grace;
        else ready_.push_back(c);
    } else if (one.step == Step::close) {
        ++statistics_.forced_closes;
        one.heard.push_back({Heard::Kind::close, one.reason, one.code});
        one.outbox.reset();
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
    while (!one.places.empty()) end(c, one.places.front().room, cause, CloseCode::normal);
    one.gone = one.gone || one.known;
    one.known = false;
    one.step = Step::open;
    one.user = none;
    one.due.reset();
    one.outbox.reset();
    std::erase(ready_, c);
    std::erase(flushes_, c);
}

// Rooms.

void Reference::open_room(int r, const RoomOptions& options, int creator) {
    rooms_[index(r)].emplace();
    Room& room = in(r);
    room.options = options;
    room.born = room.epoch = ++last_stamp_;
    room.creator = creator;
    room.idle_since = now_;
    room.presence = Presence(options);
    events_.push_back(event_text({.kind = roomcast::EventKind::room_opened, .room = room_name(r)}));
}

/// It is empty.
void Reference::drop_room(int r) {
    events_.push_back(event_text({.kind = roomcast::EventKind::room_closed, .room = room_name(r)}));
    rooms_[index(r)].reset();
}

/// Of the lingering rooms the one that has been empty for longest makes way.
bool Reference::find_place_for_room() {
    if (options_.max_rooms == 0 || room_count() < options_.max_rooms) return true;
    int longest = none;
    for (int r = 0; r < static_cast<int>(rooms_.size()); ++r)
        if (room(r) && in(r).linger_until && !in(r).scheduled &&
            (longest == none || in(r).emptied < in(longest).emptied ||
             (in(r).emptied == in(longest).emptied && !made_way(longest))))
            longest = r;
    if (longest == none) return false;
    drop_room(longest);
    return true;
}

/// Its people leave it in its turn.
void Reference::close_room(int r, CloseReason reason) {
    in(r).closed = reason;
    schedule(r);
}

}  // namespace model
