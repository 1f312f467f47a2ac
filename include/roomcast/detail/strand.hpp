// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>

#include "roomcast/detail/budget.hpp"
#include "roomcast/detail/core.hpp"
#include "roomcast/detail/courier.hpp"
#include "roomcast/detail/fan_out.hpp"
#include "roomcast/detail/herald.hpp"
#include "roomcast/detail/later.hpp"
#include "roomcast/events.hpp"

namespace roomcast::detail {

/// A room's work in its one order: what was removed is reaped first, then the
/// next join or message is served. One thread at a time works in a room; it
/// takes the lock for bookkeeping and gives it back to send. For an `express` it
/// needs no lock: that message passes the queue, and is in no parcel.
///
/// A message is numbered, encoded and kept in the log when its turn comes, and
/// becomes part of the room's parcel. Without a batch window the parcel goes
/// out at once. With one, it takes in what the queue holds, and goes out once
/// the window is over that began when the parcel before had reached all.
/// Joins, and messages that are not for all, find no parcel waiting: it goes
/// out before them.
template <class T>
class Strand {
    using Room = RoomRecord<T>;
    using Connection = ConnectionRecord<T>;
    using Lock = typename Core<T>::Lock;
    using Slot = typename Room::Places::Slot;

public:
    Strand(Core<T>& core, Courier<T>& courier) noexcept
        : core_(core), courier_(courier), herald_(core, courier), fan_out_(courier) {}

    /// Works until nothing is left or the turn is over; then the room is
    /// parked. Lock held at the beginning and at the end.
    void run_turn(Room& room, Lock& lock, Work<T>& work) noexcept {
        Budget<T> budget(core_);
        const auto closed = [&] { return room.closed.load(std::memory_order_relaxed); };
        if (room.news && room.news->waiting() && !closed()) tell_news(room, lock, work);
        for (;;) {
            reap(room, budget, lock, work);
            if (!work.connections.empty() && !closed()) {
                // Those who were let go of hear it before the room goes on.
                return work.rooms.push_back(room);
            }
            if (closed()) {
                if (!take_apart(room, lock, work)) return finish(room, work);
                budget.spend(chunk);
                Unlocked others_may_come_in(lock);
            } else if (room.parcel.under_way) {
                send(room, budget, lock, work);
            } else {
                give_up_slots(room, lock, work);
                // Whoever left may be next to join: it hears of the one first.
                if (room.dead == 0 && !begin_next(room, budget, lock, work)) return finish(room, work);
            }
            if (budget.exhausted()) {
                if (idle(room)) return finish(room, work);
                return core_.timers.park(room, core_.clock.now());
            }
        }
    }

    /// Sends a message past the queue, by whoever has begun its express. Without the
    /// lock; false: it cannot be encoded, and uses no number.
    bool express(Room& room, Express& message, Work<T>& work) noexcept {
        auto cursor = room.places.walk();
        if (message.numbered) message.seq = room.seq.load(std::memory_order_relaxed) + 1;
        std::array<Frame, T::encodes ? max_encodings : 0> frames;
        if constexpr (T::encodes)
            if (!encode(room, message, frames)) return false;
        if (message.numbered) room.seq.store(message.seq, std::memory_order_relaxed);
        fan_out_.send(room, message, cursor, work);
        return true;
    }

    /// Lets go of all that a room holds; no thread works in it any more.
    void tear_down(Room& room, Lock& lock, Work<T>& work) noexcept {
        ++room.references;
        if (room.indexed) core_.unindex(room, work);
        complete(room, work);
        while (auto* item = room.queue.pop_front()) {
            core_.directory.answered(*item);
            core_.directory.release(*item, work);
        }
        while (Membership<T>* m = memberships().pop(room.dead)) memberships().push(room.holes, *m);
        give_up_slots(room, lock, work);
        core_.storage.remove_log(room, work);
        if (room.news) room.news->clear(work);
        List<Room, ReadyTag>::unlink(room);
        List<Room, RoomTag>::unlink(room);
        if (room.occupancy.busy()) --room.references;  // for a turn that nobody gives any more
        core_.directory.release(room);
    }

private:
    [[nodiscard]] Memberships<T>& memberships() noexcept { return core_.pools.memberships; }

    [[nodiscard]] bool idle(const Room& room) const noexcept {
        return !room.closed.load(std::memory_order_relaxed) && !room.parcel.under_way && room.queue.empty() &&
               room.dead == 0 && room.holes == 0;
    }

