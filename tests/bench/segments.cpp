// SPDX-License-Identifier: MIT
// Apart from everything else: the C library's <netinet/tcp.h> lacks the count,
// and cannot stand beside the kernel's header.
#include "segments.hpp"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstddef>

namespace bench {

std::uint64_t segments_received(int socket) noexcept {
    ::tcp_info info{};
    ::socklen_t size = sizeof info;
    constexpr std::size_t needed = offsetof(::tcp_info, tcpi_data_segs_in) + sizeof info.tcpi_data_segs_in;
    if (::getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &size) != 0 || size < needed) return 0;
    return info.tcpi_data_segs_in;
}

}  // namespace bench
