// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "roomcast/detail/core.hpp"
#include "roomcast/detail/courier.hpp"
#include "roomcast/events.hpp"

namespace roomcast::detail {

/// How much one turn may do before others come first. The clock is read every
/// 64 sends at first, and more rarely while sends are cheap; never in a turn
/// of fewer.
template <class T>
class Budget {
public:
    explicit Budget(const Core<T>& core) noexcept
        : core_(core), left_(core.options.turn_sends ? core.options.turn_sends : static_cast<std::size_t>(-1)) {}

    /// Sends until the next `spend`, at most.
    [[nodiscard]] std::size_t batch() const noexcept { return std::min(left_, interval_); }
    [[nodiscard]] bool exhausted() const noexcept { return left_ == 0; }

    void spend(std::size_t sends) noexcept {
        if (core_.options.turn_sends == 0) return;
        left_ -= std::min(left_, sends);
        unmeasured_ += sends;
        if (unmeasured_ < interval_) return;
        unmeasured_ = 0;
        const auto now = core_.clock.now();
        if (began_) {
            if (now - *began_ >= core_.options.turn_time) left_ = 0;
            else if (now - last_ < core_.options.turn_time / 16) interval_ = std::min(interval_ * 2, std::size_t{1024});
        } else {
            began_ = now;
        }
        last_ = now;
    }

private:
    const Core<T>& core_;
    std::size_t left_;
    std::size_t interval_ = 64;
    std::size_t unmeasured_ = 0;
    std::optional<typename T::time_point> began_;
    typename T::time_point last_{};
};

/// A room's work in its one order: what was removed is reaped first, then the
/// next join or message is served. One thread at a time works in a room; it
/// takes the lock for bookkeeping and gives it back to send.
template <class T>
class Strand {
    using Room = RoomRecord<T>;
    using Connection = ConnectionRecord<T>;
    using Lock = typename Core<T>::Lock;
    using Slot = typename Room::Places::Slot;

public:
    Strand(Core<T>& core, Courier<T>& courier) noexcept : core_(core), courier_(courier) {}

    /// Works until nothing is left or the turn is over; then the room is
    /// parked. Lock held at the beginning and at the end.
    void run_turn(Room& room, Lock& lock, Work<T>& work) noexcept {
        Budget<T> budget(core_);
        for (;;) {
            reap(room, budget, lock, work);
            if (room.closed.load(std::memory_order_relaxed)) {
                if (!take_apart(room, work)) return finish(room, work);
                budget.spend(chunk);
                Unlocked others_may_come_in(lock);
            } else if (room.current) {
                {
                    Unlocked unlocked(lock);
                    fan_out(room, budget, work);
                }
                if (room.cursor.done()) complete(room, work);
            } else {
                give_up_slots(room, work);
                Item<T>* item = room.queue.pop_front();
                if (item) begin(room, *item, budget, lock, work);
                else if (room.dead.empty()) return finish(room, work);
            }
            if (budget.exhausted()) {
                if (idle(room)) return finish(room, work);
                return core_.timers.park(room, core_.clock.now());
            }
        }
    }

    /// Lets go of all that a room holds; no thread works in it any more.
    void tear_down(Room& room, Work<T>& work) noexcept {
        ++room.references;
        if (room.indexed) core_.unindex(room, work);
        if (room.current) core_.directory.release(*std::exchange(room.current, nullptr), work);
        while (auto* item = room.queue.pop_front()) core_.directory.release(*item, work);
        room.holes.take(room.dead);
        give_up_slots(room, work);
        work.trash.items.take(room.history);
        List<Room, ReadyTag>::unlink(room);
        List<Room, RoomTag>::unlink(room);
        if (room.scheduled) core_.directory.release(room);
        core_.directory.release(room);
    }

private:
    [[nodiscard]] bool idle(const Room& room) const noexcept {
        return !room.closed.load(std::memory_order_relaxed) && !room.current && room.queue.empty() &&
               room.dead.empty() && room.holes.empty();
    }

