// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstddef>
#include <string_view>
#include <utility>

#include "roomcast/config.hpp"
#include "roomcast/detail/chronicle.hpp"
#include "roomcast/detail/hash.hpp"
#include "roomcast/detail/index.hpp"
#include "roomcast/detail/news.hpp"
#include "roomcast/detail/storage.hpp"
#include "roomcast/detail/work.hpp"
#include "roomcast/results.hpp"

namespace roomcast::detail {

/// Who is where: every index, and the only functions that change membership.
/// Runs entirely under the registry's lock and calls nothing of the host but
/// hash, equality and move of ids and handles; what is to be told, sent or
/// freed goes into Work.
template <class T>
class Directory {
public:
    using Room = RoomRecord<T>;
    using Connection = ConnectionRecord<T>;
    using Options = BasicOptions<typename T::time_point>;

    Directory(const Options& options, Pools<T>& pools, Storage<T>& storage)
        : options_(options),
          memberships_(pools.memberships),
          storage_(storage),
          next_epoch_(hash_.salt()),
          users_({&pools.users}),
          connections_({&pools.connections}) {}

    [[nodiscard]] const Options& options() const noexcept { return options_; }

    // Indexes.

    [[nodiscard]] Room* find_room(typename T::room_view id) const {
        return rooms_.find(hash_(id), [&](const Room& r) { return is_id(r.id, id); });
    }
    [[nodiscard]] User<T>* find_user(typename T::user_view id) const { return find_user(id, hash_of_user(id)); }
    [[nodiscard]] User<T>* find_user(typename T::user_view id, std::uint32_t hash) const {
        return users_.find(hash, [&](const User<T>& u) { return is_id(u.id, id); });
    }
    [[nodiscard]] Connection* find_connection(const typename T::connection_type& handle) const {
        return find_connection(handle, hash_of_connection(handle));
    }
    [[nodiscard]] Connection* find_connection(const typename T::connection_type& handle, std::uint32_t hash) const {
        return connections_.find(hash, [&](const Connection& c) { return c.handle == handle; });
    }
    [[nodiscard]] std::uint32_t hash_of_user(typename T::user_view id) const { return hash_(id); }
    [[nodiscard]] std::uint32_t hash_of_connection(const typename T::connection_type& handle) const {
        return hash_.mix(std::hash<typename T::connection_type>{}(handle));
    }
    template <class Id>
    [[nodiscard]] bool valid(const Id& id) const noexcept {
        if constexpr (std::same_as<Id, std::string_view>) return !id.empty() && id.size() <= options_.max_id_bytes;
        else return true;
    }

    /// The membership of a connection in a room. O(rooms of the connection).
    [[nodiscard]] Membership<T>* membership(const Connection& c, const Room& room) const noexcept {
        if (room.closed.load(std::memory_order_relaxed)) return nullptr;
        return memberships_.find(c, [&](const Membership<T>& m) { return m.room == &room; });
    }
    /// The same by name: for a connection in few rooms its own are looked at
    /// sooner than all.
    [[nodiscard]] Membership<T>* membership(const Connection& c, typename T::room_view id) const {
        if (c.step == Step::open && c.open.room_count > 4) {
            const Room* const room = find_room(id);
            return room ? membership(c, *room) : nullptr;
        }
        return memberships_.find(c, [&](const Membership<T>& m) {
            return !m.room->closed.load(std::memory_order_relaxed) && is_id(m.room->id, id);
        });
    }

    [[nodiscard]] std::size_t room_count() const noexcept { return rooms_.size(); }
    [[nodiscard]] Counts counts() const noexcept { return {users_.size(), open_connections_}; }
    [[nodiscard]] std::size_t closing_connections() const noexcept { return connections_.size() - open_connections_; }
    [[nodiscard]] const List<Room, RoomTag>& all_rooms() const noexcept { return all_rooms_; }
    [[nodiscard]] Connection* any_connection(std::uint64_t* from) const noexcept { return connections_.any(from); }

