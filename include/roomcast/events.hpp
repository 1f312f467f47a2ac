// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <span>

#include "roomcast/close_code.hpp"
#include "roomcast/history.hpp"
#include "roomcast/message.hpp"
#include "roomcast/results.hpp"

namespace roomcast {

/// What a connection hears of its join. Everything is borrowed for the call.
template <class T>
struct JoinedEvent {
    const typename T::connection_type& connection;
    const typename T::room_id& room;
    const typename T::user_id& user;
    const typename T::room_id* from;     ///< the room that this join ended
    const typename T::user_id* creator;  ///< whose join made the room; null: made by the host
    const typename T::member_info& info;
    const typename T::context* context;  ///< the join's own; null: a connection that follows its user
    Position position;                   ///< the room's last number
    Counts counts;
    bool was_recovering;                 ///< `since` was given
    bool recovered;                      ///< and `history` is everything after it
    std::span<const HistoryEntry> history;
};

/// A follower's room changes; `JoinedEvent` comes next.
template <class T>
struct MovedEvent {
    const typename T::connection_type& connection;
    const typename T::room_id& from;
    const typename T::room_id& to;
};

template <class T>
struct LeftEvent {
    const typename T::connection_type& connection;
    const typename T::room_id& room;
    const typename T::context& context;  ///< that of `leave`
};

/// Removed from one room, the connection lives on.
template <class T>
struct RemovedEvent {
    const typename T::connection_type& connection;
    const typename T::room_id& room;
    CloseReason reason;
};

/// The last event of a connection.
template <class T>
struct ForceDisconnectEvent {
    const typename T::connection_type& connection;
    const typename T::room_id* room;  ///< 4003: where the user is now; otherwise the one removed from, if any
    CloseReason reason;
};

/// Numbered messages that a slow connection misses; they come to lie before
/// the next one that it gets.
template <class T>
struct GapEvent {
    const typename T::connection_type& connection;
    const typename T::room_id& room;
    std::uint64_t dropped, from, to;
};

/// A message has its number; told to the connection that published it.
template <class T>
struct PublishedEvent {
    const typename T::connection_type& connection;
    const typename T::room_id& room;
    const typename T::context& context;  ///< that of `publish`
    Position position;
};

}  // namespace roomcast
