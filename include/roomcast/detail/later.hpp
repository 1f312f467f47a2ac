// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>

#include "roomcast/detail/least.hpp"

namespace roomcast::detail {

/// `span` after `time`; where that is beyond the clock's range, its last
/// moment: a host that means never says milliseconds::max().
template <class TimePoint>
[[nodiscard]] constexpr TimePoint later(TimePoint time, std::chrono::milliseconds span) noexcept {
    const auto left = TimePoint::max() - greatest(time, TimePoint());
    return std::chrono::duration_cast<std::chrono::milliseconds>(left) > span ? time + span : TimePoint::max();
}

}  // namespace roomcast::detail
