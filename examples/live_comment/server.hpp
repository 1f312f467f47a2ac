// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <span>
#include <string_view>
#include <utility>

#include <roomcast/cork.hpp>
#include <spdlog/spdlog.h>

#include "adapters/websocket_server.hpp"
#include "chat_session.hpp"
#include "http_routes.hpp"
#include "options.hpp"
#include "random.hpp"
#include "service.hpp"

namespace live_comment {

/// One WebSocket and what it has told us. Its wire: numbered messages get
/// their `seq`, all become text frames.
class CommentConnection : public roomcast::adapters::WebSocketSession {
public:
    explicit CommentConnection(std::uint64_t id) : chat_(id) {}

    [[nodiscard]] ChatSession& chat() noexcept { return chat_; }

    static roomcast::Frame encode(const roomcast::Message& message, int) {
        if (message.position.seq == 0) return text_frame(message.payload);
        return text_frame(with_seq(message.payload, message.position.seq));
    }

private:
    ChatSession chat_;
};

/// The service on real sockets: the Host of a WebSocketServer.
class CommentServer {
public:
    using Session = CommentConnection;
    using Handle = std::shared_ptr<Session>;
    using Comments = Service<Handle>;
    using Sockets = roomcast::adapters::WebSocketServer<CommentServer>;

    CommentServer(const ServerOptions& options, std::span<const Asset> page)
        : http_{options.list_rooms, page},
          final_(options.final_shutdown),
          drain_limit_(std::chrono::milliseconds(options.grace_ms) + std::chrono::seconds(10)),
          sockets_(*this, socket_options(options)),
          comments_(registry_options(options), service_options(options)) {
        sockets_.drive([this] { return comments_.tick(); });
    }

    [[nodiscard]] Sockets& sockets() noexcept { return sockets_; }

    /// Sends all away; stops when they have gone, or when that takes too long.
    /// Until then HTTP says that it drains. On the first worker's thread.
    void drain() {
        if (comments_.draining()) return sockets_.stop();  // asked twice: at once
        spdlog::info("draining {} connections", sockets_.session_count());
        comments_.drain(final_);
        // Batches of 256 come every 25 ms.
        const auto batches = std::chrono::milliseconds(sockets_.session_count() / 10);
        wait_for_the_last(std::chrono::steady_clock::now() + batches + drain_limit_);
    }

    // What the sockets call.

    [[nodiscard]] Handle make_session() { return std::make_shared<Session>(ids_()); }
    void on_open(const Handle& c) {
        spdlog::debug("connection {} from {}", connection_text(c->chat().id()), c->remote_address());
        comments_.opened(c);
    }
    [[nodiscard]] auto cork() { return roomcast::Cork(comments_.rooms()); }
    void on_message(const Handle& c, std::string_view text) { comments_.received(c, text); }
    void on_writable(const Handle& c) { comments_.writable(c); }
    void on_close(const Handle& c) {
        spdlog::debug("connection {} is gone", connection_text(c->chat().id()));
        comments_.closed(c);
    }
    void on_flood(const Handle& c) {
        if (!comments_.rooms().kick_connection(c, {roomcast::CloseCode::too_many_requests, "too many pings"})) return;
        spdlog::info("connection {} is ended: too many pings", connection_text(c->chat().id()));
    }
    [[nodiscard]] HttpResponse on_http(const HttpRequest& request) {
        return answer_http(request, comments_, http_);
    }
    [[nodiscard]] int refusal(const HttpRequest&) const { return comments_.draining() ? 503 : 0; }
    void on_foreign_origin(const HttpRequest& request) const {
        spdlog::warn("refused a connection from {} with Origin \"{}\" and Host \"{}\"; --origin allows an origin, "
                     "--host a further name of this server",
                     request.remote_address, log_text(request.header("Origin")), log_text(request.header("Host")));
    }

private:
    static Sockets::Options socket_options(const ServerOptions& o) {
        Sockets::Options sockets;
        sockets.workers = o.workers;
        sockets.listen.bind = o.bind;
        sockets.listen.port = o.port;
        sockets.listen.max_connections =
            o.max_connections != 0 ? o.max_connections : std::numeric_limits<std::size_t>::max();
        sockets.listen.max_per_address = o.max_per_address;
        sockets.listen.trusted_proxies = o.trusted_proxies;
        sockets.websocket.subprotocol = "roomcast.v1";
        sockets.websocket.max_message_bytes = max_message_bytes;
        // A peer that takes nothing at all is cut off; not before the registry
        // has given up on it, where that waits longer.
        auto& write_timeout = sockets.websocket.limits.write_timeout;
        constexpr std::chrono::hours for_ever(24);
        write_timeout = o.outbox_age_ms == 0 ? for_ever
                                             : std::max(write_timeout, std::chrono::milliseconds(o.outbox_age_ms));
        auto& origin = sockets.websocket.origin;
        const bool is_ipv6 = o.bind.find(':') != std::string::npos;
        origin.hosts.push_back(is_ipv6 ? '[' + o.bind + ']' : o.bind);
        origin.hosts.insert(origin.hosts.end(), o.hosts.begin(), o.hosts.end());
        origin.origins = o.origins;
        origin.required = o.require_origin;
        return sockets;
    }