    void finish(Room& room, Work<T>& work) noexcept {
        if (room.connection_count == 0) complete(room, work);  // nobody waits for it any more
        if (room.indexed && room.connection_count == 0 && room.entered && !room.options.keep_empty) {
            const auto linger = room.options.linger;
            if (linger.count() <= 0) core_.unindex(room, work);
            else if (!room.lingers()) core_.timers.linger(room, later(core_.clock.now(), linger));
        }
        core_.look_again(room);
        room.occupancy.give_back(room.indexed);
        core_.directory.release(room);
    }

    /// Lets go of those who were removed, and tells them.
    void reap(Room& room, Budget<T>& budget, Lock& lock, Work<T>& work) noexcept {
        while (room.dead != 0 && !budget.exhausted()) {
            Membership<T>& m = *memberships().pop(room.dead);
            Connection& c = *m.connection;
            if (m.farewell != Farewell::none && courier_.hears(c)) {
                Unlocked unlocked(lock);
                herald_.say_farewell(m, work);
            }
            budget.spend(1);
            memberships().push(room.holes, m);
            core_.directory.settled_one(c, work);
        }
        room.has_dead.store(room.dead != 0, std::memory_order_relaxed);
    }

    /// Fills the slots of those who were reaped with the last ones. Only
    /// while no parcel is under way.
    void give_up_slots(Room& room, Lock& lock, Work<T>& work) noexcept {
        for (std::size_t released = 1; auto* m = memberships().pop(room.holes); ++released) {
            room.places.erase(*m->slot);
            core_.directory.release(*m, work);
            if (released % chunk == 0) Unlocked others_may_come_in(lock);
        }
    }

