// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "roomcast/detail/budget.hpp"
#include "roomcast/detail/core.hpp"
#include "roomcast/detail/courier.hpp"
#include "roomcast/events.hpp"

namespace roomcast::detail {

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
            if (!work.connections.empty() && !room.closed.load(std::memory_order_relaxed)) {
                // Those who were let go of hear it before the room goes on.
                return work.rooms.push_back(room);
            }
            if (room.closed.load(std::memory_order_relaxed)) {
                if (!take_apart(room, lock, work)) return finish(room, work);
                budget.spend(chunk);
                Unlocked others_may_come_in(lock);
            } else if (room.current) {
                serve(room, budget, lock, work);
            } else {
                give_up_slots(room, lock, work);
                // Whoever left may be next to join: it hears of the one first.
                if (room.dead.empty()) {
                    Item<T>* item = room.queue.pop_front();
                    if (!item) return finish(room, work);
                    begin(room, *item, budget, lock, work);
                }
            }
            if (budget.exhausted()) {
                if (idle(room)) return finish(room, work);
                return core_.timers.park(room, core_.clock.now());
            }
        }
    }

    /// Lets go of all that a room holds; no thread works in it any more.
    void tear_down(Room& room, Lock& lock, Work<T>& work) noexcept {
        ++room.references;
        if (room.indexed) core_.unindex(room, work);
        if (room.current) core_.directory.release(*std::exchange(room.current, nullptr), work);
        while (auto* item = room.queue.pop_front()) core_.directory.release(*item, work);
        room.holes.take(room.dead);
        give_up_slots(room, lock, work);
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
            if (m.farewell != Farewell::none && courier_.hears(c)) {
                Unlocked unlocked(lock);
                say_farewell(m, work);
            }
            budget.spend(1);
            room.holes.push_back(m);
            core_.directory.settled_one(c, work);
        }
        room.has_dead.store(!room.dead.empty(), std::memory_order_relaxed);
    }

    /// Without the lock.
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
    void give_up_slots(Room& room, Lock& lock, Work<T>& work) noexcept {
        for (std::size_t released = 1; auto* m = room.holes.pop_front(); ++released) {
            Slot& back = room.places.back();
            if (m->slot != &back) {
                m->slot->membership = back.membership;
                m->slot->target.store(back.target.load(std::memory_order_relaxed), std::memory_order_relaxed);
                back.membership->slot = m->slot;
            }
            room.places.pop_back();
            core_.directory.release(*m, work);
            if (released % chunk == 0) Unlocked others_may_come_in(lock);
        }
    }

    /// One step of taking a closed room apart; false when nothing is left.
    bool take_apart(Room& room, Lock& lock, Work<T>& work) noexcept {
        if (room.current) core_.directory.release(*std::exchange(room.current, nullptr), work);
        core_.statistics.dropped += std::exchange(room.queued_messages, 0);
        while (auto* item = room.queue.pop_front()) core_.directory.release(*item, work);
        give_up_slots(room, lock, work);
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
            room.current = static_cast<MessageItem<T>*>(&item);
            room.cursor = room.places.walk();
            serve(room, budget, lock, work);
        }
    }

    // Joins.

    void tell_join(Room& room, JoinItem<T>& join, Lock& lock, Work<T>& work) noexcept {
        Membership<T>& m = *join.membership;
        --m.replies_queued;
        if (m.dead) return;
        Connection& c = *m.connection;
        core_.directory.admit(m);
        const Counts counts{room.user_count, room.connection_count};
        auto shared_info = m.member->info;
        Unlocked unlocked(lock);
        const auto info = std::move(shared_info);  // which may be its last holder
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
        if (text.empty()) return;
        const Frame frame = Courier<T>::control_frame(c, text);
        {
            // What ran since the join was looked at may have ended it.
            Lock lock(core_.mutex);
            if (m.dead) return;
        }
        courier_.deliver(c, &m, frame, 0, true, work);
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

    /// Numbers the message that is under way, or goes on with it.
    void serve(Room& room, Budget<T>& budget, Lock& lock, Work<T>& work) noexcept {
        MessageItem<T>& message = *room.current;
        const bool first = !std::exchange(message.begun, true);
        const auto encodings = room.encodings;
        // Who published hears of it while in the room; a farewell waits for that.
        const bool asked = first && message.numbered && message.origin && message.origin->step == Step::open;
        Connection* const publisher =
            asked && core_.directory.membership(*message.origin, room) ? message.origin : nullptr;
        if (publisher) ++publisher->pending;
        bool encoded = true, done = false;
        {
            Unlocked unlocked(lock);
            if (first) encoded = number(room, message, encodings);
            if (encoded && publisher) confirm(room, message, work);
            if (encoded) done = fan_out(room, budget, work);
        }
        if (publisher) core_.directory.settled_one(*publisher, work);
        if (!encoded) {
            ++core_.statistics.not_encoded;
            room.current = nullptr;
            core_.directory.drop(message, room, work);
        } else if (done) {
            complete(room, work);
        }
    }

    /// Without the lock: encodes once for each encoding in use. A message
    /// that cannot be encoded uses no number.
    bool number(Room& room, MessageItem<T>& message, const std::array<std::uint32_t, max_encodings>& encodings) noexcept {
        const Position position{room.epoch, message.numbered ? room.seq.load(std::memory_order_relaxed) + 1 : 0};
        try {
            const Message plain{MessageClass::normal, position, message.payload};
            for (std::size_t i = 0; i < encodings.size(); ++i) {
                if (encodings[i] == 0) continue;
                message.encodings |= static_cast<std::uint8_t>(1u << i);
                message.frames[i] = T::access::encode(plain, static_cast<int>(i));
            }
            if (message.origin && !message.own.empty()) {
                const Message own{MessageClass::normal, position, message.own};
                message.own_frame = T::access::encode(own, message.origin->encoding);
            }
        } catch (...) {
            return false;
        }
        message.seq = position.seq;
        if (message.numbered) room.seq.store(position.seq, std::memory_order_relaxed);
        return true;
    }

    /// Tells the connection that published which number its message has.
    /// Without the lock.
    void confirm(Room& room, MessageItem<T>& message, Work<T>& work) noexcept {
        Connection& c = *message.origin;
        try {
            const PublishedEvent<T> published{c.handle, room.id, message.context, {room.epoch, message.seq}};
            const auto text = core_.events.published(published);
            if (!text.empty()) courier_.deliver(c, nullptr, Courier<T>::control_frame(c, text), 0, true, work);
        } catch (...) {
            Lock lock(core_.mutex);
            courier_.broken(c, work);
        }
    }

    /// Who gets a message, and in which form.
    struct Audience {
        const MessageItem<T>* message;
        const Frame* frame;                           // of the one encoding in use
        const typename T::target* special = nullptr;  // the one who gets none, or another
        bool uniform;                                 // nobody else's membership need be looked at

        explicit Audience(const MessageItem<T>& m) noexcept
            : message(&m),
              frame(&m.frames[m.encodings ? static_cast<std::size_t>(std::countr_zero(m.encodings)) : 0]),
              uniform(!m.require && !m.exclude && (m.encodings & (m.encodings - 1)) == 0) {
            if (m.except) special = T::direct::of(m.except->handle);
            else if (m.origin && !m.own_frame.empty()) special = T::direct::of(m.origin->handle);
        }
        [[nodiscard]] const Frame* choose(const Membership<T>& m) const noexcept {
            const std::uint64_t tags = m.tags.load(std::memory_order_relaxed);
            const Connection* c = m.connection;
            if (c == message->except || (tags & message->require) != message->require || (tags & message->exclude) != 0)
                return nullptr;
            if (c == message->origin && !message->own_frame.empty()) return &message->own_frame;
            return &message->frames[c->encoding];
        }
    };

    /// Without the lock. Members are walked in place; what they point to is
    /// fetched ahead. Answers whether all have been reached.
    bool fan_out(Room& room, Budget<T>& budget, Work<T>& work) noexcept {
        const Audience audience(*room.current);
        auto& cursor = room.cursor;
        while (!cursor.done()) {
            const std::size_t count = cursor.run(budget.batch());
            const std::size_t readable = cursor.readable();
            const std::size_t fetching = std::min(count, readable > ahead ? readable - ahead : 0);
            Slot* const slot = cursor.at();
            if (!reach<true>(room, audience, slot, slot + fetching, work) ||
                !reach<false>(room, audience, slot + fetching, slot + count, work))
                return false;
            cursor.advance(count);
            budget.spend(count);
            if (budget.exhausted() || room.has_dead.load(std::memory_order_relaxed)) break;
        }
        return cursor.done();
    }

    /// Sends to each member with a slot in [slot, end); false: the room closed.
    template <bool fetch_ahead>
    bool reach(const Room& room, const Audience& audience, Slot* slot, Slot* end, Work<T>& work) noexcept {
        const auto [message, frame, special, uniform] = audience;
        for (; slot != end; ++slot) {
            if (room.closed.load(std::memory_order_relaxed)) [[unlikely]] return false;
            if constexpr (fetch_ahead) __builtin_prefetch(slot[ahead].target.load(std::memory_order_relaxed), 1);
            auto* const target = slot->target.load(std::memory_order_acquire);
            if (!target || target == special || !uniform) [[unlikely]] {
                reach_one(audience, *slot, target, work);
                continue;
            }
            const SendStatus answer = Courier<T>::try_send(*target, *frame);
            if (answer != SendStatus::accepted) [[unlikely]]
                courier_.deliver_to_member(*slot->membership, *frame, message->seq, answer, work);
        }
        return true;
    }

    /// One whose membership has to be looked at.
    void reach_one(const Audience& audience, const Slot& slot, typename T::target* target, Work<T>& work) noexcept {
        Membership<T>& m = *slot.membership;
        const Frame* const frame = m.told ? audience.choose(m) : nullptr;
        if (!frame) return;
        std::optional<SendStatus> answer;
        if (target) {
            answer = Courier<T>::try_send(*target, *frame);
            if (*answer == SendStatus::accepted) return;
        }
        courier_.deliver_to_member(m, *frame, audience.message->seq, answer, work);
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

    static constexpr std::size_t chunk = 256;  // memberships under one hold of the lock
    static constexpr std::size_t ahead = 24;   // slots; by measurement, see tests/bench

    Core<T>& core_;
    Courier<T>& courier_;
};

}  // namespace roomcast::detail
