// SPDX-License-Identifier: MIT
#pragma once

#include <utility>

#include "roomcast/detail/directory.hpp"
#include "roomcast/detail/gate.hpp"
#include "roomcast/detail/least.hpp"
#include "roomcast/detail/lock.hpp"
#include "roomcast/detail/storage.hpp"
#include "roomcast/detail/timers.hpp"
#include "roomcast/detail/work.hpp"
#include "roomcast/instant.hpp"
#include "roomcast/options.hpp"
#include "roomcast/rate_limiter.hpp"
#include "roomcast/results.hpp"

namespace roomcast {

namespace detail {

/// What the parts of a registry share.
template <class T>
struct Core {
    using Options = BasicOptions<typename T::time_point>;
    using Lock = detail::Lock<typename T::mutex>;

    const Options options;
    typename T::observer observer;
    typename T::events events;
    typename T::clock clock;

    Gates handles;  // messages that went through them were sent without the lock

    mutable typename T::mutex mutex;  // guards all that follows
    Pools<T> pools;
    Storage<T> storage;
    Directory<T> directory{options, pools, storage};
    Timers<T> timers;
    Statistics statistics;
    RateLimiter<typename T::user_id> user_rates{options.user_rate};

    template <class Policies>
    Core(Options&& o, Policies&& p)
        : options(std::move(o)), observer(std::move(p.observer)), events(std::move(p.events)),
          clock(std::move(p.clock)) {}

    [[nodiscard]] Instant now() const { return instant_of(clock.now()); }

    /// Whether a member's message may be taken (then `sent`), or why not: its rates
    /// first, then what the room lets through. Throws std::bad_alloc.
    PublishResult limit(ConnectionRecord<T>& c, RoomRecord<T>& room, MessageClass message_class) {
        const bool sampled = room.options.rate.limits();
        const bool exempt = message_class < MessageClass::normal;
        if (exempt ? !sampled : !(sampled || options.connection_rate.limits() || options.user_rate.limits()))
            return {Delivery::sent};
        const auto time = clock.now();
        const Instant now = instant_of(time);
        if (exempt) {
            room.news->sampler.spend(now);
            return {Delivery::sent};
        }
        Instant wait = c.open.rate.wait(options.connection_rate, now);
        if (wait == Instant(0)) wait = user_rates.take(view_of(c.user->id), now);
        if (wait == Instant(0)) wait = c.open.rate.take(options.connection_rate, now);
        if (wait != Instant(0)) {
            ++statistics.rate_limited;
            return {Delivery::rate_limited, wait};
        }
        if (!sampled) return {Delivery::sent};
        wait = room.news->sampler.offer(view_of(c.user->id), now);
        if (wait == Instant(0)) return {Delivery::sent};
        ++statistics.left_out;
        room.news->leave_out(time);
        if (!room.occupancy.busy()) look_again(room);
        return {Delivery::left_out, wait};
    }

    /// A reason for a removal, shared with one who waits for its end and has the
    /// same: a host has few, and many whom it removes for one.
    [[nodiscard]] KeptReason keep(const CloseReason& reason) const noexcept {
        const auto* const last = timers.in_grace.empty() ? timers.closing.back() : timers.in_grace.back();
        return last && last->removed.reason.keeps(reason) ? last->removed.reason : KeptReason(reason);
    }

    /// The connection has to go; its farewell is tried.
    void end(ConnectionRecord<T>& c, const CloseReason& reason, Work<T>& work) noexcept {
        if (c.step == Step::open) directory.remove(c, keep(reason), nullptr, LeaveCause::removed, work);
    }
    void end_slow_reader(Outbox<T>& outbox, Work<T>& work) noexcept {
        ConnectionRecord<T>& c = *outbox.connection;
        if (c.step == Step::open) ++statistics.slow_consumers;
        statistics.dropped += outbox.data_count;
        outbox.drop_data();
        storage.give_up(outbox);
        end(c, {CloseCode::slow_consumer, "read too slowly"}, work);
    }

    /// Keeps to Options::memory, as it says. `at_work` is a room in the
    /// caller's hand: its history is the last to give. Other rooms at work keep
    /// theirs. O(what is given up + rooms at work).
    void relieve(RoomRecord<T>* at_work, Work<T>& work) noexcept {
        const std::size_t most = options.memory;
        const auto over = [&] { return most != 0 && storage.bytes() > most; };
        const auto shrink = [&](RoomRecord<T>& room) {
            statistics.shrunk += room.log->store.shrink(storage.bytes() - most);
            storage.account(room, false);
        };
        if (!over()) return;
        const auto& rooms = storage.silent_rooms();
        for (RoomRecord<T>* room = rooms.front(); room && over();) {
            RoomRecord<T>* const next = rooms.next(*room);
            if (!room->occupancy.busy()) shrink(*room);
            room = next;
        }
        if (over() && at_work && at_work->log) shrink(*at_work);
        while (over())
            if (Outbox<T>* slowest = storage.longest_waiting()) end_slow_reader(*slowest, work);
            else break;
    }

    /// Notes when a room that nobody works in has to be looked at again.
    void look_again(RoomRecord<T>& room) noexcept {
        auto when = T::time_point::max();
        if (room.parcel.count != 0) when = room.batch_until;
        if (room.news && room.news->has_any()) when = least(when, room.news->look_again(clock.now()));
        if (when == room.look_again) return;
        room.look_again = when;
        if (room.indexed) timers.update(room);
    }

    /// A room leaves the index.
    void unindex(RoomRecord<T>& room, Work<T>& work) noexcept {
        timers.forget(room);
        if (!room.occupancy.end()) work.schedule(room);  // who is in it comes to its end
        directory.unindex(room, work);
        if (directory.room_count() == 0) timers.release();
    }

    /// All of a room's memberships end at once; its drainer takes them apart.
    void close_room(RoomRecord<T>& room, const KeptReason& reason, Work<T>& work) noexcept {
        directory.close(room, reason);
        work.schedule(room);  // keeps it alive, which the index did
        unindex(room, work);
    }
};

}  // namespace detail
}  // namespace roomcast
