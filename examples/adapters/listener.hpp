// SPDX-License-Identifier: MIT
#pragma once

#include <asio/dispatch.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>

#include <netinet/tcp.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "adapters/peer_address.hpp"
#include "adapters/worker.hpp"

namespace roomcast::adapters {

struct ListenOptions {
    /// An IP address, or "localhost".
    std::string bind = "127.0.0.1";
    /// 0: any free one.
    std::uint16_t port = 9002;
    /// Connections at most; never more than the process's file descriptors allow.
    std::size_t max_connections = 100'000;
    /// The same for one address (IPv6: one /64); loopback is exempt; 0: no limit.
    std::size_t max_per_address = 50;
    /// From these networks `X-Forwarded-For` is believed.
    std::vector<std::string> trusted_proxies{};
    /// Bytes that the kernel holds unsent for one connection; 0: the system's.
    int unsent_bytes = 128 * 1024;
};

class Listener;

/// One connection's place under the caps, held until it is destroyed.
class Ticket {
public:
    Ticket() = default;
    Ticket(Listener& listener, asio::ip::address peer) : listener_(&listener), address_(std::move(peer)) {}
    Ticket(Ticket&& other) noexcept
        : listener_(std::exchange(other.listener_, nullptr)),
          address_(other.address_),
          counted_(std::exchange(other.counted_, false)) {}
    Ticket& operator=(Ticket other) noexcept {
        std::swap(listener_, other.listener_);
        std::swap(address_, other.address_);
        std::swap(counted_, other.counted_);
        return *this;
    }
    ~Ticket();

    /// Counts it at its address. False: that one has enough.
    [[nodiscard]] bool count();
    /// A request came with this `X-Forwarded-For`: from a trusted proxy, the
    /// place is that client's. False: that one has enough.
    [[nodiscard]] bool forwarded(std::string_view list);
    [[nodiscard]] const asio::ip::address& address() const noexcept { return address_; }

private:
    Listener* listener_ = nullptr;
    asio::ip::address address_;
    bool counted_ = false;
};

/// Accepts on the first worker, deals the sockets out in turn, and keeps the
/// caps: at `max_connections` it stops accepting until one goes.
///
/// Thread safety: `stop` and the tickets' functions may be called by any
/// thread, the others before the workers run.
class Listener {
public:
    /// Called on the socket's own worker.
    using Accepted = std::function<void(Worker&, asio::ip::tcp::socket, Ticket)>;

    /// Throws std::invalid_argument when a network or address cannot be read.
    Listener(ListenOptions options, std::vector<std::unique_ptr<Worker>>& workers, Accepted accepted)
        : options_(std::move(options)),
          workers_(workers),
          accepted_(std::move(accepted)),
          addresses_(options_.max_per_address),
          trusted_(options_.trusted_proxies.begin(), options_.trusted_proxies.end()),
          max_connections_(std::min(options_.max_connections, descriptors())) {}

    /// Throws std::system_error: the address is taken, or is none of this machine's.
    void listen() {
        const std::string bind = options_.bind == "localhost" ? "127.0.0.1" : options_.bind;
        const std::string where = bind + " port " + std::to_string(options_.port);
        asio::error_code error;
        const auto address = asio::ip::make_address(bind, error);
        if (error) throw std::system_error(error, "not an IP address: " + bind);
        const asio::ip::tcp::endpoint endpoint(address, options_.port);
        auto& context = workers_.front()->context();
        asio::ip::tcp::acceptor acceptor(context);
        acceptor.open(endpoint.protocol(), error);
        // A port with old connections in TIME_WAIT is free, one with a listener is not.
        if (!error) acceptor.set_option(asio::socket_base::reuse_address(true), error);
        // What is accepted inherits these.
        if (!error) acceptor.set_option(asio::ip::tcp::no_delay(true), error);
        if (!error && options_.unsent_bytes > 0)
            ::setsockopt(acceptor.native_handle(), IPPROTO_TCP, TCP_NOTSENT_LOWAT, &options_.unsent_bytes,
                         sizeof options_.unsent_bytes);
        if (!error) acceptor.bind(endpoint, error);
        if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
        if (error) throw std::system_error(error, "cannot listen on " + where);
        port_ = acceptor.local_endpoint().port();
        acceptor_.emplace(std::move(acceptor));
        pause_.emplace(context);
        accept();
    }

