// SPDX-License-Identifier: MIT
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>

namespace bench {

[[noreturn]] inline void fail(const char* what) {
    std::perror(what);
    std::exit(1);
}

/// As many descriptors as this process may have.
inline void raise_descriptor_limit() {
    ::rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
}

inline void send_at_once(int socket) {
    const int on = 1;
    ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

inline ::sockaddr_in loopback(std::uint16_t port) {
    ::sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    return address;
}

/// Listens on the loopback; port 0 takes a free one. Says where, in the first
/// line of standard output, as live_comment_server does.
inline int listen_and_say(std::uint16_t port) {
    const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    const int on = 1;
    ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    auto address = loopback(port);
    auto* const plain = reinterpret_cast<::sockaddr*>(&address);
    ::socklen_t size = sizeof address;
    if (socket < 0 || ::bind(socket, plain, size) != 0 || ::listen(socket, SOMAXCONN) != 0 ||
        ::getsockname(socket, plain, &size) != 0)
        fail("listen");
    std::printf("listening on http://127.0.0.1:%u/ (ws /ws)\n", unsigned(ntohs(address.sin_port)));
    std::fflush(stdout);
    return socket;
}

inline void watch(int epoll, int operation, int socket, std::uint32_t events, void* data) {
    ::epoll_event event{};
    event.events = events;
    event.data.ptr = data;
    if (::epoll_ctl(epoll, operation, socket, &event) != 0) fail("epoll_ctl");
}

}  // namespace bench
