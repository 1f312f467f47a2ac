// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "roomcast/detail/core.hpp"
#include "roomcast/requests.hpp"
#include "roomcast/results.hpp"

namespace roomcast::detail {

/// Joins: looks whether one may, reserves or makes everything that could fail,
/// then commits what cannot. Runs under the lock.
template <class T>
class Admission {
    using Room = RoomRecord<T>;
    using Connection = ConnectionRecord<T>;
    using UserId = typename User<T>::Id;

public:
    using Info = detail::Info<T>;

    Admission(Core<T>& core, Work<T>& work) noexcept
        : core_(core), directory_(core.directory), memberships_(core.pools.memberships), work_(work) {}

    /// `name` may be null: known, but nobody's yet.
    AttachResult attach(typename T::connection_type& handle, int encoding, const typename T::user_view* name) {
        const auto refuse = [](Refusal refusal) { return AttachResult{AttachStatus::refused, refusal}; };
        if (name && !directory_.valid(*name)) return refuse(Refusal::bad_id);
        const Refusal no = look_at(handle, name);
        if (no != Refusal::none) return refuse(no);
        if (connection_ && (!name || connection_->user)) return {AttachStatus::already_attached, Refusal::none};
        if (!connection_ && connections_full(0)) return refuse(Refusal::too_many_connections);
        const bool new_device = name != nullptr;
        if (new_device && too_many_devices(0) > 0 && directory_.options().devices == DeviceLimit::refuse)
            return refuse(Refusal::too_many_devices);

        auto id = name && !user_ ? UserId(*name) : UserId();
        if (name && !user_) reserve_user();
        if (!connection_) reserve_connection();

        // From here on nothing fails.
        if (name && !user_) make_user(std::move(id));
        if (!connection_) make_connection(handle, encoding);
        if (new_device) {
            directory_.give_user(*connection_, *user_);
            drop_oldest_devices();
        }
        return {AttachStatus::attached, Refusal::none};
    }

    JoinResult join(typename T::connection_type& handle, int encoding, BasicJoin<T>& join, Info&& info) {
        const auto refuse = [](Refusal refusal) { return JoinResult{JoinStatus::refused, refusal}; };
        if (!directory_.valid(join.room) || (join.user && !directory_.valid(*join.user))) return refuse(Refusal::bad_id);
        const Refusal no = look_at(handle, join.user ? &*join.user : nullptr);
        if (no != Refusal::none) return refuse(no);
        if (!join.user && !user_) return refuse(Refusal::no_user);

        room_ = directory_.find_room(join.room);
        oldest_ = user_ && room_ ? memberships_.leader(*user_, *room_) : nullptr;
        find_replaced(join);
        if (connection_ && oldest_)  // else it is not there either
            if (auto* m = directory_.membership(*connection_, *room_)) return stay(*m, join, std::move(info));

        find_what_must_go();
        if (const Refusal full = admit(join); full != Refusal::none) return refuse(full);

        // Everything that may fail.
        const bool new_device = !(connection_ && connection_->user);
        Owner<Room> made_room;
        if (!room_) {
            if (!find_place_for_room()) return refuse(Refusal::too_many_rooms);
            made_room = make_room(join.room, directory_.options().room);
            made_room->creator.emplace(user_ ? view_of(user_->id) : *join.user);
        }
        Room& room = room_ ? *room_ : *made_room;
        if (Membership<T>* const alone = find_movable()) {
            auto item = make_item(room);
            room.places.reserve(1);
            if (alone->room->occupancy.take())  // else somebody is in the old room: the long way
                return move(*alone, room, std::move(made_room), std::move(item), join, info);
        }
        auto id = user_ ? UserId() : UserId(*join.user);
        if (!user_) reserve_user();
        Owner<Follower[]> followers;
        const std::size_t following = leaving_ && follows() ? others() : 0;
        if (following != 0) {
            followers = Owner<Follower[]>(new Follower[following]);
            std::size_t i = 0;
            memberships_.for_each_together(*leaving_, [&](const Membership<T>& m) {
                if (is_other(m))
                    followers[i++] = {m.connection, m.tags.load(std::memory_order_relaxed), make_item(room)};
            });
        }
        auto item = make_item(room);
        memberships_.reserve(following + 1);
        room.places.reserve(following + 1);
        if (!connection_) reserve_connection();

        // From here on nothing fails. What was reserved is made before anything is freed.
        if (!user_) make_user(std::move(id));
        if (!connection_) make_connection(handle, encoding);
        const bool device_added = oldest_ != nullptr;
        Membership<T>& m = memberships_.make();
        m.tags.store(join.tags, std::memory_order_relaxed);
        for (std::size_t i = 0; i < following; ++i) followers[i].membership = &memberships_.make();
        if (made_room) insert_room(std::move(made_room));
        room_ = &room;
        if (new_device) directory_.give_user(*connection_, *user_);
        Room* const from = leaving_ ? leaving_->room : leaving_alone_ ? leaving_alone_->room : nullptr;
        wake_up(room);

        // The new place first, so that the user is never without one.
        directory_.enter(m, *connection_, room, oldest_, !item, work_);
        if (!device_added) oldest_ = &m;  // of those who follow
        // The old one is freed without the lock.
        if (!device_added || join.update_info) memberships_.swap_info(*oldest_, info);
        const bool left_from = leaving_ || (leaving_alone_ && memberships_.alone(*leaving_alone_));
        directory_.events().add(m.entered, m, from ? EventKind::migrated : EventKind::joined, {}, !device_added, from,
                                left_from, following + 1);
        if (from) leave_old_places(m);
        take_in(m, std::move(item), join, from);
        for (std::size_t i = 0; i < following; ++i) follow(followers[i], from);
        if (replaced_) drop_replaced();
        if (new_device) drop_oldest_devices();
        if (from) return {JoinStatus::migrated, Refusal::none};
        return {device_added ? JoinStatus::device_added : JoinStatus::joined, Refusal::none};
    }

