// SPDX-License-Identifier: MIT
#pragma once

namespace roomcast {

/// The mutex policy of a host that uses its registry from one thread only.
struct null_mutex {
    constexpr void lock() noexcept {}
    constexpr bool try_lock() noexcept { return true; }
    constexpr void unlock() noexcept {}
};

}  // namespace roomcast
