// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "roomcast/frame.hpp"
#include "roomcast/message.hpp"

namespace roomcast {

/// What a join asks for.
template <class T>
struct BasicJoin {
    /// May be left out once the connection has a user.
    std::optional<typename T::user_view> user{};
    typename T::room_view room{};
    /// Newest numbered messages wanted with the reply; none where the
    /// connection is already.
    std::size_t history = 0;
    /// The last position that the connection has seen; wins over `history`.
    /// Where not all since then is kept, `recovered` is false, and the reply has
    /// what is kept, or the newest of it that fits Options::join_history_bytes.
    std::optional<Position> since{};
    /// Bits for the filters of publish and broadcast.
    std::uint64_t tags = 0;
    /// False: a join that would end another membership is refused (`elsewhere`).
    bool may_migrate = true;
    /// Another connection of the same user, which ends (1000) when this join
    /// is accepted; anything else is ignored. Borrowed for the call.
    const typename T::connection_type* replaces = nullptr;
    /// Kept for the user in this room, from its first device on.
    typename T::member_info info{};
    /// Replaces what an earlier device brought.
    bool update_info = false;
    /// Handed to `joined` and `not_joined` of the `events` policy.
    typename T::context context{};
};

/// How a member's message goes out.
template <class T>
struct BasicPublish {
    /// What the publishing connection gets instead of the payload, under the
    /// same number; empty: the payload.
    Frame own{};
    /// False: whoever publishes does not get it (nor `own`); `published` still
    /// tells which number it has.
    bool echo = true;
    /// Handed to `published` and `not_published` of the `events` policy.
    typename T::context context{};
    /// Only members that have all of these tag bits ...
    std::uint64_t require = 0;
    /// ... and none of these.
    std::uint64_t exclude = 0;
    /// False: no number, no history, and no `gap` when a slow reader misses it.
    bool numbered = true;
    /// What it is worth; `control` cannot be numbered.
    MessageClass message_class = MessageClass::normal;
    /// Not 0: in any outbox it takes the place of an earlier one of the room
    /// with this key (a count, a position).
    std::uint64_t key = 0;
};

/// How a host's message goes out; the fields mean what they mean in
/// BasicPublish.
template <class T>
struct BasicBroadcast {
    /// One connection that does not get it.
    const typename T::connection_type* except = nullptr;
    std::uint64_t require = 0;
    std::uint64_t exclude = 0;
    bool numbered = true;
    MessageClass message_class = MessageClass::normal;
    std::uint64_t key = 0;
};

}  // namespace roomcast