    CreateStatus create_room(typename T::room_view id, const typename Room::Options& room_options) {
        if (!directory_.valid(id)) return CreateStatus::refused;
        if (directory_.find_room(id)) return CreateStatus::exists;
        if (!find_place_for_room()) return CreateStatus::refused;
        insert_room(make_room(id, room_options));
        return CreateStatus::created;
    }

private:
    /// A device that goes with its user, under OtherDevices::follow.
    struct Follower {
        Connection* connection = nullptr;
        std::uint64_t tags = 0;
        Owner<JoinItem<T>> item{};
        Membership<T>* membership = nullptr;
    };

    [[nodiscard]] bool follows() const noexcept { return directory_.options().others == OtherDevices::follow; }

    [[nodiscard]] Refusal look_at(const typename T::connection_type& handle,
                                  const typename T::user_view* name) {
        connection_hash_ = directory_.hash_of_connection(handle);
        connection_ = directory_.find_connection(handle, connection_hash_);
        user_ = connection_ ? connection_->user : nullptr;
        if (user_) directory_.settle(*user_, work_);
        if (name && !(user_ && is_id(user_->id, *name))) {
            user_hash_ = directory_.hash_of_user(*name);
            user_ = directory_.find_user(*name, user_hash_);
            if (user_) directory_.settle(*user_, work_);
        }
        if (connection_ && connection_->step != Step::open) return Refusal::closing;
        // Settling may have removed the user's last connection.
        if (user_ && user_->device_count == 0) user_ = nullptr;
        if (name && connection_ && connection_->user && connection_->user != user_) return Refusal::other_user;
        return Refusal::none;
    }

    [[nodiscard]] bool connections_full(std::size_t going) const noexcept {
        const std::size_t most = directory_.options().max_connections;
        return most != 0 && directory_.counts().connections - going >= most;
    }

    /// Under `max_rooms`: false when all rooms are in use. The room that has
    /// been empty for longest makes way when the new one is inserted.
    [[nodiscard]] bool find_place_for_room() noexcept {
        const std::size_t most = directory_.options().max_rooms;
        if (most == 0 || directory_.room_count() < most) return true;
        making_way_ = core_.timers.lingering.front();
        while (making_way_ && !making_way_->occupancy.free()) making_way_ = core_.timers.lingering.next(*making_way_);
        return making_way_ != nullptr;
    }

    /// How many of the user's devices would have to make way for one more,
    /// when `going` of them go anyway.
    [[nodiscard]] std::size_t too_many_devices(std::size_t going) const noexcept {
        const std::size_t most = directory_.options().max_devices;
        const std::size_t then = (user_ ? user_->device_count : 0) - going + 1;
        return most != 0 && then > most ? then - most : 0;
    }

    void find_replaced(const BasicJoin<T>& join) noexcept {
        Connection* other = join.replaces ? directory_.find_connection(*join.replaces) : nullptr;
        if (other && other != connection_ && other->step == Step::open && other->user && other->user == user_)
            replaced_ = other;
    }

