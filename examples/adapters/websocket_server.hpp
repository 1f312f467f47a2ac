// SPDX-License-Identifier: MIT
#pragma once

#include <asio/post.hpp>
#include <asio/steady_timer.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "adapters/alarm.hpp"
#include "adapters/http.hpp"
#include "adapters/listener.hpp"
#include "adapters/websocketpp.hpp"
#include "adapters/worker.hpp"

namespace roomcast::adapters {

/// WebSocket sessions and HTTP on one port, over several workers.
///
/// | what a Host has | when it is called |
/// |---|---|
/// | `Session` | a type: WebSocketSession, or derived from it |
/// | `on_open(const std::shared_ptr<Session>&)` | the handshake is done; first of a session's calls |
/// | `on_message(const std::shared_ptr<Session>&, std::string_view)` | a text message, UTF-8; borrowed for the call |
/// | `on_writable(const std::shared_ptr<Session>&)` | after `send` answered busy: there is room |
/// | `on_close(const std::shared_ptr<Session>&)` | it is gone, or its peer asked to go or broke the protocol; once, and last of a session's calls |
/// | `HttpResponse on_http(const HttpRequest&)` | every request but those to the WebSocket's path |
/// | `std::shared_ptr<Session> make_session()` | optional; default: `std::make_shared<Session>()` |
/// | `on_flood(const std::shared_ptr<Session>&)` | optional; it pings without measure: end it, as others are ended; once; default: closed with 4101 |
/// | `cork()` | optional; returns (by value) what lives while what a worker has ready is handled, as roomcast::Cork: from before the first `on_message` on, but not over a second one of the same session, nor its end; other calls of the worker may fall into it |
/// | `int refusal(const HttpRequest&)` | optional; a status to refuse an upgrade with (503 while draining), or 0 |
/// | `on_foreign_origin(const HttpRequest&)` | optional; an upgrade was refused with 403: say how to allow it |
///
/// Threads: everything of one session is called by its worker's thread, one
/// after the other; of different sessions, and `on_http`, concurrently. All
/// may call `send`, `close` and `terminate` of any session, which call nothing
/// back. What throws out of them costs that connection (1011), or is a 500;
/// `on_close` is told all the same.
///
/// The server outlives no host, and its sessions may outlive it as handles:
/// they answer `closed`.
template <class Host>
class WebSocketServer final : private WebSocketEvents {
public:
    using Session = typename Host::Session;
    using clock = Worker::clock;
    static_assert(std::derived_from<Session, WebSocketSession>);

    struct Options {
        /// Threads; 0: one for each core.
        unsigned workers = 1;
        ListenOptions listen{};
        WebSocketOptions websocket{};
    };

    /// Throws std::invalid_argument when a network cannot be read.
    WebSocketServer(Host& host, Options options)
        : host_(host),
          options_(with_own_host(std::move(options))),
          listener_(options_.listen, workers_,
                    [this](Worker& worker, asio::ip::tcp::socket socket, Ticket ticket) {
                        begin(worker, std::move(socket), std::move(ticket));
                    }),
          workers_(make_workers(options_)),
          alarm_(context()) {}
    WebSocketServer(const WebSocketServer&) = delete;
    WebSocketServer& operator=(const WebSocketServer&) = delete;
    ~WebSocketServer() {
        stop();
        wait();
        listener_.release();
    }

    /// Binds the port, for itself alone. Throws std::system_error with a
    /// message for a person.
    void listen() { listener_.listen(); }
    [[nodiscard]] std::uint16_t port() const noexcept { return listener_.port(); }

    /// `start`, then `wait`.
    void run() {
        start();
        wait();
    }
    void start() {
        for (auto& worker : workers_) threads_.emplace_back([&worker] { worker->run(); });
    }
    /// Cuts all sessions (each is told `on_close`) and ends the workers. Any
    /// thread, also from inside callbacks.
    void stop() {
        if (stopped_.exchange(true)) return;
        listener_.stop();
        for (auto& worker : workers_) worker->stop();
    }
    /// Until the workers have ended; not from inside callbacks.
    void wait() {
        for (auto& thread : threads_) thread.join();
        threads_.clear();
    }

    /// Frees the port; what is connected stays. Any thread.
    void stop_accepting() { listener_.stop(); }

    /// Sessions that are open: told `on_open`, not yet `on_close`. Any thread.
    [[nodiscard]] std::size_t session_count() const noexcept { return sessions_.load(); }
    /// All sockets, with those in a handshake, in HTTP, or whose last bytes
    /// are on their way. Any thread.
    [[nodiscard]] std::size_t connection_count() const noexcept { return listener_.connections(); }
    /// The option, or what the process's file descriptors allow.
    [[nodiscard]] std::size_t max_connections() const noexcept { return listener_.max_connections(); }

    /// The first worker's: for signals, timers, and what else Asio offers.
    [[nodiscard]] asio::io_context& context() noexcept { return workers_.front()->context(); }

    /// Calls `due` on the first worker, at the time that it returned last or
    /// when `wake` asks for it earlier: a registry's `poll` and
    /// `Options::wake`, which a host with `cork()` must set. To be set before
    /// `start`; it must not throw.
    void drive(std::function<clock::time_point()> due) { alarm_.set(std::move(due)); }
    /// Any thread.
    void wake(clock::time_point when) noexcept { alarm_.wake(when); }

