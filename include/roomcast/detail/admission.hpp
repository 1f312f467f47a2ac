// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "roomcast/detail/core.hpp"
#include "roomcast/requests.hpp"
#include "roomcast/results.hpp"

namespace roomcast::detail {

/// Joins: looks whether one may, makes everything that could fail, then
/// commits what cannot. Runs under the lock.
template <class T>
class Admission {
    using Room = RoomRecord<T>;
    using Connection = ConnectionRecord<T>;

public:
    using Info = std::shared_ptr<const typename T::member_info>;

    Admission(Core<T>& core, Work<T>& work) noexcept : core_(core), directory_(core.directory), work_(work) {}

    /// `user` may be absent: known, but nobody's yet.
    AttachResult attach(typename T::connection_type& handle, int encoding, std::optional<typename T::user_view> name) {
        const auto refuse = [](Refusal refusal) { return AttachResult{AttachStatus::refused, refusal}; };
        if (name && !directory_.valid(*name)) return refuse(Refusal::bad_id);
        const Refusal no = look_at(handle, name);
        if (no != Refusal::none) return refuse(no);
        if (connection_ && (!name || connection_->user)) return {AttachStatus::already_attached, Refusal::none};
        if (!connection_ && connections_full(0)) return refuse(Refusal::too_many_connections);
        const bool new_device = name.has_value();
        if (new_device && too_many_devices(0) > 0 && directory_.options().devices == DeviceLimit::refuse)
            return refuse(Refusal::too_many_devices);

        MadeUser made_user;
        if (name && !user_) made_user = make_user(*name);
        auto made_connection = make_connection(handle, encoding);

        commit_identity(std::move(made_user), std::move(made_connection), new_device);
        if (new_device) drop_oldest_devices();
        return {AttachStatus::attached, Refusal::none};
    }

    JoinResult join(typename T::connection_type& handle, int encoding, BasicJoin<T>& join, Info&& info,
                    std::unique_ptr<JoinItem<T>>& item) {
        const auto refuse = [](Refusal refusal) { return JoinResult{JoinStatus::refused, refusal}; };
        if (!directory_.valid(join.room) || (join.user && !directory_.valid(*join.user))) return refuse(Refusal::bad_id);
        const Refusal no = look_at(handle, join.user);
        if (no != Refusal::none) return refuse(no);
        if (!join.user && !user_) return refuse(Refusal::no_user);

        room_ = directory_.find_room(join.room);
        member_ = user_ && room_ ? directory_.member(*user_, *room_) : nullptr;
        find_replaced(join);
        if (connection_ && room_)
            if (auto* m = directory_.membership(*connection_, *room_)) return stay(*m, join, std::move(info), item);

        find_what_must_go();
        if (const Refusal full = admit(join); full != Refusal::none) return refuse(full);

        // Everything that may fail.
        const bool new_device = !(connection_ && connection_->user);
        std::unique_ptr<Room> made_room;
        if (!room_) {
            if (!find_place_for_room()) return refuse(Refusal::too_many_rooms);
            made_room = make_room(join.room, directory_.options().room);
            made_room->creator.emplace(user_ ? user_->id : typename T::user_id(*join.user));
        }
        Room& room = room_ ? *room_ : *made_room;
        MadeUser made_user;
        if (!user_) made_user = make_user(*join.user);
        User<T>& user = user_ ? *user_ : *made_user;
        typename Pool<Member<T>>::Made made_member;
        if (!member_) made_member = core_.pools.members.make(user, room);
        auto membership = core_.pools.memberships.make();
        std::vector<Follower> followers;
        if (leaving_ && follows()) {
            followers.reserve(leaving_->device_count);
            for (auto* m = leaving_->devices.front(); m; m = leaving_->devices.next(*m))
                if (m->connection != connection_ && m->connection != replaced_)
                    followers.push_back({m, core_.pools.memberships.make(), std::make_unique<JoinItem<T>>()});
        }
        room.places.reserve(followers.size() + 1);
        auto made_connection = make_connection(handle, encoding);

        // From here on nothing fails.
        if (made_room) insert_room(std::move(made_room));
        room_ = &room;
        commit_identity(std::move(made_user), std::move(made_connection), new_device);
        if (made_member) {
            member_ = made_member.get();
            member_->info.swap(info);
            directory_.add_member(std::move(made_member), work_);
        } else if (join.update_info) {
            member_->info.swap(info);  // the old one is freed without the lock
        }
        const bool device_added = member_->device_count != 0;
        Room* const from = leaving_ ? leaving_->room : leaving_alone_ ? leaving_alone_->room : nullptr;
        wake_up(room);

        // The new place first, so that the user is never without one.
        Membership<T>& m = *membership;
        m.tags.store(join.tags, std::memory_order_relaxed);
        directory_.enter(std::move(membership), *connection_, *member_);
        const bool left_from = leaving_ || (leaving_alone_ && leaving_alone_->member->device_count == 1);
        directory_.events().add(m.entered, m, from ? EventKind::migrated : EventKind::joined, {}, !device_added, from,
                                    left_from, followers.size() + 1);
        leave_old_places(m);
        queue(m, *item.release(), join.since, join.history, from);
        for (auto& follower : followers) follow(follower, from);
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
    using MadeUser = typename Pool<User<T>>::Made;
    using MadeConnection = typename Pool<Connection>::Made;

    /// A device that goes with its user, under OtherDevices::follow.
    struct Follower {
        Membership<T>* old;
        typename Pool<Membership<T>>::Made membership;
        std::unique_ptr<JoinItem<T>> item;
    };

    [[nodiscard]] bool follows() const noexcept { return directory_.options().others == OtherDevices::follow; }

    [[nodiscard]] Refusal look_at(const typename T::connection_type& handle,
                                  const std::optional<typename T::user_view>& name) {
        connection_hash_ = directory_.hash_of_connection(handle);
        connection_ = directory_.find_connection(handle, connection_hash_);
        if (connection_ && connection_->step == Step::open) directory_.settle(*connection_, work_);
        if (name) user_hash_ = directory_.hash_of_user(*name);
        user_ = name ? directory_.find_user(*name, user_hash_) : connection_ ? connection_->user : nullptr;
        if (user_) directory_.settle(*user_, work_);
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
        while (making_way_ && making_way_->scheduled) making_way_ = core_.timers.lingering.next(*making_way_);
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
                if (!member_ && user_) leaving_ = user_->members.front();
                break;
            case roomcast::Membership::one_room_per_connection:
                if (connection_) leaving_alone_ = connection_->memberships.front();
                break;
            case roomcast::Membership::many_rooms: break;
        }
    }