    [[nodiscard]] std::uint16_t port() const noexcept { return port_; }
    [[nodiscard]] std::size_t max_connections() const noexcept { return max_connections_; }
    /// Sockets, also those in a handshake or an HTTP request.
    [[nodiscard]] std::size_t connections() const noexcept { return connections_.load(); }

    /// Frees the port.
    void stop() {
        asio::post(workers_.front()->context(), [this] { close(); });
    }

    /// Gives up what belongs to the workers, which have ended. Tickets may
    /// still come back.
    void release() {
        close();
        released_ = true;
    }

private:
    friend class Ticket;

    /// What is left of this process's descriptors after some for itself.
    static std::size_t descriptors() {
        constexpr std::size_t own = 64;
        rlimit limit{};
        if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return SIZE_MAX;
        const auto most = static_cast<std::size_t>(limit.rlim_cur);
        return most > 2 * own ? most - own : most / 2;
    }

    void close() {
        acceptor_.reset();
        pause_.reset();
    }

    void accept() {
        if (!acceptor_ || accepting_) return;
        if (connections_.load() >= max_connections_) return;  // `gone` comes back to it
        accepting_ = true;
        Worker& worker = *workers_[next_++ % workers_.size()];
        acceptor_->async_accept(worker.context(), peer_, [this, &worker](const asio::error_code& error,
                                                                         asio::ip::tcp::socket socket) {
            accepting_ = false;
            if (!acceptor_) return;
            if (!error) {
                deal(worker, std::move(socket));
            } else if (error != asio::error::connection_aborted) {
                // Out of descriptors or memory: at once would only spin.
                pause_->expires_after(std::chrono::milliseconds(100));
                pause_->async_wait([this](const asio::error_code& cancelled) {
                    if (!cancelled) accept();
                });
                return;
            }
            accept();
        });
    }

    void deal(Worker& worker, asio::ip::tcp::socket socket) {
        connections_.fetch_add(1);
        Ticket ticket(*this, plain_address(peer_.address()));
        if (!is_trusted(ticket.address()) && !ticket.count()) return;
        asio::dispatch(worker.context(),
                       [this, &worker, socket = std::move(socket), ticket = std::move(ticket)]() mutable {
                           if (!worker.stopping()) accepted_(worker, std::move(socket), std::move(ticket));
                       });
    }

    bool is_trusted(const asio::ip::address& peer) const {
        return std::any_of(trusted_.begin(), trusted_.end(),
                           [&](const Network& network) { return network.contains(peer); });
    }

    void gone() {
        if (connections_.fetch_sub(1) == max_connections_ && !released_)
            asio::post(workers_.front()->context(), [this] { accept(); });
    }

    const ListenOptions options_;
    std::vector<std::unique_ptr<Worker>>& workers_;
    const Accepted accepted_;
    AddressLimit addresses_;
    const std::vector<Network> trusted_;
    const std::size_t max_connections_;
    std::atomic<std::size_t> connections_ = 0;
    std::uint16_t port_ = 0;
    bool released_ = false;  // written when no worker's thread is left

    // Of the first worker's thread.
    std::optional<asio::ip::tcp::acceptor> acceptor_;  // none: does not listen
    std::optional<asio::steady_timer> pause_;
    asio::ip::tcp::endpoint peer_;  // of the accept that is under way
    std::size_t next_ = 0;
    bool accepting_ = false;
};

inline Ticket::~Ticket() {
    if (listener_ == nullptr) return;
    if (counted_) listener_->addresses_.remove(address_);
    listener_->gone();
}

inline bool Ticket::count() { return counted_ = listener_->addresses_.add(address_); }

inline bool Ticket::forwarded(std::string_view list) {
    auto client = client_address(address_, list, listener_->trusted_);
    if (client == address_) return true;
    address_ = std::move(client);
    return count();
}

}  // namespace roomcast::adapters
