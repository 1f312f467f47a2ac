// SPDX-License-Identifier: MIT
// What a room does in its turn.
#include <algorithm>

#include "model/reference.hpp"

namespace model {

using roomcast::MessageClass;
using roomcast::testing::FakeSession;

void Reference::schedule(int r) {
    if (std::exchange(in(r).scheduled, true)) return;
    turns_.push_back(r);
}

void Reference::run_turn(int r) {
    Room& room = in(r);
    if (!room.closed) {
        const auto info_of = [&](int user) { return room.members.at(user).info; };
        if (const auto news = room.presence.take(room_name(r), counts(r), now_, info_of)) {
            Item item{.op = {.kind = Kind::broadcast, .room = r, .payload = *news}};
            item.op.message_class = MessageClass::bulk;
            item.op.key = ~std::uint64_t{0};
            item.op.flag = false;
            room.queue.push_back(std::move(item));
        }
    }
    for (;;) {
        while (!room.ended.empty()) part(r);
        if (room.closed) {
            if (!take_apart(r)) return drop_room(r);
        } else {
            // Those who were let go of hear of it before the room goes on.
            if (!ready_.empty()) return turns_.push_back(r);
            if (!begin_next(r)) return finish(r);
        }
    }
}

void Reference::finish(int r) {
    Room& room = in(r);
    room.scheduled = false;
    room.presence.look(now_);
    if (!room.stays.empty()) return;
    room.batch.clear();  // nobody waits for it any more
    if (!room.entered || room.options.keep_empty || room.linger_until) return;
    if (room.options.linger.count() <= 0) return drop_room(r);
    room.linger_until = now_ + room.options.linger;
    room.emptied = step_;
}

/// The next of the queue, or a batch whose time has come; false: there is
/// nothing to do.
bool Reference::begin_next(int r) {
    Room& room = in(r);
    if (room.queue.empty()) {
        if (room.batch.empty() || now_ < room.batch_until) return false;
        send_batch(r);
        return true;
    }
    if (!room.batch.empty() && !grows(room)) {
        send_batch(r);
        return true;
    }
    const Item item = room.queue.front();
    room.queue.pop_front();
    if (item.is_join()) tell_join(r, item);
    else serve(r, item);
    answered(room, item.stay);
    return true;
}

/// A batch takes in what waits for its turn, neither a join nor a message that
/// is not for all.
bool Reference::grows(const Room& room) {
    return !room.queue.empty() && !room.queue.front().is_join() && !room.queue.front().filtered();
}

/// Who has ended hears of it.
void Reference::part(int r) {
    const Parting parting = in(r).ended.front();
    in(r).ended.pop_front();
    const int c = parting.connection;
    if (hears(at(c))) {
        if (parting.farewell == Farewell::left) put(c, {.text = left_text(room_name(r), parting.context)});
        if (parting.farewell == Farewell::removed) put(c, {.text = removed_text(room_name(r), parting.reason)});
    }
    one_reason_less(c);
}

/// Whoever left hears of it once all that it had asked for is answered.
void Reference::answered(Room& room, std::uint64_t stay) {
    const bool waits = std::any_of(room.queue.begin(), room.queue.end(), [&](auto& item) { return item.stay == stay; });
    const auto leaving = std::find_if(room.leaving.begin(), room.leaving.end(), [&](auto& p) { return p.stay == stay; });
    if (waits || leaving == room.leaving.end()) return;
    room.ended.push_back(*leaving);
    room.leaving.erase(leaving);
}

void Reference::tell_join(int r, const Item& join) {
    Room& room = in(r);
    const int c = join.connection;
    Place* const place = find_place(c, join.stay);
    const bool left = std::any_of(room.leaving.begin(), room.leaving.end(), [&](auto& p) { return p.stay == join.stay; });
    if (!place && !left) return not_joined(r, join);
    if (place) place->told = true;
    if (!hears(at(c))) return;
    const auto say = [&](const std::string& text) {
        if (place && !find_place(c, join.stay)) return;  // it read too slowly for what came before
        put(c, {.text = text, .room = r, .stay = place ? join.stay : 0,
                .message_class = place ? MessageClass::control : MessageClass::bulk, .lasting = true});
    };
    JoinedText text{.room = room_name(r), .user = user_name(at(c).user), .from = {}, .creator = {},
                    .info = place ? room.members.at(at(c).user).info : 0, .context = {}, .seq = room.seq,
                    .counts = counts(r), .history = {}};
    const bool has_gone = join.from != none && !is_member(c, join.from);  // from there, and is not back
    if (join.follower && has_gone) say(moved_text(room_name(join.from), room_name(r)));
    if (!join.follower) text.context = join.op.context;
    if (has_gone) text.from = room_name(join.from);
    if (room.creator != none) text.creator = user_name(room.creator);
    // What it missed, or the newest of it.
    const bool same_log = join.op.since && join.epoch == room.epoch && *join.op.since <= room.seq;
    const std::uint64_t after = same_log ? *join.op.since : 0;
    const std::size_t most = join.op.since ? std::numeric_limits<std::size_t>::max() : join.op.n;
    text.history = room.past.read(after, most, options_.join_history_bytes, now_, room.options.history_age);
    text.was_recovering = join.op.since.has_value();
    text.recovered = same_log && text.history.size() == room.seq - after;
    say(joined_text(text));
}

/// Something else came before it: the join is not told.
void Reference::not_joined(int r, const Item& join) {
    const int c = join.connection;
    if (join.follower || !open(at(c))) return;
    ++at(c).reasons_to_wait;
    if (const auto text = not_joined_text(room_name(r), join.op.context); !text.empty()) put(c, {.text = text});
    one_reason_less(c);
}

/// A message's turn has come: it is numbered, kept, and goes out or waits for
/// others.
void Reference::serve(int r, Item message) {
    Room& room = in(r);
    if (message.op.kind == Kind::delete_message && message.epoch != room.epoch) return;  // what it means is gone
    const bool barred = expelled_.count(message.stay) != 0;
    if (barred || !can_be_encoded(room, message)) {
        answer_publisher(r, message, false);
        ++(barred ? statistics_.dropped : statistics_.not_encoded);
        if (!barred)
            events_.push_back(event_text({.kind = roomcast::EventKind::message_dropped, .room = room_name(r)}));
        return;
    }
    const bool followed = grows(room);
    change_log(r, message);
    if (message.op.flag) {
        message.seq = ++room.seq;
        room.past.append(message.seq, message.op.payload, now_, room.options);
    }
    const int publisher = message.connection;
    const bool asking = publisher != none && open(at(publisher));
    if (asking) ++at(publisher).reasons_to_wait;  // the message goes out before it goes
    answer_publisher(r, message, true);
    room.batch.push_back(message);
    std::size_t bytes = 0;
    for (const Item& item : room.batch) bytes += item.op.payload.size();
    if (room.options.batch_window.count() <= 0 || message.filtered() || room.batch.size() >= options_.batch_messages ||
        bytes >= options_.batch_bytes || (now_ >= room.batch_until && !followed))
        send_batch(r);
    if (asking) one_reason_less(publisher);
}

bool Reference::can_be_encoded(const Room& room, const Item& message) const {
    return (message.op.payload != FakeSession::unencodable || room.stays.empty()) &&
           (message.op.own != FakeSession::unencodable || message.connection == none);
}

/// A deletion or a reset happens, and becomes the message that says so.
void Reference::change_log(int r, Item& change) {
    Room& room = in(r);
    if (change.op.kind == Kind::delete_message) {
        room.past.erase(change.op.seq);
        change.op.payload = deleted_text(room_name(r), change.op.seq);
    } else if (change.op.kind == Kind::reset) {
        room.epoch = ++last_stamp_;
        room.seq = 0;
        room.past.clear();
        change.op.payload = reset_text(room_name(r), 0);
    }
}

void Reference::answer_publisher(int r, const Item& message, bool taken) {
    const int c = message.connection;
    if (c == none || !message.op.flag || !open(at(c))) return;
    const auto text = taken ? published_text(room_name(r), message.op.context, message.seq)
                            : not_published_text(room_name(r), message.op.context);
    if (text.empty()) return;
    ++at(c).reasons_to_wait;
    put(c, {.text = text});
    one_reason_less(c);
}

/// What waits goes out together; only what is not for all goes alone.
void Reference::send_batch(int r) {
    Room& room = in(r);
    if (room.options.batch_window.count() > 0) room.batch_until = now_ + room.options.batch_window;
    const auto batch = std::exchange(room.batch, {});
    for (const auto& [c, stay] : std::vector(room.stays)) {
        const Place* const found = find_place(c, stay);
        if (!found || !found->told) continue;
        const Place place = *found;
        std::optional<Answer> answer;
        if (const auto whole = in_one_piece(batch, r, c, place); whole && !at(c).outbox && sends_) {
            answer = attempt(c, *whole);
            if (answer == Answer::accepted) continue;
        }
        for (const Item& message : batch)
            if (const auto one = letter(message, r, c, place)) deliver(c, *one, std::exchange(answer, std::nullopt));
    }
}

/// One step of the end of a closed room: what waits in it does not happen, and
/// its people leave it. False when it is done.
bool Reference::take_apart(int r) {
    Room& room = in(r);
    room.batch.clear();
    while (!room.queue.empty()) {
        const Item item = room.queue.front();
        room.queue.pop_front();
        if (item.is_join()) {
            not_joined(r, item);
        } else {
            ++statistics_.dropped;
            answer_publisher(r, item, false);
        }
        answered(room, item.stay);
    }
    if (room.stays.empty() && room.ended.empty()) return false;
    for (const auto& [c, stay] : std::vector(room.stays.rbegin(), room.stays.rend())) expel(c, r, *room.closed, r);
    return true;
}

}  // namespace model
