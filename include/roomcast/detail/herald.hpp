// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "roomcast/detail/core.hpp"
#include "roomcast/detail/courier.hpp"
#include "roomcast/events.hpp"

namespace roomcast::detail {

/// What single connections hear of a room: their join, their message's number,
/// their end. By the room's drainer. An event that cannot be written ends the
/// connection that it was meant for.
template <class T>
class Herald {
    using Room = RoomRecord<T>;
    using Connection = ConnectionRecord<T>;
    using Lock = typename Core<T>::Lock;

public:
    Herald(Core<T>& core, Courier<T>& courier) noexcept : core_(core), courier_(courier) {}

    /// From here on the room's messages reach the membership. Lock held at the
    /// beginning and at the end.
    void tell_join(Room& room, JoinItem<T>& join, Lock& lock, Work<T>& work) noexcept {
        Membership<T>& m = *join.membership;
        Connection& c = *m.connection;
        if (m.dead && m.farewell != Farewell::left) return cancel(room, join, lock, work);
        // Who has left meanwhile hears that it was in, and then that it is out.
        const bool present = !m.dead;
        if (present) core_.directory.admit(m);
        if (!courier_.hears(c)) return;
        const auto* const from = join.from && !is_in(c, join.from->id) ? &join.from->id : nullptr;
        const Counts counts{room.user_count, room.connection_count};
        Info<T> shared_info{};
        if (present) shared_info = m.info;
        bool told = false;
        {
            Unlocked unlocked(lock);
            const auto info = std::move(shared_info);  // which may be its last holder
            try_to_tell(c, work, [&] {
                if (join.follower && from && !say(m, core_.events.moved(MovedEvent<T>{c.handle, *from, room.id}), work))
                    return;
                bool recovered = false;
                const auto history = wanted_history(room, join, recovered);
                static const typename T::member_info no_info{};
                const JoinedEvent<T> joined{
                    .connection = c.handle,
                    .room = room.id,
                    .user = view_of(c.user->id),
                    .from = from,
                    .creator = room.creator ? &*room.creator : nullptr,
                    .info = info.get() ? *info.get() : no_info,
                    .context = join.follower ? nullptr : &join.context,
                    .position = {room.epoch, room.seq.load(std::memory_order_relaxed)},
                    .counts = counts,
                    .was_recovering = join.since.has_value(),
                    .recovered = recovered,
                    .history = {history.data(), history.size()},
                };
                told = say(m, core_.events.joined(joined), work);
            });
        }
        if (!told) cancel(room, join, lock, work);
    }

    /// A join that nobody will be told of. Lock held at the beginning and at
    /// the end.
    void cancel(Room& room, JoinItem<T>& join, Lock& lock, Work<T>& work) noexcept {
        Connection& c = *join.membership->connection;
        if (join.follower || c.step != Step::open) return;
        ++c.pending;  // its farewell waits
        {
            Unlocked unlocked(lock);
            const CancelledEvent<T> cancelled{c.handle, room.id, join.context};
            answer(c, work, [&] { return core_.events.not_joined(cancelled); });
        }
        core_.directory.settled_one(c, work);
    }

    /// Tells who published which number the message has, or that it is not
    /// taken after all. Without the lock; the farewell of a connection that
    /// `hears` waits.
    void answer_publisher(const Room& room, const MessageItem<T>& message, bool taken, bool hears,
                          Work<T>& work) noexcept {
        Connection& c = *message.publisher->connection;
        const auto text = [&] {
            const PublishedEvent<T> published{c.handle, room.id, message.context, {room.epoch, message.seq}};
            const CancelledEvent<T> cancelled{c.handle, room.id, message.context};
            return taken ? core_.events.published(published) : core_.events.not_published(cancelled);
        };
        if (hears) return answer(c, work, text);
        try {
            text();  // the host may keep it
        } catch (...) {
        }
    }

    /// One membership has ended, the connection stays. Without the lock.
    void say_farewell(Membership<T>& m, Work<T>& work) noexcept {
        Connection& c = *m.connection;
        answer(c, work, [&] {
            return m.farewell == Farewell::left
                       ? core_.events.left(LeftEvent<T>{c.handle, m.room->id, m.context})
                       : core_.events.removed(RemovedEvent<T>{c.handle, m.room->id, m.reason.view()});
        });
    }

private:
    template <class Tell>
    void try_to_tell(Connection& c, Work<T>& work, Tell&& tell) noexcept {
        try {
            tell();
        } catch (...) {
            Lock lock(core_.mutex);
            courier_.broken(c, work);
        }
    }

    template <class Write>
    void answer(Connection& c, Work<T>& work, Write&& write) noexcept {
        try_to_tell(c, work, [&] {
            const std::string text = write();
            if (!text.empty()) courier_.deliver(c, {Courier<T>::control_frame(c, text)}, work);
        });
    }

    /// Lock held. By name: who has gone back to where this join came from is not
    /// told that it has left.
    [[nodiscard]] bool is_in(const Connection& c, const typename T::room_id& room) const noexcept {
        return core_.pools.memberships.find(c, [&](const Membership<T>& m) { return m.room->id == room; }) != nullptr;
    }

    /// False, and nothing said: it was ended meanwhile, otherwise than by a leave, or
    /// its room was.
    bool say(Membership<T>& m, const std::string& text, Work<T>& work) {
        if (text.empty()) return true;
        Connection& c = *m.connection;
        const Frame frame = Courier<T>::control_frame(c, text);
        {
            Lock lock(core_.mutex);
            const bool ended = m.dead && m.farewell != Farewell::left;
            if (ended || m.room->closed.load(std::memory_order_relaxed)) return false;
        }
        courier_.deliver(c, {.frame = frame, .membership = &m, .lasting = true}, work);
        return true;
    }

    /// What the join asked for, oldest first, cut to the newest that fit.
    std::vector<HistoryEntry> wanted_history(Room& room, const JoinItem<T>& join, bool& recovered) const {
        const std::uint64_t last = room.seq.load(std::memory_order_relaxed);
        const bool same_log = join.since && join.since->epoch == room.epoch && join.since->seq <= last;
        const std::uint64_t after = same_log ? join.since->seq : 0;
        const std::size_t most = join.since ? std::numeric_limits<std::size_t>::max() : join.history;
        std::vector<HistoryEntry> entries;
        if (room.log && most != 0 && after != last) {
            auto& store = room.log->store;
            if (room.options.history_age.count() > 0) store.expire(core_.now());
            store.read(after, most, core_.options.join_history_bytes, entries);
        }
        recovered = same_log && entries.size() == last - after;
        return entries;
    }

    Core<T>& core_;
    Courier<T>& courier_;
};

}  // namespace roomcast::detail
