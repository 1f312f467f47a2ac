// SPDX-License-Identifier: MIT
#pragma once

namespace roomcast::detail {

// For numbers and times: <algorithm> takes longer to parse than all of roomcast's
// vocabulary.

template <class T>
[[nodiscard]] constexpr T least(T a, T b) noexcept {
    return b < a ? b : a;
}

template <class T>
[[nodiscard]] constexpr T greatest(T a, T b) noexcept {
    return a < b ? b : a;
}

/// `value`, or the nearer of the two bounds.
template <class T>
[[nodiscard]] constexpr T bounded(T value, T low, T high) noexcept {
    return least(greatest(value, low), high);
}

}  // namespace roomcast::detail
