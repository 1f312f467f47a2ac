// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

namespace bench {

/// Segments with data that a TCP socket has received. On loopback the peer's
/// kernel makes one of each write, unless a write is longer than 64 KiB or has
/// to wait for room in the receiver's buffer. 0 where the kernel does not say.
std::uint64_t segments_received(int socket) noexcept;

}  // namespace bench