    /// The memberships that the policy does not allow beside the new one.
    void find_what_must_go() noexcept {
        switch (directory_.options().membership) {
            case roomcast::Membership::one_room_per_user:
                if (!oldest_ && user_) leaving_ = memberships_.any(*user_);
                break;
            case roomcast::Membership::one_room_per_connection:
                if (connection_) leaving_alone_ = memberships_.newest(*connection_);
                break;
            case roomcast::Membership::many_rooms: break;
        }
    }

    [[nodiscard]] Refusal admit(const BasicJoin<T>& join) const noexcept {
        const auto& options = directory_.options();
        if (!join.may_migrate && (leaving_ || leaving_alone_)) return Refusal::elsewhere;
        if (connection_ && connection_->pending > connection_->open.room_count + max_unreaped) return Refusal::overloaded;
        if (options.memory != 0 && core_.storage.bytes() > options.memory) return Refusal::overloaded;
        if (room_ && !oldest_) {
            if (room_->options.locked) return Refusal::room_locked;
            if (room_->options.max_users != 0 && room_->user_count >= room_->options.max_users) return Refusal::room_full;
        }
        if (!connection_ && connections_full(going())) return Refusal::too_many_connections;
        if (options.membership == roomcast::Membership::many_rooms && options.max_rooms_per_connection != 0 &&
            connection_ && connection_->open.room_count >= options.max_rooms_per_connection)
            return Refusal::too_many_rooms_of_connection;
        const bool new_device = !(connection_ && connection_->user);
        if (new_device && options.devices == DeviceLimit::refuse && too_many_devices(going()) > 0)
            return Refusal::too_many_devices;
        return Refusal::none;
    }

    /// Connections of the user that this join ends in any case.
    [[nodiscard]] std::size_t going() const noexcept {
        const bool others_go = leaving_ && !follows() && directory_.closes_without_room();
        return (replaced_ ? 1 : 0) + (others_go ? others() : 0);
    }

    /// Of the user's devices in the room that must go: neither the one that asks nor the
    /// one that it replaces.
    [[nodiscard]] bool is_other(const Membership<T>& m) const noexcept {
        return m.connection != connection_ && m.connection != replaced_;
    }
    /// Where there is such a room.
    [[nodiscard]] std::size_t others() const noexcept {
        std::size_t count = 0;
        memberships_.for_each_together(*leaving_, [&](const Membership<T>& m) { count += is_other(m); });
        return count;
    }

    void reserve_user() {
        core_.pools.users.reserve(1);
        directory_.reserve_user();
    }
    void make_user(UserId&& id) noexcept {
        user_ = &core_.pools.users.make(std::move(id), user_hash_);
        directory_.insert(*user_);
    }
    void reserve_connection() {
        core_.pools.connections.reserve(1);
        directory_.reserve_connection();
    }
    void make_connection(typename T::connection_type& handle, int encoding) noexcept {
        connection_ = &core_.pools.connections.make(std::move(handle), encoding, connection_hash_);
        directory_.insert(*connection_);
    }
    [[nodiscard]] Owner<Room> make_room(typename T::room_view id, const typename Room::Options& options) {
        core_.timers.reserve(directory_.room_count() + 1);
        return directory_.make_room(id, options);
    }
    void insert_room(Owner<Room>&& made) noexcept {
        Room& room = *made;
        directory_.insert_room(std::move(made));
        if (making_way_) core_.unindex(*making_way_, work_);
        if (room.options.idle.count() > 0) room.idle_since = core_.clock.now();
        core_.timers.update(room);
    }

    /// Ends what the new membership `entered` must not stand beside. Where their
    /// old room has to come to work for it, that is before the new one, unless
    /// the new one had work already: what waits there for them goes.
    void leave_old_places(const Membership<T>& entered) noexcept {
        constexpr Cause silent{LeaveCause::left, CloseCode::normal, false};
        if (leaving_alone_) directory_.end(*leaving_alone_, silent, work_);
        if (!leaving_) return;
        KeptReason moved;
        memberships_.for_each_together(*leaving_, [&](Membership<T>& m) {
            if (m.connection == replaced_) return;  // it ends altogether, below
            if (!is_other(m) || follows()) return directory_.end(m, silent, work_);
            const CloseReason reason{CloseCode::moved_elsewhere, "entered another room"};
            if (!moved.keeps(reason)) moved = KeptReason(reason);
            directory_.expel(m, moved, entered.room, work_);
        });
    }

