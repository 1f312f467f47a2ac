// SPDX-License-Identifier: MIT
#pragma once

#include "roomcast/registry.hpp"

namespace roomcast {

/// Holds back what operations of this thread lead to: while it lives they take
/// effect at once, as in a callback, and all that follows from them (messages,
/// answers, farewells, closes, events) is done when it ends; only `send` and
/// `send_to_user` send at once. For a thread that has many inputs at hand:
/// what they lead to goes out in one run.
///
///     Cork cork(registry);
///     for (auto& input : inputs) handle(input);
///
/// Rooms that its operations were the first to enter wait for it, whoever else
/// speaks there, so it should live for milliseconds at most, and
/// `Options::max_queued` bounds what waits in each. The registry must outlive it.
///
/// Thread safety: it belongs to the thread that made it; those of one thread end
/// in the opposite order, and not inside a callback that began while they lived.
template <connection Connection, class Traits = DefaultTraits>
class Cork {
public:
    explicit Cork(RoomRegistry<Connection, Traits>& registry) : call_(registry.engine_, detail::Deferred{}) {}

private:
    typename RoomRegistry<Connection, Traits>::Call call_;
};

}  // namespace roomcast
