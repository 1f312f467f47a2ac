// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "adapters/websocket_server.hpp"

namespace tests {

using namespace std::chrono_literals;
using roomcast::CloseCode;
using roomcast::Frame;
using roomcast::SendStatus;
using roomcast::adapters::HttpRequest;
using roomcast::adapters::HttpResponse;
using roomcast::adapters::WebSocketSession;

/// Echoes, unless a test says otherwise, and keeps the open sessions.
struct EchoHost {
    struct Session : WebSocketSession {
        std::atomic<int> opened = 0, closed = 0;
    };
    using Handle = std::shared_ptr<Session>;

    std::function<void(const Handle&)> opened;
    std::function<void(const Handle&, std::string_view)> message = [](const Handle& session, std::string_view text) {
        session->send(WebSocketSession::text_frame(text));
    };
    std::function<void(bool begins)> corked = [](bool) {};
    std::function<void(const Handle&)> room_again;
    std::function<void(const Handle&)> closed;
    std::function<HttpResponse(const HttpRequest&)> http = [](const HttpRequest& request) {
        return HttpResponse{.body = std::string(request.method) + " " + std::string(request.path)};
    };
    std::atomic<int> refuse = 0;
    std::atomic<int> opens = 0, closes = 0, foreign = 0;

    void on_open(const Handle& session) {
        ++session->opened;
        {
            const std::lock_guard lock(mutex_);
            sessions_.push_back(session);
        }
        ++opens;
        if (opened) opened(session);
    }
    struct Cork {
        EchoHost& host;
        explicit Cork(EchoHost& owner) : host(owner) { host.corked(true); }
        ~Cork() { host.corked(false); }
        Cork(const Cork&) = delete;
        Cork& operator=(const Cork&) = delete;
    };
    Cork cork() { return Cork(*this); }
    void on_message(const Handle& session, std::string_view text) { message(session, text); }
    void on_writable(const Handle& session) {
        if (room_again) room_again(session);
    }
    void on_close(const Handle& session) {
        ++session->closed;
        {
            const std::lock_guard lock(mutex_);
            std::erase(sessions_, session);
        }
        ++closes;
        if (closed) closed(session);
    }
    HttpResponse on_http(const HttpRequest& request) { return http(request); }
    int refusal(const HttpRequest&) { return refuse; }
    void on_foreign_origin(const HttpRequest&) { ++foreign; }

    std::vector<Handle> sessions() {
        const std::lock_guard lock(mutex_);
        return sessions_;
    }

private:
    std::mutex mutex_;
    std::vector<Handle> sessions_;
};

using EchoServer = roomcast::adapters::WebSocketServer<EchoHost>;

/// Waits for what another thread will do; false after ten seconds.
template <class Condition>
bool eventually(Condition condition) {
    const auto end = std::chrono::steady_clock::now() + 10s;
    while (!condition()) {
        if (std::chrono::steady_clock::now() > end) return false;
        std::this_thread::sleep_for(1ms);
    }
    return true;
}

/// A server with its threads, on any free port.
struct RunningServer {
    EchoHost host;
    EchoServer server;

    explicit RunningServer(EchoServer::Options options = {}) : RunningServer({}, std::move(options)) {}
    /// `prepare(host)` before the first connection.
    RunningServer(const std::function<void(EchoHost&)>& prepare, EchoServer::Options options = {})
        : server(host, with_free_port(std::move(options))) {
        if (prepare) prepare(host);
        server.listen();
        server.start();
    }
    ~RunningServer() {
        server.stop();
        server.wait();
    }
    [[nodiscard]] std::uint16_t port() const { return server.port(); }

    /// The one session that is open, or the only one that will be.
    EchoHost::Handle only_session() {
        if (!eventually([&] { return host.sessions().size() == 1; })) return nullptr;
        return host.sessions().front();
    }

private:
    static EchoServer::Options with_free_port(EchoServer::Options options) {
        options.listen.port = 0;
        return options;
    }
};

}  // namespace tests