    /// The one membership that must go, where it is the asking connection's own
    /// and can as well go along.
    [[nodiscard]] Membership<T>* find_movable() const noexcept {
        Membership<T>* const m = leaving_ ? leaving_ : leaving_alone_;
        return m && !oldest_ && m->connection == connection_ && directory_.may_move(*m) ? m : nullptr;
    }
    JoinResult move(Membership<T>& m, Room& room, Owner<Room>&& made_room, Owner<JoinItem<T>>&& item,
                    BasicJoin<T>& join, Info& info) noexcept {
        Room& from = *m.room;
        m.tags.store(join.tags, std::memory_order_relaxed);
        if (made_room) insert_room(std::move(made_room));
        m.info.swap(info);
        wake_up(room);
        directory_.move(m, room, !item, work_);
        directory_.events().add(m.entered, m, EventKind::migrated, {}, true, &from, true, 1);
        take_in(m, std::move(item), join, &from);
        if (replaced_) drop_replaced();
        return {JoinStatus::migrated, Refusal::none};
    }

    void follow(Follower& follower, Room* from) noexcept {
        Membership<T>& m = *follower.membership;
        m.tags.store(follower.tags, std::memory_order_relaxed);
        directory_.enter(m, *follower.connection, *room_, oldest_, !follower.item, work_);
        if (!follower.item) return directory_.fill_slot(m);
        follower.item->follower = true;
        queue(m, std::move(follower.item), from);
    }

    void drop_replaced() noexcept {
        directory_.remove(*replaced_, KeptReason({CloseCode::normal, "replaced"}), nullptr, LeaveCause::removed, work_);
    }

    void drop_oldest_devices() noexcept {
        const std::size_t most = directory_.options().max_devices;
        while (most != 0 && user_->device_count > most)
            directory_.remove(*user_->devices.front(), KeptReason({CloseCode::too_many_devices, "too many devices"}),
                              nullptr, LeaveCause::removed, work_);
    }

    void wake_up(Room& room) noexcept {
        if (!room.lingers()) return;
        core_.timers.stop_lingering(room);
        core_.timers.update(room);
    }

    /// What waits for the room to come to the join; null where nobody is to hear
    /// of it, and it has nothing to wait for.
    [[nodiscard]] static Owner<JoinItem<T>> make_item(const Room& room) {
        if (!is_told<T> && room.at_rest()) return {};
        return Owner(new JoinItem<T>);
    }
    void take_in(Membership<T>& m, Owner<JoinItem<T>>&& item, BasicJoin<T>& join, Room* from) noexcept {
        if (!item) return directory_.fill_slot(m);
        item->context = std::move(join.context);
        item->since = join.since;
        item->history = join.history;
        queue(m, std::move(item), from);
    }
    void queue(Membership<T>& m, Owner<JoinItem<T>>&& item, Room* from) noexcept {
        item->membership = &m;
        ++m.joins_queued;
        ++m.references;
        if (from) {
            item->from = from;
            ++from->references;
        }
        m.room->queue.push_back(*item.release());
        work_.schedule(*m.room);
    }

    JoinResult stay(Membership<T>& m, BasicJoin<T>& join, Info&& info) {
        if (m.joins_queued >= max_unanswered) return {JoinStatus::refused, Refusal::overloaded};
        auto item = make_item(*m.room);
        if (join.update_info) memberships_.swap_info(*oldest_, info);
        if (replaced_) drop_replaced();
        join.history = 0;  // it has been here: what it missed it asks for by `since`
        take_in(m, std::move(item), join, nullptr);
        return {JoinStatus::already_here, Refusal::none};
    }

    /// Joins to one room that a connection may have waiting for their replies,
    /// and ended memberships in rooms too busy to let go of them yet: whoever
    /// has more is too fast for the room.
    static constexpr std::uint32_t max_unanswered = 16, max_unreaped = 64;
    static_assert(max_unanswered <= Membership<T>::most_joins_queued);

    Core<T>& core_;
    Directory<T>& directory_;
    Memberships<T>& memberships_;
    Work<T>& work_;

    // Of the names that were looked up: whoever is made keeps them.
    std::uint32_t connection_hash_ = 0, user_hash_ = 0;

    // What the join is about, as far as it exists.
    Connection* connection_ = nullptr;
    User<T>* user_ = nullptr;
    Room* room_ = nullptr;
    Membership<T>* oldest_ = nullptr;    // of the user in the room to join
    Connection* replaced_ = nullptr;
    Membership<T>* leaving_ = nullptr;   // the oldest of the user in the room that must go
    Membership<T>* leaving_alone_ = nullptr;
    Room* making_way_ = nullptr;         // for the new room
};

}  // namespace roomcast::detail