    // Making. Each throws std::bad_alloc and then has changed nothing.

    void reserve_user() { users_.reserve(); }
    void reserve_connection() { connections_.reserve(); }
    [[nodiscard]] Owner<Room> make_room(typename T::room_view id, const typename Room::Options& options) {
        rooms_.reserve();
        Owner<Room> room(new Room(id, hash_(id), options, new_epoch()));
        if (options.history != 0)
            room->log = Owner(new Log<T>({options.history, options.history_bytes, options.history_age}));
        if (News<T>::wanted(options)) room->news = Owner(new News<T>(*room, hash_));
        room->plain = !room->log && !room->news && options.batch_window.count() <= 0;
        return room;
    }
    [[nodiscard]] Owner<Outbox<T>> make_outbox(Connection& c) { return storage_.make_outbox(c, hash_); }
    [[nodiscard]] std::uint64_t new_epoch() noexcept { return ++next_epoch_; }

    void insert(User<T>& user) noexcept { users_.insert(user); }
    void insert(Connection& c) noexcept {
        connections_.insert(c);
        ++open_connections_;
    }
    void insert_room(Owner<Room> room) noexcept {
        rooms_.insert(*room);
        all_rooms_.push_back(*room);
        room->indexed = true;
        ++room->references;
        events_.add(room->opened, *room, EventKind::room_opened);
        room.release();
    }
    void give_user(Connection& c, User<T>& user) noexcept {
        c.user = &user;
        ++user.references;
        user.devices.push_back(c);
        ++user.device_count;
    }

    /// After `room.places.reserve`. `oldest` is that of the user's oldest device there,
    /// null where this is the first. `admit` comes later, or, where `told` (nobody
    /// has to hear of it first), `fill_slot`.
    void enter(Membership<T>& m, Connection& c, Room& room, Membership<T>* oldest, bool told, Work<T>& work) noexcept {
        m.connection = &c;
        m.told = told;
        memberships_.add(c, m);
        ++c.pending;
        ++c.references;
        take_place(m, room);
        if (oldest) {
            memberships_.follow(*oldest, m);
            m.info = oldest->info;
        } else {
            memberships_.lead(m.user(), m);
            count_in(m, work);
        }
    }

    /// Whether nobody holds its records but the room, which lets go of them at
    /// once if it can be taken, and whether its user has no other device there.
    [[nodiscard]] bool may_move(const Membership<T>& m) const noexcept {
        return m.references == 1 && memberships_.alone(m) && goes_at_once(m);
    }
    /// Who may move takes its records along to where its user is not yet; the
    /// outcome is that of a new membership and the end of this one. The caller has
    /// taken the old room, which is given back here; else as `enter`.
    void move(Membership<T>& m, Room& to, bool told, Work<T>& work) noexcept {
        Room& from = *m.room;
        if (m.connection->outbox) forget_traffic(m, work);
        from.places.erase(*m.slot);
        from.occupancy.give_back(true);
        --from.connection_count;
        from.count_encoding(m.connection->encoding, -1);
        --from.user_count;
        m.told = told;
        take_place(m, to);
        count_in(m, work);
        if (from.connection_count == 0) work.schedule(from);
        release(from);
    }

    // Unmaking. Nothing here takes memory or fails.