    [[nodiscard]] Refusal admit(const BasicJoin<T>& join) const noexcept {
        const auto& options = directory_.options();
        if (!join.may_migrate && (leaving_ || leaving_alone_)) return Refusal::elsewhere;
        if (connection_ && connection_->pending > connection_->room_count + max_unreaped) return Refusal::overloaded;
        if (options.memory != 0 && core_.storage.bytes() > options.memory) return Refusal::overloaded;
        if (room_ && !member_) {
            if (room_->options.locked) return Refusal::room_locked;
            if (room_->options.max_users != 0 && room_->user_count >= room_->options.max_users) return Refusal::room_full;
        }
        if (!connection_ && connections_full(going())) return Refusal::too_many_connections;
        if (options.membership == roomcast::Membership::many_rooms && options.max_rooms_per_connection != 0 &&
            connection_ && connection_->room_count >= options.max_rooms_per_connection)
            return Refusal::too_many_rooms_of_connection;
        const bool new_device = !(connection_ && connection_->user);
        if (new_device && options.devices == DeviceLimit::refuse && too_many_devices(going()) > 0)
            return Refusal::too_many_devices;
        return Refusal::none;
    }

    /// Connections of the user that this join ends in any case.
    [[nodiscard]] std::size_t going() const noexcept {
        std::size_t count = replaced_ ? 1 : 0;
        if (!leaving_ || follows() || !directory_.closes_without_room()) return count;
        for (auto* m = leaving_->devices.front(); m; m = leaving_->devices.next(*m))
            if (m->connection != connection_ && m->connection != replaced_) ++count;
        return count;
    }

