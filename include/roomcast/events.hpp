// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "roomcast/close_code.hpp"
#include "roomcast/history.hpp"
#include "roomcast/message.hpp"
#include "roomcast/results.hpp"

namespace roomcast {

/// What a connection hears of its join; a slow reader perhaps when the membership
/// has ended, and then as the least of its data. Everything is borrowed for the call.
template <class T>
struct JoinedEvent {
    const typename T::connection_type& connection;
    const typename T::room_id& room;
    typename T::user_view user;
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

/// What was taken does not happen after all. A message (`not_published`):
/// whoever published it was removed by force, the room was closed, or it could
/// not be encoded. A join (`not_joined`): another room, a removal or the room's
/// end came before it was told; `joined` may have been put into words already, and
/// was not sent. Told to the connection if it is still there.
template <class T>
struct CancelledEvent {
    const typename T::connection_type& connection;
    const typename T::room_id& room;
    const typename T::context& context;  ///< that of `publish` or `join`
};

// Told to a whole room, unnumbered; each is written once for all members.

/// Somebody of the room, as `presence` names them. Borrowed for the call.
template <class T>
struct PresenceName {
    typename T::user_view user;
    const typename T::member_info* info;  ///< null when member_info is None
};

/// The room's counts, when they are other than those told last, or somebody
/// is named.
template <class T>
struct PresenceEvent {
    const typename T::room_id& room;
    Counts counts;
    std::span<const PresenceName<T>> came;  ///< since the last time; see RoomOptions::presence_names
    std::span<const PresenceName<T>> went;
};

/// A numbered message is to be forgotten; its number stays.
template <class T>
struct DeletedEvent {
    const typename T::room_id& room;
    std::uint64_t seq;
};

/// The room's numbers begin anew: the next message is `position.seq` + 1.
template <class T>
struct ResetEvent {
    const typename T::room_id& room;
    Position position;
};

/// Messages that the room's rate left out since the last time.
template <class T>
struct SampledEvent {
    const typename T::room_id& room;
    std::uint64_t left_out;
};

/// A message has its number; told to the connection that published it, before
/// the message itself. When that connection is gone it is called all the same,
/// and what it returns forgotten: do not look behind a handle that does not keep
/// alive what it names. Not called for messages without a number.
template <class T>
struct PublishedEvent {
    const typename T::connection_type& connection;
    const typename T::room_id& room;
    const typename T::context& context;  ///< that of `publish`
    Position position;
};

/// Control events of which none is sent. Derive from it to say some of them
/// in words of your own: a function of the same name hides the one here.
///
/// Each gets borrowed views and returns the text that is then encoded for each
/// connection; empty text means that nothing is sent (for `force_disconnect`:
/// that the close comes at once, without a grace period). Called unlocked, by
/// several threads at once. A function that throws ends the connection that
/// the event was meant for; what is told to a whole room is then not told.
///
/// With SilentEvents itself joins and ends are cheapest: in a room that nobody
/// works in they need no turn.
struct SilentEvents {
    std::string joined(const auto&) const { return {}; }
    std::string moved(const auto&) const { return {}; }
    std::string left(const auto&) const { return {}; }
    std::string removed(const auto&) const { return {}; }
    std::string force_disconnect(const auto&) const { return {}; }
    std::string gap(const auto&) const { return {}; }
    std::string published(const auto&) const { return {}; }
    std::string not_published(const auto&) const { return {}; }
    std::string not_joined(const auto&) const { return {}; }
    std::string presence(const auto&) const { return {}; }
    std::string deleted(const auto&) const { return {}; }
    std::string reset(const auto&) const { return {}; }
    std::string sampled(const auto&) const { return {}; }
};

}  // namespace roomcast