    void finish(Room& room, Work<T>& work) noexcept {
        room.scheduled = false;
        if (room.indexed && room.connection_count == 0 && room.entered && !room.options.keep_empty) {
            const auto linger = room.options.linger;
            if (linger.count() <= 0) core_.unindex(room, work);
            else if (!room.linger_until) core_.timers.linger(room, core_.clock.now() + linger);
        }
        core_.directory.release(room);
    }

    /// Lets go of those who were removed, and tells them.
    void reap(Room& room, Budget<T>& budget, Lock& lock, Work<T>& work) noexcept {
        while (!room.dead.empty() && !budget.exhausted()) {
            Membership<T>& m = *room.dead.pop_front();
            Connection& c = *m.connection;
            if (c.outbox) {
                c.outbox->drop(m);
                if (c.outbox->entries.empty() && !c.outbox->flushing) core_.directory.drop_outbox(c, work);
            }
            if (m.farewell != Farewell::none && c.step == Step::open) {
                Unlocked unlocked(lock);
                say_farewell(m, work);
            }
            budget.spend(1);
            room.holes.push_back(m);
            core_.directory.settled_one(c, work);
        }
        room.has_dead.store(!room.dead.empty(), std::memory_order_relaxed);
    }

    /// Without the lock. Who cannot be told keeps its connection all the same.
    void say_farewell(Membership<T>& m, Work<T>& work) noexcept {
        Connection& c = *m.connection;
        try {
            const auto text = m.farewell == Farewell::left
                                  ? core_.events.left(LeftEvent<T>{c.handle, m.room->id, m.context})
                                  : core_.events.removed(RemovedEvent<T>{c.handle, m.room->id, m.reason.view()});
            if (!text.empty()) courier_.deliver(c, nullptr, Courier<T>::control_frame(c, text), 0, true, work);
        } catch (...) {
            Lock lock(core_.mutex);
            courier_.broken(c, work);
        }
    }

    /// Fills the slots of those who were reaped with the last ones. Only
    /// while no message is under way.
    void give_up_slots(Room& room, Work<T>& work) noexcept {
        while (auto* m = room.holes.pop_front()) {
            Slot& back = room.places.back();
            if (m->slot != &back) {
                m->slot->membership = back.membership;
                m->slot->connection.store(back.connection.load(std::memory_order_relaxed), std::memory_order_relaxed);
                back.membership->slot = m->slot;
            }
            room.places.pop_back();
            core_.directory.release(*m, work);
        }
    }

    /// One step of taking a closed room apart; false when nothing is left.
    bool take_apart(Room& room, Work<T>& work) noexcept {
        if (room.current) core_.directory.release(*std::exchange(room.current, nullptr), work);
        while (auto* item = room.queue.pop_front()) core_.directory.release(*item, work);
        give_up_slots(room, work);
        std::size_t seen = 0;
        room.places.walk_down(room.places.size(), [&](Slot& slot) {
            if (!slot.membership->dead) core_.directory.expel(*slot.membership, room.close_reason, &room, work);
            return ++seen < chunk;
        });
        if (room.places.size() != 0) return true;
        core_.directory.dismantled(room, work);
        return false;
    }

    void begin(Room& room, Item<T>& item, Budget<T>& budget, Lock& lock, Work<T>& work) noexcept {
        if (item.kind == Item<T>::Kind::join) {
            tell_join(room, static_cast<JoinItem<T>&>(item), lock, work);
            core_.directory.release(item, work);
            budget.spend(1);
        } else {
            --room.queued_messages;
            number(room, static_cast<MessageItem<T>&>(item), lock, work);
        }
    }

    // Joins.

