// SPDX-License-Identifier: MIT
#pragma once

#include "roomcast/registry.hpp"

namespace roomcast {

/// Holds back what operations of this thread lead to: while it lives they take
/// effect at once, as in a callback, and what follows from them (messages,
/// answers, farewells, closes, events) is done when it ends. For a thread that has
/// many inputs at hand: what they lead to goes out in one run.
///
///     Cork cork(registry);
///     for (auto& input : inputs) handle(input);
///
/// Under a Cork
/// - a message is `queued`, and nobody has heard it when the next operation comes:
///   who is kicked, leaves or disconnects before the Cork ends does not hear it, and
///   what somebody said who is kicked, or in a room that is closed, is not said;
/// - `Options::max_queued` bounds what waits in each room: beyond it whoever speaks
///   there, other threads too, is refused (`overloaded`);
/// - `send` and `send_to_user` still send at once, and so overtake what waits: an
///   answer by `send` comes before the `joined` of a join before it;
/// - `poll` does not know yet what the end brings. Call it afterwards, where
///   Options::wake does not.
///
/// Rooms that its operations were the first to enter wait for it, whoever else
/// speaks there: it should live for milliseconds. Its end calls the host as any
/// operation does, so hold no lock there that a callback takes. The registry must
/// outlive it.
///
/// It can be neither copied nor moved, but returned. Thread safety: it belongs to
/// the thread that made it; those of one thread end in the opposite order, and not
/// inside a callback that began while they lived.
template <connection Connection, class Traits = DefaultTraits>
class [[nodiscard]] Cork {
public:
    [[nodiscard]] explicit Cork(RoomRegistry<Connection, Traits>& registry) : call_(registry.engine_, detail::Deferred{}) {}

private:
    typename RoomRegistry<Connection, Traits>::Call call_;
};

}  // namespace roomcast