    /// Ends one membership: nothing that waits of it is sent any more, but for the
    /// answer to its join. Its farewell is told by whoever reaps it, with the `reason`, if
    /// there is one; where there is none to tell, it may be freed before this returns.
    /// O(what waits for the connection + its rooms + those of its user).
    void end(Membership<T>& m, Cause cause, Work<T>& work, const KeptReason* reason = nullptr) noexcept {
        Room& room = *m.room;
        m.dead = true;
        m.slot->target.store(nullptr, std::memory_order_release);
        memberships_.remove(*m.connection, m);
        if (m.connection->outbox) forget_traffic(m, work);
        const bool last = memberships_.part(m);
        if (reason) m.keep(*reason);
        --room.connection_count;
        room.count_encoding(m.connection->encoding, -1);
        if (cause.told) events_.add(m.gone, m, EventKind::left, cause, last && !has_moved_on(m.user()));
        if (last) {
            --room.user_count;
            if (room.news) room.news->went(m.user(), m.info, work);
        }
        if (room.news) room.news->changed = true;
        if (cause.cause == LeaveCause::removed) m.expelled = true;
        if (goes_at_once(m) && room.occupancy.take()) {
            room.places.erase(*m.slot);
            room.occupancy.give_back(true);
            settled_one(*m.connection, work);
            release(m, work);
            if (room.connection_count != 0) return;
        } else if (!m.is_leaving()) {
            to_be_reaped(m);
        }
        work.schedule(room);
    }
    void to_be_reaped(Membership<T>& m) noexcept {
        memberships_.push(m.room->dead, m);
        m.room->has_dead.store(true, std::memory_order_relaxed);
    }
    /// An item is out of its room's queue, and whoever waited for it answered.
    void answered(Item<T>& item) noexcept {
        const bool is_join = item.kind == Item<T>::Kind::join;
        Membership<T>* const m =
            is_join ? static_cast<JoinItem<T>&>(item).membership : static_cast<MessageItem<T>&>(item).publisher;
        if (!m) return;
        if (is_join) --m->joins_queued;
        else --m->messages_queued;
        if (m->dead && m->farewell == Farewell::left && !m->is_leaving()) to_be_reaped(*m);
    }

    /// Ends all of a connection: out of every index, then the farewell once
    /// all its rooms have let go of it.
    void remove(Connection& c, const KeptReason& reason, Room* named, LeaveCause cause, Work<T>& work) noexcept {
        ROOMCAST_ASSERT(c.step == Step::open);
        const Step next = cause == LeaveCause::broken ? Step::terminate : Step::farewell;
        if (!is_told<T> || next != Step::farewell) named = nullptr;
        else if (const auto* newest = memberships_.newest(c); newest && !named) named = newest->room;
        if (named) ++named->references;
        depart(c, {cause, reason.code()}, work);
        c.set_removed(next, reason, named);
        step_if_ready(c, work);
    }

    /// The transport is gone: nothing will be sent to it or asked of it.
    void forget(Connection& c, LeaveCause cause, Work<T>& work) noexcept {
        if (c.step == Step::open) {
            depart(c, {cause}, work);
            c.set_removed(Step::gone, {}, nullptr);
        } else {
            if (c.step == Step::farewell && c.removed.room) release(*c.removed.room);
            List<Connection, DeviceTag>::unlink(c);
            c.step = Step::gone;
        }
        connections_.erase(c);
        silence(c, work);
        release(c, work);
    }

    /// Nothing more is sent, not even what waits. After the step is set.
    void silence(Connection& c, Work<T>& work) noexcept {
        c.congested.store(true, std::memory_order_release);
        if (c.outbox && !c.outbox->flushing) drop_outbox(c, work);
    }

    /// Ends one membership by force. A connection that must not stay without
    /// a room goes altogether.
    void expel(Membership<T>& m, const KeptReason& reason, Room* named, Work<T>& work) noexcept {
        Connection& c = *m.connection;
        if (c.open.room_count == 1 && closes_without_room()) {
            remove(c, reason, named ? named : m.room, LeaveCause::removed, work);
        } else {
            m.farewell = Farewell::removed;
            end(m, {LeaveCause::removed, reason.code()}, work, &reason);
        }
    }

    /// Memberships of rooms that have been closed end now, if the drainer has
    /// not come to them yet.
    void settle(Connection& c, Work<T>& work) noexcept {
        if (closed_rooms_ == 0) return;
        memberships_.for_each(c, [&](Membership<T>& m) {
            if (m.room->closed.load(std::memory_order_relaxed)) expel(m, m.room->close_reason, nullptr, work);
        });
    }
    void settle(User<T>& user, Work<T>& work) noexcept {
        if (closed_rooms_ == 0) return;
        for (auto* c = user.devices.front(); c;) {
            auto* next = user.devices.next(*c);
            settle(*c, work);
            c = next;
        }
    }