    void tell_join(Room& room, JoinItem<T>& join, Lock& lock, Work<T>& work) noexcept {
        Membership<T>& m = *join.membership;
        if (m.dead) return;
        Connection& c = *m.connection;
        m.slot->connection.store(&c, std::memory_order_release);
        const Counts counts{room.user_count, room.connection_count};
        const auto info = m.member->info;
        Unlocked unlocked(lock);
        try {
            if (join.follower) {
                const MovedEvent<T> moved{c.handle, join.from->id, room.id};
                say(c, m, core_.events.moved(moved), work);
            }
            bool recovered = false;
            const auto history = wanted_history(room, join, recovered);
            static const typename T::member_info no_info{};
            const JoinedEvent<T> joined{
                .connection = c.handle,
                .room = room.id,
                .user = c.user->id,
                .from = join.from ? &join.from->id : nullptr,
                .creator = room.creator ? &*room.creator : nullptr,
                .info = info ? *info : no_info,
                .context = join.follower ? nullptr : &join.context,
                .position = {room.epoch, room.seq.load(std::memory_order_relaxed)},
                .counts = counts,
                .was_recovering = join.since.has_value(),
                .recovered = recovered,
                .history = history,
            };
            say(c, m, core_.events.joined(joined), work);
        } catch (...) {
            Lock again(core_.mutex);
            courier_.broken(c, work);
        }
    }

    void say(Connection& c, Membership<T>& m, const std::string& text, Work<T>& work) {
        if (!text.empty()) courier_.deliver(c, &m, Courier<T>::control_frame(c, text), 0, true, work);
    }

    /// What the join asked for, oldest first, cut to the newest that fit.
    std::vector<HistoryEntry> wanted_history(const Room& room, const JoinItem<T>& join, bool& recovered) const {
        const std::uint64_t last = room.seq.load(std::memory_order_relaxed);
        const bool same_log = join.since && join.since->epoch == room.epoch && join.since->seq <= last;
        std::size_t wanted = join.history;
        if (same_log) wanted = static_cast<std::size_t>(last - join.since->seq);
        else if (join.since) wanted = room.history_count;
        std::vector<HistoryEntry> entries;
        std::size_t bytes = 0;
        for (auto* item = room.history.back(); item && entries.size() < wanted; item = room.history.previous(*item)) {
            const auto& message = static_cast<const MessageItem<T>&>(*item);
            bytes += message.payload.size();
            if (bytes > core_.options.join_history_bytes) break;
            entries.push_back({message.seq, message.payload});
        }
        std::reverse(entries.begin(), entries.end());
        recovered = same_log && entries.size() == wanted;
        return entries;
    }

    // Messages.

    /// Gives the message its number and encodes it, once for each encoding in
    /// use. A message that cannot be encoded uses no number.
    void number(Room& room, MessageItem<T>& message, Lock& lock, Work<T>& work) noexcept {
        const auto encodings = room.encodings;
        const Position position{room.epoch, message.numbered ? room.seq.load(std::memory_order_relaxed) + 1 : 0};
        bool encoded = true;
        {
            Unlocked unlocked(lock);
            try {
                encode(message, encodings, position);
            } catch (...) {
                encoded = false;
            }
        }
        if (!encoded) {
            ++core_.statistics.not_encoded;
            return core_.directory.drop(message, room, work);
        }
        message.seq = position.seq;
        if (message.numbered) room.seq.store(position.seq, std::memory_order_relaxed);
        room.current = &message;
        room.cursor = room.places.walk();
        if (message.origin && message.numbered && message.origin->step == Step::open)
            confirm(room, message, position, lock, work);
    }

    static void encode(MessageItem<T>& message, const std::array<std::uint32_t, max_encodings>& encodings,
                       Position position) {
        const Message plain{MessageClass::normal, position, message.payload};
        for (int i = 0; i < max_encodings; ++i)
            if (encodings[static_cast<std::size_t>(i)] != 0)
                message.frames[static_cast<std::size_t>(i)] = T::access::encode(plain, i);
        if (!message.origin || message.own.empty()) return;
        message.own_frame =
            T::access::encode(Message{MessageClass::normal, position, message.own}, message.origin->encoding);
    }

