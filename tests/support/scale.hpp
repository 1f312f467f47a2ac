// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>

#include "support/environment.hpp"

namespace tests {

/// Whether a sanitizer makes this build several times as slow.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool instrumented = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
inline constexpr bool instrumented = true;
#else
inline constexpr bool instrumented = false;
#endif
#else
inline constexpr bool instrumented = false;
#endif

/// `count` operations, times the environment's ROOMCAST_TEST_SCALE (a decimal
/// number above 0; 1 when it is not set), at least one.
inline std::size_t scaled(std::size_t count) {
    const double factor = from_environment<double>("ROOMCAST_TEST_SCALE", true).value_or(1.0);
    return std::max<std::size_t>(1, static_cast<std::size_t>(static_cast<double>(count) * factor));
}

}  // namespace tests