    /// All of a room's memberships have ended; `settle` or its drainer takes them apart.
    void close(Room& room, const KeptReason& reason) noexcept {
        room.close_reason = reason;
        room.closed.store(true, std::memory_order_relaxed);
        ++closed_rooms_;
    }
    /// A room leaves the index; memberships that it still has are taken apart
    /// by its drainer.
    void unindex(Room& room, Work<T>& work) noexcept {
        rooms_.erase(room);
        room.indexed = false;
        if (!room.closed.load(std::memory_order_relaxed)) dismantled(room, work);
        release(room);
    }

    /// An ended room is empty, and nobody works in it.
    void dismantled(Room& room, Work<T>& work) noexcept {
        if (room.closed.load(std::memory_order_relaxed)) --closed_rooms_;
        storage_.remove_log(room, work);
        if (room.news) room.news->clear(work);
        events_.add(room.ended, room, EventKind::room_closed);
    }

    // References.

    void release(Room& room) noexcept {
        if (--room.references != 0) return;
        List<Room, RoomTag>::unlink(room);
        delete &room;
    }
    void release(Connection& c, Work<T>& work) noexcept {
        if (--c.references != 0) return;
        if (c.outbox) drop_outbox(c, work);
        if (c.user && --c.user->references == 0) work.trash.add(*c.user);
        List<Connection, DeviceTag>::unlink(c);
        work.trash.connections.push_back(c);
    }
    void release(Membership<T>& m, Work<T>& work) noexcept {
        if (--m.references != 0) return;
        release(*m.room);
        release(*m.connection, work);
        work.trash.add(m);
    }
    void release(Item<T>& item, Work<T>& work) noexcept {
        if (item.kind == Item<T>::Kind::join) {
            auto& join = static_cast<JoinItem<T>&>(item);
            if (join.from) release(*join.from);
            release(*join.membership, work);
        } else {
            release_people(static_cast<MessageItem<T>&>(item), work);
        }
        work.trash.add(item);
    }
    void release_publisher(MessageItem<T>& message, Work<T>& work) noexcept {
        if (message.publisher) release(*message.publisher, work);
        message.publisher = nullptr;
    }
    void release_people(MessageItem<T>& message, Work<T>& work) noexcept {
        release_publisher(message, work);
        if (message.except) release(*message.except, work);
        message.except = nullptr;
    }

    /// One of the reasons to wait with the farewell is gone.
    void settled_one(Connection& c, Work<T>& work) noexcept {
        --c.pending;
        step_if_ready(c, work);
    }

    /// From here on the room's messages reach it. By whoever works in the room.
    void admit(Membership<T>& m) noexcept {
        m.told = true;
        fill_slot(m);
    }
    /// Once it is told: they reach it by its slot, unless an outbox is before it.
    void fill_slot(Membership<T>& m) noexcept {
        if (!m.connection->outbox) m.slot->target.store(T::direct::of(m.connection->handle), std::memory_order_release);
    }

    void set_outbox(Connection& c, Owner<Outbox<T>> outbox) noexcept {
        c.outbox = std::move(outbox);
        storage_.insert(*c.outbox);
        c.congested.store(true, std::memory_order_release);
        memberships_.for_each(c, [](Membership<T>& m) { m.slot->target.store(nullptr, std::memory_order_release); });
    }
    void drop_outbox(Connection& c, Work<T>& work) noexcept {
        c.congested.store(c.step >= Step::terminate, std::memory_order_release);
        memberships_.for_each(c, [&](Membership<T>& m) {
            // What waited of an ended room is lost: nothing newer of it may follow.
            if (m.told && !m.room->closed.load(std::memory_order_relaxed))
                m.slot->target.store(T::direct::of(c.handle), std::memory_order_release);
        });
        Outbox<T>* outbox = c.outbox.release();
        storage_.remove(*outbox);
        List<Outbox<T>, FlushTag>::unlink(*outbox);
        work.trash.outboxes.push_back(*outbox);
    }

