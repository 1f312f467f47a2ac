// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <chrono>

namespace roomcast::detail {

/// `span` after `time`; where that is beyond the clock's range, its last
/// moment: a host that means never says milliseconds::max().
template <class TimePoint>
[[nodiscard]] constexpr TimePoint later(TimePoint time, std::chrono::milliseconds span) noexcept {
    const auto left = TimePoint::max() - std::max(time, TimePoint());
    return std::chrono::floor<std::chrono::milliseconds>(left) > span ? time + span : TimePoint::max();
}

}  // namespace roomcast::detail
