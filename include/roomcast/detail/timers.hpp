// SPDX-License-Identifier: MIT
#pragma once

#include "roomcast/detail/deadline_heap.hpp"
#include "roomcast/detail/later.hpp"
#include "roomcast/detail/least.hpp"
#include "roomcast/detail/work.hpp"

namespace roomcast::detail {

/// What `poll` has to come back to. Guarded by the lock.
template <class T>
class Timers {
    using time_point = typename T::time_point;
    using Room = RoomRecord<T>;
    using Connection = ConnectionRecord<T>;

public:
    // Removed connections. Grace and close timeout are the same for all, so
    // the lists are in the order of their deadlines.
    List<Connection, DeviceTag> in_grace;
    List<Connection, DeviceTag> closing;

    /// Empty rooms that stay for a while, the longest empty first.
    List<Room, LingerTag> lingering;

    /// A room whose turn was over goes on in `poll`.
    void park(Room& room, time_point now) noexcept {
        if (parked_.empty()) parked_since_ = now;
        parked_.push_back(room);
    }
    void unpark_all(Work<T>& work) noexcept { work.rooms.take(parked_); }

    /// Capacity for `count` rooms with deadlines. Throws std::bad_alloc.
    void reserve(std::size_t count) { rooms_.reserve(count); }
    void release() noexcept { rooms_.release(); }

    /// After any change to what limits the room's life.
    void update(Room& room) noexcept {
        time_point due = least(room.linger_until, room.look_again);
        if (room.options.ends_at) due = least(due, *room.options.ends_at);
        if (room.options.idle.count() > 0) due = least(due, later(room.idle_since, room.options.idle));
        if (due != time_point::max()) rooms_.set(room, due);
        else rooms_.clear(room);
    }
    void forget(Room& room) noexcept {
        rooms_.clear(room);
        stop_lingering(room);
    }

    void linger(Room& room, time_point until) noexcept {
        room.linger_until = until;
        lingering.push_back(room);
        update(room);
    }
    void stop_lingering(Room& room) noexcept {
        if (!room.lingers()) return;
        room.linger_until = time_point::max();
        List<Room, LingerTag>::unlink(room);
    }

    [[nodiscard]] Room* due_room(time_point now) const noexcept {
        Room* room = static_cast<Room*>(rooms_.front());
        return room && room->due <= now ? room : nullptr;
    }

    /// Removed connections whose time has come go into `work`; of each kind at
    /// most `most`.
    void collect_due(time_point now, int most, Work<T>& work) noexcept {
        collect_due(in_grace, now, most, work);
        collect_due(closing, now, most, work);
    }

    [[nodiscard]] time_point next() const noexcept {
        time_point next = time_point::max();
        if (!parked_.empty()) next = least(next, parked_since_);
        if (const Connection* c = in_grace.front()) next = least(next, c->removed.due);
        if (const Connection* c = closing.front()) next = least(next, c->removed.due);
        if (const auto* room = rooms_.front()) next = least(next, room->due);
        return next;
    }

private:
    static void collect_due(List<Connection, DeviceTag>& list, time_point now, int most, Work<T>& work) noexcept {
        for (Connection* c = list.front(); c && c->removed.due <= now && most > 0; c = list.front(), --most) {
            List<Connection, DeviceTag>::unlink(*c);
            work.connections.push_back(*c);
        }
    }

    DeadlineHeap<time_point> rooms_;
    List<Room, ReadyTag> parked_;
    time_point parked_since_{};
};

}  // namespace roomcast::detail