    /// One step of taking a closed room apart; false when nothing is left.
    bool take_apart(Room& room, Lock& lock, Work<T>& work) noexcept {
        complete(room, work);
        while (auto* item = room.queue.pop_front()) cancel(room, *item, lock, work);
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
    /// What waits in a closed room does not happen.
    void cancel(Room& room, Item<T>& item, Lock& lock, Work<T>& work) noexcept {
        if (item.kind == Item<T>::Kind::join) {
            herald_.cancel(room, static_cast<JoinItem<T>&>(item), lock, work);
        } else {
            auto& message = static_cast<MessageItem<T>&>(item);
            --room.queued_messages;
            ++core_.statistics.dropped;
            take_and_send(room, message, lock, work, [] { return false; }, [] {});
        }
        core_.directory.answered(item);
        core_.directory.release(item, work);
    }

    /// The next of the queue, or a batch whose time has come; false: there is
    /// nothing to do.
    bool begin_next(Room& room, Budget<T>& budget, Lock& lock, Work<T>& work) noexcept {
        Item<T>* const item = room.queue.front();
        if (room.parcel.count != 0 && !grows(room) && (item || core_.clock.now() >= room.batch_until)) {
            send(room, budget, lock, work);
            return true;
        }
        if (!item) return false;
        room.queue.pop_front();
        if (item->kind == Item<T>::Kind::message) {
            --room.queued_messages;
            serve(room, *static_cast<MessageItem<T>*>(item), budget, lock, work);
        } else {
            auto& join = static_cast<JoinItem<T>&>(*item);
            herald_.tell_join(room, join, lock, work);
            if (room.log) core_.storage.account(room, false);  // what was too old is gone
            core_.directory.answered(join);
            core_.directory.release(join, work);
            budget.spend(1);
        }
        return true;
    }

    /// Whether the next of the queue can be of one parcel with what came before.
    [[nodiscard]] static bool grows(const Room& room) noexcept {
        const Item<T>* const next = room.queue.front();
        return next && next->kind == Item<T>::Kind::message && !static_cast<const MessageItem<T>*>(next)->filtered();
    }

    /// A message's turn has come.
    void serve(Room& room, MessageItem<T>& message, Budget<T>& budget, Lock& lock, Work<T>& work) noexcept {
        // What a reset has overtaken went with its log.
        if (message.change == Change::deletion && message.epoch != room.epoch)
            return core_.directory.release(message, work);
        if (message.change == Change::reset) {
            room.epoch = core_.directory.new_epoch();
            room.seq.store(0, std::memory_order_relaxed);
        }
        const std::uint8_t encodings = room.encodings_in_use();
        room.cursor = room.places.walk();  // whoever comes from now on has not been told of the join
        const bool barred = message.publisher && message.publisher->expelled;
        const bool followed = grows(room);
        bool done = false;
        const bool taken = take_and_send(
            room, message, lock, work,
            [&] {
                FanOut<T>::fetch_first(room.cursor);
                return !barred && prepare(room, message, encodings);
            },
            [&] {
                if (!is_silent(message) && goes_now(room, message, followed)) done = walk(room, budget, work);
            });
        core_.directory.answered(message);
        if (room.log) {
            core_.storage.account(room, taken && message.numbered);
            core_.relieve(&room, work);
        }
        // Though the message may wait for others, unless its publisher gets it otherwise than they.
        if (message.echo && message.own.empty()) core_.directory.release_publisher(message, work);
        if (barred) {
            ++core_.statistics.dropped;
            return core_.directory.release(message, work);
        }
        if (!taken) {
            ++core_.statistics.not_encoded;
            return core_.directory.drop(message, room, work);
        }
        if (is_silent(message)) core_.directory.release(message, work);
        else if (done) complete(room, work);
    }

    /// A change of the log that the host does not want told.
    [[nodiscard]] static bool is_silent(const MessageItem<T>& message) noexcept {
        return message.change != Change::none && message.payload.empty();
    }

    /// `take()` says whether the message is taken, its publisher hears of it
    /// (a farewell waits for that), then comes `send()`; all without the lock.
    template <class Take, class Send>
    bool take_and_send(Room& room, MessageItem<T>& message, Lock& lock, Work<T>& work, Take&& take,
                       Send&& send) noexcept {
        Membership<T>* const publisher = message.publisher;
        Connection* const asking =
            publisher && publisher->connection->step == Step::open ? publisher->connection : nullptr;
        if (asking) ++asking->pending;
        bool taken;
        {
            Unlocked unlocked(lock);
            taken = take();
            if (publisher && message.numbered) herald_.answer_publisher(room, message, taken, asking, work);
            if (taken) send();
        }
        if (asking) core_.directory.settled_one(*asking, work);
        return taken;
    }

    /// Sends the parcel, or goes on with it.
    void send(Room& room, Budget<T>& budget, Lock& lock, Work<T>& work) noexcept {
        bool done;
        const bool begins = !room.parcel.under_way;
        if (begins) room.cursor = room.places.walk();
        {
            Unlocked unlocked(lock);
            if (begins) FanOut<T>::fetch_first(room.cursor);
            done = walk(room, budget, work);
        }
        if (done) complete(room, work);
    }

    // Without the lock.

    /// Once for each encoding in use. Throws what the host's `encode` throws.
    static void encode(const Message& message, std::uint8_t encodings, std::array<Frame, max_encodings>& frames) {
        for (std::size_t i = 0; i < max_encodings; ++i)
            if (encodings >> i & 1) frames[i] = T::access::encode(message, static_cast<int>(i));
    }
    static bool encode(const Room& room, Express& message, std::array<Frame, max_encodings>& frames) noexcept {
        const std::uint8_t encodings = room.encodings_in_use();
        try {
            encode({message.message_class, {room.epoch, message.seq}, message.payload}, encodings, frames);
        } catch (...) {
            return false;
        }
        const std::size_t first = encodings ? static_cast<std::size_t>(std::countr_zero(encodings)) : 0;
        message.same = (encodings & (encodings - 1)) == 0 ? &frames[first] : nullptr;
        message.frames = frames.data();
        return true;
    }
    /// Encodes once for each encoding in use, numbers, keeps. A message that
    /// cannot be encoded uses no number.
    bool prepare(Room& room, MessageItem<T>& message, std::uint8_t encodings) noexcept {
        const Position position{room.epoch, message.numbered ? room.seq.load(std::memory_order_relaxed) + 1 : 0};
        try {
            if (message.change != Change::none) change_log(room, message);
            room.parcel.encodings |= encodings;
            encode({message.message_class, position, message.payload}, encodings, message.frames);
            if (message.publisher && !message.own.empty())
                message.own_frame = T::access::encode({message.message_class, position, message.own},
                                                      message.publisher->connection->encoding);
        } catch (...) {
            return false;
        }
        message.seq = position.seq;
        if (message.numbered) {
            room.seq.store(position.seq, std::memory_order_relaxed);
            if (room.log)
                room.log->store.append(position.seq, message.payload,
                                       room.options.history_age.count() > 0 ? core_.now() : Instant(0));
        }
        return true;
    }
    void change_log(Room& room, MessageItem<T>& message) {
        if (message.change == Change::deletion) {
            if (room.log) room.log->store.erase(message.seq);
            message.payload = Frame(core_.events.deleted(DeletedEvent<T>{room.id, message.seq}));
        } else {
            if (room.log) room.log->store.clear();
            const Position position{room.epoch, room.seq.load(std::memory_order_relaxed)};
            message.payload = Frame(core_.events.reset(ResetEvent<T>{room.id, position}));
        }
    }

    /// Adds the message to the parcel; answers whether that goes out.
    /// `followed`: by one that can go with it.
    bool goes_now(Room& room, MessageItem<T>& message, bool followed) noexcept {
        Parcel<T>& parcel = room.parcel;
        parcel.messages.push_back(message);
        ++parcel.count;
        parcel.bytes += message.payload.size();
        return room.options.batch_window.count() <= 0 || message.filtered() ||
               parcel.count >= core_.options.batch_messages || parcel.bytes >= core_.options.batch_bytes ||
               (!followed && core_.clock.now() >= room.batch_until);
    }

    /// Begins the parcel's walk, or goes on with it; answers whether all have
    /// been reached. Then the window begins: however long a walk takes, what
    /// comes meanwhile goes out together.
    bool walk(Room& room, Budget<T>& budget, Work<T>& work) noexcept {
        if (!room.parcel.under_way) join_frames(room.parcel);
        room.parcel.under_way = true;
        const bool done = fan_out_.go_on(room, budget, work);
        if (done && room.options.batch_window.count() > 0)
            room.batch_until = later(core_.clock.now(), room.options.batch_window);
        return done;
    }
    void join_frames(Parcel<T>& parcel) noexcept {
        if constexpr (T::joins_frames) {
            if (parcel.count == 1) return;
            try {
                const Owner<Frame[]> frames(new Frame[parcel.count]);
                for (std::size_t i = 0; i < parcel.whole.size(); ++i) {
                    if ((parcel.encodings >> i & 1) == 0) continue;
                    Frame* at = frames.get();
                    for (auto* item = parcel.messages.front(); item; item = parcel.messages.next(*item))
                        *at++ = static_cast<MessageItem<T>*>(item)->frames[i];
                    parcel.whole[i] = T::access::join_frames({frames.get(), parcel.count});
                }
            } catch (...) {
                parcel.whole = {};  // one by one, then
            }
        }
    }

    // With the lock.

    /// The parcel has reached all, or is given up.
    void complete(Room& room, Work<T>& work) noexcept {
        Parcel<T>& parcel = room.parcel;
        while (auto* item = parcel.messages.pop_front()) core_.directory.release(*item, work);
        if (parcel.count > 1) parcel.whole = {};
        parcel.count = parcel.bytes = 0;
        parcel.encodings = 0;
        parcel.under_way = false;
    }

    /// What the room says of itself joins its queue.
    void tell_news(Room& room, Lock& lock, Work<T>& work) noexcept {
        News<T>& news = *room.news;
        const auto now = core_.clock.now();
        if (const auto left_out = news.take_left_out(now))
            announce(room, MessageClass::moderator, 0, lock,
                     [&] { return core_.events.sampled(SampledEvent<T>{room.id, left_out}); });
        const Counts counts{room.user_count, room.connection_count};
        if (!news.take_presence(now, counts)) return;
        auto names = news.take_names(counts, work);
        announce(room, MessageClass::bulk, presence_key, lock, [&] {
            const auto infos = names.take_infos();
            return core_.events.presence(names.event(room.id, counts));
        });
        news.release(names, work);
    }
    template <class Write>
    void announce(Room& room, MessageClass message_class, std::uint64_t key, Lock& lock, Write&& write) noexcept {
        Owner<MessageItem<T>> message;
        {
            Unlocked unlocked(lock);
            try {
                const std::string text = write();
                if (!text.empty()) message = Owner(new MessageItem<T>(Frame(text)));
            } catch (...) {  // then it is not told
            }
        }
        if (!message) return;
        message->message_class = message_class;
        message->key = key;
        message->numbered = false;
        ++room.queued_messages;
        room.queue.push_back(*message.release());
    }

    static constexpr std::uint64_t presence_key = std::numeric_limits<std::uint64_t>::max();
    static constexpr std::size_t chunk = 256;  // memberships under one hold of the lock

    Core<T>& core_;
    Courier<T>& courier_;
    Herald<T> herald_;
    FanOut<T> fan_out_;
};

}  // namespace roomcast::detail
