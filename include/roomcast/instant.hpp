// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>

namespace roomcast {

/// A point in time, counted from the epoch of whichever clock is in use: what
/// need not know the clock's type takes one. Instants of two clocks have
/// nothing to do with each other.
using Instant = std::chrono::nanoseconds;

template <class TimePoint>
[[nodiscard]] constexpr Instant instant_of(TimePoint time) {
    return std::chrono::duration_cast<Instant>(time.time_since_epoch());
}

}  // namespace roomcast