    Comments::Registry::Options registry_options(const ServerOptions& o) {
        Comments::Registry::Options rooms;
        rooms.membership = o.membership;
        rooms.others = o.others;
        rooms.devices = o.devices;
        rooms.max_devices = o.max_devices;
        rooms.max_rooms = 10'000;
        rooms.max_rooms_per_connection = 100;
        // A worker that is busy with a batch reads on: what 100 ms of a room at 10,000 comments a second bring.
        rooms.max_queued = 1'024;
        rooms.grace = std::chrono::milliseconds(o.grace_ms);
        rooms.outbox_messages = o.outbox_messages;
        rooms.outbox_bytes = o.outbox_bytes;
        rooms.outbox_age = std::chrono::milliseconds(o.outbox_age_ms);
        rooms.memory = o.memory;
        rooms.user_rate = {o.comment_rate, 5 * o.comment_rate};
        rooms.room.history = o.history;
        rooms.room.history_bytes = o.history_bytes;
        rooms.room.history_age = std::chrono::milliseconds(o.history_age_ms);
        rooms.room.linger = std::chrono::milliseconds(o.linger_ms);
        rooms.room.slow_readers = o.slow_readers;
        rooms.room.batch_window = std::chrono::milliseconds(o.batch_ms);
        rooms.room.rate = {o.room_rate, o.room_rate};
        rooms.room.presence = std::chrono::seconds(1);
        rooms.room.presence_names = o.presence_names;
        rooms.wake = [this](Comments::time_point when) { sockets_.wake(when); };
        return rooms;
    }

    static ServiceOptions service_options(const ServerOptions& o) {
        ServiceOptions service;
        service.commands = {o.command_rate, 2 * o.command_rate};
        service.guest_host = o.guest_host;
        service.guest_names = o.guest_names_protected;
        service.gifts = o.gifts;
        service.server = o.describe();
        return service;
    }

    /// Looks again and again: the last bytes of closed connections count too,
    /// but for no more than a second.
    void wait_for_the_last(std::chrono::steady_clock::time_point end) {
        const auto now = std::chrono::steady_clock::now();
        if (sockets_.session_count() == 0) end = std::min(end, now + std::chrono::seconds(1));
        const bool late = now >= end;
        if (late || sockets_.connection_count() == 0) {
            if (late && sockets_.session_count() != 0)
                spdlog::warn("{} connections did not go in time", sockets_.session_count());
            return sockets_.stop();
        }
        sockets_.after(std::chrono::milliseconds(20), [this, end] { wait_for_the_last(end); });
    }

    const HttpOptions http_;
    const bool final_;
    const std::chrono::milliseconds drain_limit_;
    OpaqueIds ids_;
    Sockets sockets_;
    Comments comments_;
};

}  // namespace live_comment