    [[nodiscard]] bool closes_without_room() const noexcept {
        if (options_.last_room != LastRoom::by_membership) return options_.last_room == LastRoom::close;
        return options_.membership != roomcast::Membership::many_rooms;
    }

    // Events for the observer.

    /// A message that could not be encoded.
    void drop(MessageItem<T>& message, Room& room, Work<T>& work) noexcept {
        if constexpr (is_observed<T>) {
            release_people(message, work);
            message.dropped.message = &message;
            events_.add(message.dropped, room, EventKind::message_dropped);
        } else {
            release(message, work);
        }
    }
    /// An event has been told.
    void release(EventRecord<T>& event, Work<T>& work) noexcept {
        if (event.from) release(*event.from);
        if (event.message) work.trash.items.push_back(*event.message);
        Room* room = event.room;
        if (event.membership) release(*event.membership, work);
        if (room) release(*room);
    }
    [[nodiscard]] Chronicle<T>& events() noexcept { return events_; }
    [[nodiscard]] const Chronicle<T>& events() const noexcept { return events_; }

private:
    void take_place(Membership<T>& m, Room& room) noexcept {
        m.room = &room;
        room.count_encoding(m.connection->encoding, 1);
        m.slot = &room.places.append(m);
        ++room.references;
        ++room.connection_count;
        room.entered = true;
        room.active.store(true, std::memory_order_relaxed);
        if (room.news) room.news->changed = true;
    }
    void count_in(Membership<T>& m, Work<T>& work) noexcept {
        ++m.room->user_count;
        if (m.room->news) m.room->news->came(m.user(), work);
    }
    /// Once its devices have left a room: it is in another, which it entered first.
    [[nodiscard]] bool has_moved_on(const User<T>& user) const noexcept {
        return options_.membership == roomcast::Membership::one_room_per_user && user.rooms != 0;
    }

    /// Out of every index but that of connections, where it stays to be
    /// refused until its transport is gone.
    void depart(Connection& c, Cause cause, Work<T>& work) noexcept {
        while (auto* m = memberships_.oldest(c)) end(*m, cause, work);
        --open_connections_;
        if (User<T>* user = c.user) {
            user->devices.erase(c);
            if (--user->device_count == 0) users_.erase(*user);
        }
    }

    /// Nobody is to hear of its end, and no room has to come to it first.
    [[nodiscard]] static bool goes_at_once(const Membership<T>& m) noexcept {
        if (is_told<T> && m.farewell != Farewell::none) return false;
        return m.room->at_rest();
    }
    void forget_traffic(const Membership<T>& m, Work<T>& work) noexcept {
        Outbox<T>& outbox = *m.connection->outbox;
        outbox.drop(m);
        if (outbox.empty() && !outbox.flushing) drop_outbox(*m.connection, work);
    }

    void step_if_ready(Connection& c, Work<T>& work) noexcept {
        const bool removed = c.step == Step::farewell || c.step == Step::terminate;
        if (removed && c.pending == 0) work.connections.push_back(c);
    }

    const Options& options_;
    Memberships<T>& memberships_;
    Storage<T>& storage_;
    SeededHash hash_;
    std::uint64_t next_epoch_;
    PoolIndex<User<T>> users_;
    PoolIndex<Connection> connections_;
    Index<Room> rooms_;
    List<Room, RoomTag> all_rooms_;  // oldest first, until freed
    std::size_t open_connections_ = 0;
    std::size_t closed_rooms_ = 0;  // that are not dismantled yet
    Chronicle<T> events_;
};

}  // namespace roomcast::detail
