// SPDX-License-Identifier: MIT
#pragma once

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

enum class MessageClass : std::uint8_t {
    control,  ///< written by roomcast or the host for one connection: joined, left, replies
    normal,   ///< meant for a room or a user
};

/// What `encode` is given. `seq` is 0 for whatever carries no number.
/// The payload is only borrowed for the call; keep a copy of the Frame to
/// keep the bytes.
struct Message {
    MessageClass message_class = MessageClass::normal;
    Position position{};
    const Frame& payload;
};

}  // namespace roomcast
