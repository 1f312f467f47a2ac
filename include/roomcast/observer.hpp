// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "roomcast/close_code.hpp"
#include "roomcast/detail/id_view.hpp"

namespace roomcast {

enum class EventKind : std::uint8_t {
    room_opened,
    joined,          ///< a connection entered a room; its user was in none that this ended
    migrated,        ///< the user (one_room_per_connection: the connection) went from `from` to `room`
    left,            ///< a connection is out of a room; `cause` says why
    room_closed,
    message_dropped, ///< encoding a message threw
};

/// Why a connection is out of a room.
enum class LeaveCause : std::uint8_t {
    left,          ///< it asked to
    disconnected,  ///< its transport is gone
    broken,        ///< sending to it failed or threw
    removed,       ///< kicked, evicted, limited, closed: see the code
};

/// What an observer is told. All is borrowed for the call.
template <class Connection, class UserId, class RoomId>
struct BasicEvent {
    using user_view = typename detail::id_view<UserId>::type;

    EventKind kind;
    const RoomId& room;
    std::uint64_t epoch = 0;                 ///< the room's life: a name may be used again at once; constant, also where its numbers begin anew
    const RoomId* from = nullptr;            ///< migrated
    std::optional<user_view> user{};         ///< joined, migrated, left
    const Connection* connection = nullptr;  ///< joined, migrated (the one that asked), left
    LeaveCause cause = LeaveCause::left;     ///< left
    CloseCode code = CloseCode::normal;      ///< left, when removed
    std::size_t moved = 0;                   ///< migrated: connections of the user that are in `room` by it
    bool user_changed = false;               ///< joined, migrated: the user's first connection there; left: the last
    bool left_from = false;                  ///< migrated: the user's last connection in `from`; no `left` is told of it
};

/// The default: costs nothing, not even the records of events.
///
/// An observer of one's own has `void on_event(const auto& event) noexcept`,
/// which gets RoomRegistry::Event, and is handed over in Policies. Events
/// are linked under the registry's lock and told after unlocking, in that
/// order, by one thread at a time; the callback may call the registry back
/// (what it causes is told later, by the same thread). A slow observer slows
/// the thread that tells it.
struct NullObserver {};

}  // namespace roomcast