    [[nodiscard]] MadeUser make_user(typename T::user_view id) {
        directory_.reserve_user(user_hash_);
        return core_.pools.users.make(id, user_hash_);
    }
    [[nodiscard]] MadeConnection make_connection(typename T::connection_type& handle, int encoding) {
        if (connection_) return {};
        directory_.reserve_connection(connection_hash_);
        return core_.pools.connections.make(std::move(handle), encoding, connection_hash_);
    }
    [[nodiscard]] std::unique_ptr<Room> make_room(typename T::room_view id, const typename Room::Options& options) {
        core_.timers.reserve(directory_.room_count() + 1);
        return directory_.make_room(id, options);
    }
    void insert_room(std::unique_ptr<Room> made) noexcept {
        Room& room = *made;
        directory_.insert_room(std::move(made));
        if (making_way_) core_.unindex(*making_way_, work_);
        if (room.options.idle.count() > 0) room.idle_since = core_.clock.now();
        core_.timers.update(room);
    }
    void commit_identity(MadeUser made_user, MadeConnection made_connection, bool new_device) noexcept {
        if (made_user) {
            user_ = made_user.get();
            directory_.insert_user(std::move(made_user));
        }
        if (made_connection) {
            connection_ = made_connection.get();
            directory_.insert_connection(std::move(made_connection));
        }
        if (new_device) directory_.give_user(*connection_, *user_);
    }

    /// Ends what the new membership `entered` must not stand beside. Their old
    /// room comes to work before the new one: what waits there for them goes.
    void leave_old_places(const Membership<T>& entered) noexcept {
        constexpr Cause silent{LeaveCause::left, CloseCode::normal, false};
        if (leaving_alone_) directory_.end(*leaving_alone_, silent, work_);
        if (!leaving_) return;
        leaving_->moved_on = true;
        std::optional<KeptReason> moved;
        for (auto* m = leaving_->devices.front(); m;) {
            auto* next = leaving_->devices.next(*m);
            if (m->connection == replaced_) {
                // It ends altogether, below.
            } else if (m->connection == connection_ || follows()) {
                directory_.end(*m, silent, work_);
            } else {
                if (!moved) moved.emplace(CloseReason{CloseCode::moved_elsewhere, "entered another room"});
                directory_.expel(*m, *moved, entered.room, work_);
            }
            m = next;
        }
    }

    void follow(Follower& follower, Room* from) noexcept {
        Connection& c = *follower.old->connection;
        Membership<T>& m = *follower.membership;
        m.tags.store(follower.old->tags.load(std::memory_order_relaxed), std::memory_order_relaxed);
        directory_.enter(std::move(follower.membership), c, *member_);
        follower.item->follower = true;
        queue(m, *follower.item.release(), {}, 0, from);
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
        if (!room.linger_until) return;
        core_.timers.stop_lingering(room);
        core_.timers.update(room);
    }

    void queue(Membership<T>& m, JoinItem<T>& item, std::optional<Position> since, std::size_t history,
               Room* from) noexcept {
        item.membership = &m;
        ++m.joins_queued;
        ++m.references;
        item.since = since;
        item.history = history;
        if (from) {
            item.from = from;
            ++from->references;
        }
        m.room->queue.push_back(item);
        work_.schedule(*m.room);
    }

    JoinResult stay(Membership<T>& m, const BasicJoin<T>& join, Info&& info, std::unique_ptr<JoinItem<T>>& item) noexcept {
        if (m.joins_queued >= max_unanswered) return {JoinStatus::refused, Refusal::overloaded};
        if (join.update_info) m.member->info.swap(info);
        if (replaced_) drop_replaced();
        queue(m, *item.release(), join.since, 0, nullptr);
        return {JoinStatus::already_here, Refusal::none};
    }

    /// Joins to one room that a connection may have waiting for their replies,
    /// and ended memberships in rooms too busy to let go of them yet: whoever
    /// has more is too fast for the room.
    static constexpr std::uint32_t max_unanswered = 16, max_unreaped = 64;

    Core<T>& core_;
    Directory<T>& directory_;
    Work<T>& work_;

    // Of the names that were looked up: whoever is made keeps them.
    std::uint32_t connection_hash_ = 0, user_hash_ = 0;

    // What the join is about, as far as it exists.
    Connection* connection_ = nullptr;
    User<T>* user_ = nullptr;
    Room* room_ = nullptr;
    Member<T>* member_ = nullptr;        // the user in the room to join
    Connection* replaced_ = nullptr;
    Member<T>* leaving_ = nullptr;       // the user in the room that must go
    Membership<T>* leaving_alone_ = nullptr;
    Room* making_way_ = nullptr;         // for the new room
};

}  // namespace roomcast::detail
