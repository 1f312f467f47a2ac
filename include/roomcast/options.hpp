// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "roomcast/token_bucket.hpp"
#include "roomcast/wake.hpp"

namespace roomcast {

/// What a join must end first.
enum class Membership : std::uint8_t {
    one_room_per_user,        ///< every membership of the user in another room
    one_room_per_connection,  ///< every membership of this connection in another room
    many_rooms,               ///< nothing
};

/// Under `one_room_per_user`: what becomes of the user's other connections in
/// the room that a join leaves.
enum class OtherDevices : std::uint8_t {
    evict,   ///< removed with 4003
    follow,  ///< moved too; they hear `moved`, then `joined`
};

/// What becomes of a connection that was removed from its last room. Leaving
/// of one's own accord never closes.
enum class LastRoom : std::uint8_t {
    by_membership,  ///< `keep` under `many_rooms`, otherwise `close`
    close,
    keep,
};

/// What gives way when a message of a room finds a member's outbox full. Of
/// what waits there, those of the least valuable class go first
/// (MessageClass).
enum class SlowReaders : std::uint8_t {
    drop_oldest,  ///< the oldest of that class; numbered ones are told as `gap`
    drop_newest,  ///< the newest of that class, likewise
    disconnect,   ///< the connection ends (4100): no member misses anything
};

/// Who makes way when a user has too many connections.
enum class DeviceLimit : std::uint8_t {
    newest_wins,  ///< the user's oldest connection is removed with 4004
    refuse,       ///< the newcomer is refused
};

/// The bounds of one room. Times are the registry's clock's; negative ones
/// are as zero, and one of `milliseconds::max()` is never over.
template <class TimePoint>
struct BasicRoomOptions {
    /// Users at most; 0: no limit.
    std::size_t max_users = 0;
    /// Numbered messages kept for `since` and `history`; 0 keeps none.
    std::size_t history = 0;
    /// Bytes of payload kept at most, whatever `history` says; 0: no limit.
    std::size_t history_bytes = 1024 * 1024;
    /// How long a message is kept at most; 0: for ever.
    std::chrono::milliseconds history_age{0};
    /// How long a room stays once all have left it, its numbers and history
    /// with it; 0: goes with its last member.
    std::chrono::milliseconds linger{0};
    /// A room with neither join nor message for this long (at least; at most
    /// twice that) is closed with 4006; 0: never.
    std::chrono::milliseconds idle{0};
    /// Stays when empty, whatever `linger` says, until closed, idle or ended.
    bool keep_empty = false;
    /// Refuses users who are not in it.
    bool locked = false;
    /// Closed with 4006 at this time.
    std::optional<TimePoint> ends_at{};
    /// What gives way when a member reads too slowly.
    SlowReaders slow_readers = SlowReaders::drop_oldest;
    /// Once a message has reached all, how long others wait to go out together,
    /// as one buffer for each member (at most `batch_messages` and
    /// `batch_bytes`), with what came while it was on its way. The first after
    /// a pause of that length goes at once, with what came before its turn.
    /// 0: each goes alone.
    std::chrono::milliseconds batch_window{0};
    /// Messages of members (`publish`) at most, all together; above it those
    /// of the loudest are left out first, and the room hears how many
    /// (`sampled`). Off by default.
    Rate rate{};
    /// How often at most the room hears that its counts have changed
    /// (`presence`), if they have; 0: never.
    std::chrono::milliseconds presence{0};
    /// In a room of at most so many users `presence` also names who came and
    /// who went; 0: never.
    std::size_t presence_names = 0;
};

/// How a registry behaves. Every field has a working default, so that
/// designated initialisers name only what differs.
template <class TimePoint>
struct BasicOptions {
    Membership membership = Membership::one_room_per_user;
    OtherDevices others = OtherDevices::evict;
    LastRoom last_room = LastRoom::by_membership;

    /// Connections of a user at most; 0: no limit.
    std::size_t max_devices = 0;
    DeviceLimit devices = DeviceLimit::newest_wins;
    /// Rooms at most; lingering ones make way first; 0: no limit.
    std::size_t max_rooms = 0;
    /// Rooms of a connection at most (`many_rooms`); 0: no limit.
    std::size_t max_rooms_per_connection = 0;
    /// Connections at most, not counting removed ones that wait for their
    /// close; 0: no limit.
    std::size_t max_connections = 0;
    /// Bytes of a user's or room's id at most (string ids); an empty id is
    /// refused too.
    std::size_t max_id_bytes = 128;

    /// For rooms that come with their first join.
    BasicRoomOptions<TimePoint> room{};

    /// From farewell to `close`; 0: with the next `poll`.
    std::chrono::milliseconds grace{3'000};
    /// From `close` to `terminate`; 0: with the next `poll`.
    std::chrono::milliseconds close_timeout{5'000};

    /// Messages waiting in one room at most (and never more than 2^27 - 2), before
    /// `overloaded`.
    std::size_t max_queued = 64;
    /// Sends in one turn of a room at most; the rest waits for `poll`; 0: no
    /// limit, and none in time either.
    std::size_t turn_sends = 4'096;
    /// The same in time; looked at every 64 sends or more.
    std::chrono::microseconds turn_time{1'000};

    /// What goes out together at most (see `batch_window`): with either bound
    /// reached a batch goes before its time.
    std::size_t batch_messages = 256;
    std::size_t batch_bytes = 64 * 1024;

    /// What waits for one busy connection at most; past either bound
    /// `SlowReaders` says what gives way.
    std::size_t outbox_messages = 256;
    std::size_t outbox_bytes = 1024 * 1024;
    /// How long a message may wait for a busy connection before that ends
    /// (4100); 0: for ever.
    std::chrono::milliseconds outbox_age{10'000};
    /// The same for control events; past either the connection ends (4100).
    std::size_t outbox_control_messages = 64;
    std::size_t outbox_control_bytes = 64 * 1024;
    /// Bytes of one join's history at most; the newest that fit are given.
    std::size_t join_history_bytes = 256 * 1024;

    /// Messages that one user may publish, over all connections and reconnects,
    /// and one connection; `rate_limited` above it. Off by default.
    Rate user_rate{};
    Rate connection_rate{};

    /// Bytes of all outboxes and histories together at most; 0: no limit. A
    /// frame counts wherever it is kept. Past it the histories of the rooms
    /// that have been silent longest shrink first, then the connection that
    /// has read nothing for longest ends (4100), at last joins are refused
    /// (`overloaded`).
    std::size_t memory = 0;

    /// Called, unlocked, whenever `poll` is due earlier than it last answered:
    /// re-arm the timer, or post a poll. Several threads may call it at once,
    /// and out of order: of the times it was called with, and those that `poll`
    /// answered, the earliest counts. It must not throw.
    Wake<TimePoint> wake{};
};

}  // namespace roomcast
