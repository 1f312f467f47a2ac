// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>

#include "roomcast/frame.hpp"

namespace roomcast {

/// Where a message stands: the log it belongs to and its number there. Numbers
/// begin with 1 and have no gaps; a new epoch begins when numbers are lost.
struct Position {
    std::uint64_t epoch = 0;
    std::uint64_t seq = 0;
    friend bool operator==(const Position&, const Position&) = default;
};

/// What a message is worth when a reader is slow or a room is flooded, the
/// most valuable first. A full outbox gives up the least valuable first; a
/// room's cap (RoomOptions::rate) concerns `normal` and `bulk` alone.
enum class MessageClass : std::uint8_t {
    control,    ///< joined, left, replies, deletions: never given up; bounded by itself
    paid,       ///< gifts
    moderator,  ///< of the room's staff
    normal,     ///< what members say
    bulk,       ///< what the next one makes stale anyway: counts, positions
};
inline constexpr std::size_t message_classes = 5;

/// What `encode` is given. `seq` is 0 for whatever carries no number. It names
/// no room: under `many_rooms` a payload has to say itself which it is of.
/// The payload is only borrowed for the call; keep a copy of the Frame to
/// keep the bytes.
struct Message {
    MessageClass message_class = MessageClass::normal;
    Position position{};
    const Frame& payload;
};

}  // namespace roomcast