    /// Tells the connection that published which number its message has.
    void confirm(Room& room, MessageItem<T>& message, Position position, Lock& lock, Work<T>& work) noexcept {
        Connection& c = *message.origin;
        ++c.pending;
        {
            Unlocked unlocked(lock);
            try {
                const auto text = core_.events.published(PublishedEvent<T>{c.handle, room.id, message.context, position});
                if (!text.empty()) courier_.deliver(c, nullptr, Courier<T>::control_frame(c, text), 0, true, work);
            } catch (...) {
                Lock again(core_.mutex);
                courier_.broken(c, work);
            }
        }
        core_.directory.settled_one(c, work);
    }

    /// Without the lock. Members are walked in place; the record is fetched
    /// ahead, then what its handle points to.
    void fan_out(Room& room, Budget<T>& budget, Work<T>& work) noexcept {
        constexpr std::ptrdiff_t far = 12, near = 6;
        const MessageItem<T>& message = *room.current;
        const bool for_all = !message.require && !message.exclude && !message.except && message.own_frame.empty();
        auto& cursor = room.cursor;
        while (!cursor.done()) {
            const std::size_t count = cursor.run(budget.batch());
            Slot* const end = cursor.at() + count;
            Slot* const readable = cursor.readable_end();
            for (Slot* slot = cursor.at(); slot != end; ++slot) {
                if (room.closed.load(std::memory_order_relaxed)) return cursor.finish();
                if (readable - slot > far) fetch(slot[far].connection.load(std::memory_order_relaxed));
                if (readable - slot > near) fetch_session(slot[near].connection.load(std::memory_order_acquire));
                Connection* c = slot->connection.load(std::memory_order_acquire);
                if (!c) continue;
                const Frame* frame = &message.frames[c->encoding];
                if (!for_all) {
                    if (!meant_for(message, *c, *slot->membership)) continue;
                    if (c == message.origin && !message.own_frame.empty()) frame = &message.own_frame;
                }
                courier_.deliver(*c, slot->membership, *frame, message.seq, false, work);
            }
            cursor.advance(count);
            budget.spend(count);
            if (budget.exhausted() || room.has_dead.load(std::memory_order_relaxed)) return;
        }
    }

    static bool meant_for(const MessageItem<T>& message, const Connection& c, const Membership<T>& m) noexcept {
        const std::uint64_t tags = m.tags.load(std::memory_order_relaxed);
        return &c != message.except && (tags & message.require) == message.require && (tags & message.exclude) == 0;
    }

    static void fetch(const void* memory) noexcept { __builtin_prefetch(memory); }
    static void fetch_session(const Connection* c) noexcept {
        if constexpr (requires { std::to_address(c->handle); })
            if (c) __builtin_prefetch(std::to_address(c->handle), 1);
    }

    /// A message has reached all: into history with it.
    void complete(Room& room, Work<T>& work) noexcept {
        MessageItem<T>& message = *std::exchange(room.current, nullptr);
        if (!message.numbered || room.options.history == 0) {
            core_.directory.release(message, work);
            return;
        }
        core_.directory.release_connections(message, work);
        message.frames = {};
        message.own = message.own_frame = Frame();
        room.history.push_back(message);
        ++room.history_count;
        room.history_bytes += message.payload.size();
        const auto& options = room.options;
        while (room.history_count > options.history ||
               (options.history_bytes != 0 && room.history_bytes > options.history_bytes)) {
            auto& oldest = static_cast<MessageItem<T>&>(*room.history.pop_front());
            --room.history_count;
            room.history_bytes -= oldest.payload.size();
            work.trash.items.push_back(oldest);
        }
    }

    static constexpr std::size_t chunk = 256;  // memberships taken apart under one hold of the lock

    Core<T>& core_;
    Courier<T>& courier_;
};

}  // namespace roomcast::detail