    /// On the first worker's thread. Any thread; `call` must not throw.
    template <class Call>
    void post(Call call) {
        asio::post(context(), std::move(call));
    }
    template <class Call>
    void after(clock::duration delay, Call call) {
        const auto timer = std::make_shared<asio::steady_timer>(context(), delay);
        timer->async_wait([timer, call = std::move(call)](const asio::error_code& error) mutable {
            if (!error) call();
        });
    }
    template <class Call>
    void every(clock::duration interval, Call call) {
        after(interval, [this, interval, call = std::move(call)]() mutable {
            call();
            every(interval, std::move(call));
        });
    }

private:
    /// The address that it listens on is a name of the server too.
    static Options with_own_host(Options options) {
        const auto& bind = options.listen.bind;
        options.websocket.origin.hosts.push_back(bind.find(':') == std::string::npos ? bind : "[" + bind + "]");
        return options;
    }

    static std::vector<std::unique_ptr<Worker>> make_workers(const Options& options) {
        const auto& limits = options.websocket.limits;
        const auto shortest = std::min({limits.handshake_timeout, limits.close_timeout, limits.ping_after,
                                        limits.idle_timeout, limits.write_timeout});
        const auto tick = std::clamp(shortest / 5, std::chrono::milliseconds(10), std::chrono::milliseconds(1000));
        const unsigned count =
            options.workers != 0 ? options.workers : std::max(1U, std::thread::hardware_concurrency());
        std::vector<std::unique_ptr<Worker>> workers;
        for (unsigned i = 0; i < count; ++i) workers.push_back(std::make_unique<Worker>(tick));
        return workers;
    }

    void begin(Worker& worker, asio::ip::tcp::socket socket, Ticket ticket) noexcept {
        try {
            std::shared_ptr<Session> session;
            if constexpr (requires { host_.make_session(); }) session = host_.make_session();
            else session = std::make_shared<Session>();
            session->start(worker, std::move(socket), std::move(ticket), options_.websocket, *this);
        } catch (const std::exception&) {  // out of memory: one connection less
        }
    }

    /// What a worker has ready at a time.
    struct Round {
        struct Corked {
            explicit Corked(Host& host) : cork(host.cork()) {}
            decltype(std::declval<Host&>().cork()) cork;
        };
        std::optional<Corked> corked;
        const WebSocketSession* last = nullptr;  // whose message it was; null: no round is under way
    };
    [[nodiscard]] static Round& round() noexcept {
        thread_local Round of_worker;
        return of_worker;
    }
    /// Until the round is over, or the session's next message comes: what the one leads
    /// to is sent before the other.
    void cork(const WebSocketSession& session) {
        uncork(session);
        if (!round().last)
            asio::post(Worker::current()->context(), [] {
                round().corked.reset();
                round().last = nullptr;
            });
        round().last = &session;
        if (!round().corked) round().corked.emplace(host_);
    }
    static void uncork(const WebSocketSession& session) noexcept {
        if (round().last == &session) round().corked.reset();
    }

    static std::shared_ptr<Session> own(const std::shared_ptr<WebSocketSession>& session) {
        return std::static_pointer_cast<Session>(session);
    }

    template <class Call>
    static void guarded(const std::shared_ptr<WebSocketSession>& session, Call&& call) noexcept {
        try {
            call();
        } catch (...) {
            session->close(CloseCode::internal_error, "");
        }
    }

    void opened(const std::shared_ptr<WebSocketSession>& session) noexcept override {
        sessions_.fetch_add(1);
        guarded(session, [&] { host_.on_open(own(session)); });
    }
    void message(const std::shared_ptr<WebSocketSession>& session, std::string_view text) noexcept override {
        guarded(session, [&] {
            if constexpr (requires { host_.cork(); }) cork(*session);
            host_.on_message(own(session), text);
        });
    }
    void writable(const std::shared_ptr<WebSocketSession>& session) noexcept override {
        guarded(session, [&] { host_.on_writable(own(session)); });
    }
    void ending(const std::shared_ptr<WebSocketSession>& session) noexcept override {
        if constexpr (requires { host_.cork(); }) uncork(*session);
    }
    void closed(const std::shared_ptr<WebSocketSession>& session) noexcept override {
        guarded(session, [&] { host_.on_close(own(session)); });
        sessions_.fetch_sub(1);
    }
    bool flooded(const std::shared_ptr<WebSocketSession>& session) noexcept override {
        constexpr bool asked = requires { host_.on_flood(own(session)); };
        if constexpr (asked) guarded(session, [&] { host_.on_flood(own(session)); });
        return asked;
    }
    HttpResponse http(const HttpRequest& request) override {
        try {
            return host_.on_http(request);
        } catch (...) {
            return {.status = 500};
        }
    }
    int refusal(const HttpRequest& request) override {
        if constexpr (requires { host_.refusal(request); }) return host_.refusal(request);
        else return 0;
    }
    void foreign_origin(const HttpRequest& request) noexcept override {
        if constexpr (requires { host_.on_foreign_origin(request); }) host_.on_foreign_origin(request);
    }

    Host& host_;
    const Options options_;
    std::atomic<std::size_t> sessions_ = 0;
    Listener listener_;  // before the workers: some tickets come back with them
    std::vector<std::unique_ptr<Worker>> workers_;
    Alarm alarm_;
    std::vector<std::thread> threads_;
    std::atomic<bool> stopped_ = false;
};

}  // namespace roomcast::adapters
