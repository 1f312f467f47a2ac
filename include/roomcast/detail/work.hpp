// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <type_traits>

#include "roomcast/detail/memberships.hpp"
#include "roomcast/detail/outbox.hpp"
#include "roomcast/detail/pool.hpp"
#include "roomcast/detail/records.hpp"

namespace roomcast::detail {

/// Where the records lie that come in great numbers. Guarded by the lock.
template <class T>
struct Pools {
    /// The memory of records that were destroyed without the lock.
    struct Remains {
        typename Pool<ConnectionRecord<T>>::Remains connections;
        typename Pool<Membership<T>>::Remains memberships;
    };
    /// Up to `most` of each; answers whether any is left.
    bool take_back(Remains& remains, std::size_t most) noexcept {
        const bool more_connections = connections.take_back(remains.connections, most);
        return memberships.take_back(remains.memberships, most) || more_connections;
    }

    Pool<User<T>> users;
    Pool<ConnectionRecord<T>> connections;
    Memberships<T> memberships;
};

/// Records that nobody needs any more. Those that hold things of the host
/// (handles, infos, contexts) are freed without the lock.
template <class T>
struct Trash {
    Pools<T>& pools;
    SlimList<ConnectionRecord<T>, DeviceTag> connections;
    Stack<Membership<T>, &Membership<T>::next_in_trash> memberships;
    SlimList<Mention<T>, NewsTag> mentions;
    SlimList<Item<T>, QueueTag> items;
    SlimList<Outbox<T>, FlushTag> outboxes;
    SlimList<Log<T>, LogTag> logs;

    explicit Trash(Pools<T>& p) noexcept : pools(p) {}

    // Where nothing of the host is in them they go at once.

    void add(User<T>& user) noexcept { pools.users.free(user); }
    void add(Membership<T>& membership) noexcept {
        constexpr bool holds_nothing = no_info && std::is_trivially_destructible_v<typename T::context>;
        if constexpr (holds_nothing) pools.memberships.free(membership);
        else memberships.push(membership);
    }
    void add(Mention<T>& mention) noexcept {
        if constexpr (no_info) delete &mention;
        else mentions.push_back(mention);
    }
    void add(Item<T>& item) noexcept {
        if constexpr (std::is_trivially_destructible_v<typename T::context>) delete_item(&item);
        else items.push_back(item);
    }

    [[nodiscard]] bool empty() const noexcept {
        return connections.empty() && memberships.empty() && mentions.empty() && items.empty() && outboxes.empty() &&
               logs.empty();
    }
    /// Without the lock. What is left belongs to the pools.
    [[nodiscard]] typename Pools<T>::Remains empty_out() noexcept {
        typename Pools<T>::Remains remains;
        while (auto* log = logs.pop_front()) delete log;
        while (auto* outbox = outboxes.pop_front()) delete outbox;
        while (auto* item = items.pop_front()) delete_item(item);
        while (auto* mention = mentions.pop_front()) delete mention;
        while (auto* membership = memberships.pop()) remains.memberships.destroy(*membership);
        while (auto* connection = connections.pop_front()) remains.connections.destroy(*connection);
        return remains;
    }

private:
    static constexpr bool no_info = std::is_same_v<Info<T>, NoInfo>;
};

/// What one public operation leaves to be done after its bookkeeping. It
/// belongs to one thread; records are linked in and out under the lock.
template <class T>
struct Work {
    List<RoomRecord<T>, ReadyTag> rooms;                // to give a turn
    List<ConnectionRecord<T>, DeviceTag> connections;   // whose next step is due
    List<Outbox<T>, FlushTag> flushes;                  // to be emptied
    Trash<T> trash;
    bool owed = false;  // an outbox or an event, say, may wait to be looked at, though nothing is noted here

    explicit Work(Pools<T>& pools) noexcept : trash(pools) {}

    [[nodiscard]] bool empty() const noexcept {
        return rooms.empty() && connections.empty() && flushes.empty() && trash.empty();
    }

    /// Answers whether nobody was in the room: it gets its turn here.
    bool schedule(RoomRecord<T>& room) noexcept {
        const Occupancy::Turn turn = room.occupancy.call();
        if (turn != Occupancy::Turn::known) ++room.references;
        if (turn == Occupancy::Turn::ours) rooms.push_back(room);
        return turn == Occupancy::Turn::ours;
    }
};

}  // namespace roomcast::detail
