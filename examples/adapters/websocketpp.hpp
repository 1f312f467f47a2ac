// SPDX-License-Identifier: MIT
#pragma once

#include <websocketpp/connection.hpp>
#include <websocketpp/utf8_validator.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "adapters/http.hpp"
#include "adapters/listener.hpp"
#include "adapters/origin.hpp"
#include "adapters/socket_session.hpp"
#include "adapters/websocketpp_config.hpp"
#include "roomcast/connection.hpp"
#include "roomcast/message.hpp"

namespace roomcast::adapters {

/// What the sessions of a server share.
struct WebSocketOptions {
    /// Where WebSocket sessions are opened; every other path is the host's.
    std::string path = "/ws";
    /// Echoed to those who offer it.
    std::string subprotocol{};
    OriginRules origin{};
    /// A larger one is answered with 1009.
    std::size_t max_message_bytes = 16 * 1024;
    /// Pings that are answered at once, and how many come to that each second;
    /// the next `10 * ping_burst` are ignored, after that it is a flood: 4101.
    unsigned ping_burst = 20;
    unsigned ping_rate = 2;
    SessionLimits limits{};
};

/// Whether UTF-8 that is valid so far ends between two code points.
[[nodiscard]] inline bool ends_whole(std::string_view utf8) noexcept {
    std::size_t behind = 0;  // bytes that continue the last code point
    while (behind < utf8.size() && (static_cast<unsigned char>(utf8[utf8.size() - 1 - behind]) & 0xC0) == 0x80) ++behind;
    if (behind == utf8.size()) return behind == 0;
    const auto first = static_cast<unsigned char>(utf8[utf8.size() - 1 - behind]);
    return behind == (first >= 0xF0 ? 3U : first >= 0xE0 ? 2U : first >= 0xC0 ? 1U : 0U);
}

class WebSocketSession;

/// What a session tells its server, on the session's worker. Nothing may throw.
class WebSocketEvents {
public:
    virtual void opened(const std::shared_ptr<WebSocketSession>& session) noexcept = 0;
    virtual void message(const std::shared_ptr<WebSocketSession>& session, std::string_view text) noexcept = 0;
    virtual void writable(const std::shared_ptr<WebSocketSession>& session) noexcept = 0;
    /// Once for each `opened`, and the last of the session's calls: it is gone,
    /// or its peer asked to go or broke the protocol.
    virtual void closed(const std::shared_ptr<WebSocketSession>& session) noexcept = 0;
    /// The peer floods with pings; at most once. Whether somebody sees to its
    /// end; otherwise the session closes by itself.
    virtual bool flooded(const std::shared_ptr<WebSocketSession>& session) noexcept = 0;
    virtual HttpResponse http(const HttpRequest& request) = 0;
    /// A status to refuse an upgrade with, or 0.
    virtual int refusal(const HttpRequest& request) = 0;
    /// A page of another site asked for a session.
    virtual void foreign_origin(const HttpRequest& request) noexcept = 0;

protected:
    ~WebSocketEvents() = default;
};

/// At most 123 bytes, which is what a close frame holds, cut between two code
/// points.
[[nodiscard]] inline std::string_view close_reason(std::string_view reason) noexcept {
    constexpr std::size_t most = 123;
    if (reason.size() <= most) return reason;
    std::size_t size = most;
    while (size != 0 && (static_cast<unsigned char>(reason[size]) & 0xC0) == 0x80) --size;
    return reason.substr(0, size);
}

/// The protocol's half of a session. Derive from it for what a host keeps of
/// each; a shared_ptr to that satisfies `roomcast::connection`.
///
/// Thread safety: see SocketSession.
class WebSocketSession : public SocketSession {
public:
    /// The text frame of a server around `payload`: encode once, send to many.
    /// Throws std::invalid_argument when it is not UTF-8, and std::bad_alloc.
    [[nodiscard]] static Frame text_frame(std::string_view payload) {
        const auto ascii = std::find_if(payload.begin(), payload.end(), [](char c) { return c < 0; });
        websocketpp::utf8_validator::validator utf8;
        if (!utf8.decode(ascii, payload.end()) || !utf8.complete())
            throw std::invalid_argument("a text frame must be UTF-8");

        const std::size_t size = payload.size();
        const std::size_t length_bytes = size < 126 ? 0 : size < 65'536 ? 2 : 8;
        return Frame::filled(2 + length_bytes + size, [&](char* out) {
            *out++ = static_cast<char>(0x81);
            *out++ = static_cast<char>(size < 126 ? size : size < 65'536 ? 126 : 127);
            for (std::size_t i = length_bytes; i-- > 0;) *out++ = static_cast<char>(size >> (8 * i));
            std::copy(payload.begin(), payload.end(), out);
        });
    }

    /// These frames one after the other: written at once, they still arrive as
    /// the messages that they are. Throws std::bad_alloc.
    [[nodiscard]] static Frame join_frames(std::span<const Frame> frames) {
        if (frames.size() == 1) return frames.front();
        std::size_t size = 0;
        for (const Frame& frame : frames) size += frame.size();
        return Frame::filled(size, [&](char* out) {
            for (const Frame& frame : frames) out = std::copy_n(frame.data(), frame.size(), out);
        });
    }

    /// For `roomcast::connection_traits`.
    [[nodiscard]] static Frame encode(const Message& message, int) { return text_frame(message.payload); }

    /// The peer's address, or the one that a trusted proxy reports.
    [[nodiscard]] std::string_view remote_address() const noexcept { return remote_address_; }

    /// For the server: begins, on this worker's thread.
    void start(Worker& worker, asio::ip::tcp::socket socket, Ticket ticket, const WebSocketOptions& options,
               WebSocketEvents& events) {
        options_ = &options;
        events_ = &events;
        ticket_ = std::move(ticket);
        remote_address_ = ticket_.address().to_string();
        pings_ = options.ping_burst;
        const auto log = std::make_shared<websocketpp::log::stub>();
        static Config::rng_type no_random;  // a server masks nothing
        connection_ = std::make_shared<Connection>(true, std::string(), log, log, no_random);
        connection_->set_max_message_size(options.max_message_bytes);
        connection_->set_max_http_body_size(Config::max_http_body_size);
        set_handlers();
        attach(worker, std::move(socket), options.limits);
        connection_->start();
    }

private:
    using Config = detail::Config;
    using Connection = websocketpp::connection<Config>;
    using Handle = websocketpp::connection_hdl;
    using Pieces = std::vector<websocketpp::transport::buffer>;
    using Status = websocketpp::http::status_code::value;

    std::shared_ptr<WebSocketSession> self() {
        return std::static_pointer_cast<WebSocketSession>(shared_from_this());
    }

    /// They hold no share of the session: it owns the connection.
    void set_handlers() {
        namespace error = websocketpp::transport::error;
        const auto status = [](bool written) {
            return written ? websocketpp::lib::error_code() : error::make_error_code(error::pass_through);
        };
        connection_->set_write_handler([this, status](Handle, const char* bytes, std::size_t size) {
            return status(write(Frame(std::string_view(bytes, size))));
        });
        connection_->set_vector_write_handler(
            [this, status](Handle, const Pieces& pieces) { return status(write_frame(pieces)); });
        connection_->set_shutdown_handler([this](Handle) {
            finish();
            tell_closed();
            return websocketpp::lib::error_code();
        });
        connection_->set_validate_handler([this](Handle) { return on_upgrade(); });
        connection_->set_http_handler([this](Handle) { on_http(); });
        connection_->set_open_handler([this](Handle) { on_open(); });
        connection_->set_message_handler(
            [this](Handle, const Connection::message_ptr& message) { on_message(*message); });
        connection_->set_ping_handler([this](Handle, const std::string&) { return on_ping(); });
    }

    /// One of websocketpp's own. A close that nobody asked for says that the
    /// peer wants to go, or broke the protocol: the host hears of it first.
    bool write_frame(const Pieces& pieces) {
        const bool is_close = (pieces.front().buf[0] & 0x0F) == websocketpp::frame::opcode::close;
        // It would answer a faulty close frame even behind its own.
        if (is_close && std::exchange(close_written_, true)) return true;
        const bool unasked = is_close && !close_asked_;
        if (unasked) {
            refuse();
            tell_closed();
        }
        std::size_t size = 0;
        for (const auto& piece : pieces) size += piece.len;
        return write(Frame::filled(size, [&](char* const out) {
            char* end = out;
            for (const auto& piece : pieces) end = std::copy_n(piece.buf, piece.len, end);
            // Lengths that are not minimal, and those beyond its own integers,
            // it calls a fault of the server's.
            if (unasked && connection_->get_local_close_code() == websocketpp::close::status::internal_endpoint_error) {
                constexpr auto code = static_cast<unsigned>(CloseCode::protocol_error);
                out[2] = static_cast<char>(code >> 8);
                out[3] = static_cast<char>(code & 0xFF);
            }
        }));
    }

    void received(std::string_view bytes) override {
        const auto connection = connection_;
        connection->receive(bytes);
    }

    void lost() noexcept override {
        const auto connection = connection_;
        try {
            connection->end();
        } catch (...) {  // its last words have nobody to hear them
        }
        tell_closed();
    }

    void released() noexcept override {
        connection_.reset();
        ticket_ = {};
    }

    void send_close(CloseCode code, std::string_view reason) override {
        const auto connection = connection_;
        websocketpp::lib::error_code error;
        close_asked_ = true;
        connection->close(static_cast<std::uint16_t>(code), std::string(close_reason(reason)), error);
        if (error) terminate();
    }

    void send_ping() override {
        const auto connection = connection_;
        websocketpp::lib::error_code error;
        connection->ping(std::string(), error);
    }

    void writable() noexcept override {
        if (open_told_) events_->writable(self());
    }

    void tell_closed() noexcept {
        if (std::exchange(open_told_, false)) events_->closed(self());
    }

    /// The peer broke a rule: for the host it is gone at once, however long it
    /// takes to answer the close.
    void end(CloseCode code, std::string_view reason) noexcept {
        close(code, reason);
        tell_closed();
    }

    template <class Call>
    decltype(auto) with_request(Call&& call) {
        const auto& request = connection_->get_request();
        const std::string_view target = request.get_uri();
        const auto mark = std::min(target.find('?'), target.size());
        HttpRequest view{.method = request.get_method(),
                         .path = target.substr(0, mark),
                         .query = target.substr(std::min(mark + 1, target.size())),
                         .remote_address = remote_address_,
                         .headers = {}};
        for (const auto& [name, value] : request.get_headers()) view.headers.emplace_back(name, value);
        return call(static_cast<const HttpRequest&>(view));
    }

    bool on_upgrade() {
        const int refused = with_request([&](const HttpRequest& request) {
            if (request.path != options_->path) {
                respond(request, events_->http(request));
                return -1;
            }
            if (const int status = refuse_foreign(request)) return status;
            if (!ticket_.forwarded(request.header("X-Forwarded-For"))) return 429;
            remote_address_ = ticket_.address().to_string();
            return events_->refusal(request);
        });
        if (refused > 0) connection_->set_status(static_cast<Status>(refused));
        if (refused != 0) return false;
        const auto& offered = connection_->get_requested_subprotocols();
        if (std::find(offered.begin(), offered.end(), options_->subprotocol) != offered.end())
            connection_->select_subprotocol(options_->subprotocol);
        return true;
    }

    void on_http() {
        with_request([&](const HttpRequest& request) {
            if (request.path != options_->path) return respond(request, events_->http(request));
            if (const int status = refuse_foreign(request)) return respond(request, {.status = status});
            if (request.method != "GET" && request.method != "HEAD")
                return respond(request, {.status = 405, .headers = {{"Allow", "GET, HEAD"}}});
            if (connection_->get_request().bad_key) return respond(request, {.status = 400});
            respond(request, {.status = 426, .headers = {{"Upgrade", "websocket"}, {"Sec-WebSocket-Version", "13"}}});
        });
    }

    int refuse_foreign(const HttpRequest& request) {
        if (origin_allowed(options_->origin, request.header("Origin"), "http", request.header("Host"))) return 0;
        events_->foreign_origin(request);
        return 403;
    }

    void respond(const HttpRequest& request, const HttpResponse& response) {
        connection_->set_status(static_cast<Status>(response.status));
        for (const auto& [name, value] : response.headers) connection_->append_header(name, value);
        if (request.method == "HEAD")
            connection_->replace_header("Content-Length", std::to_string(response.body.size()));
        else
            connection_->set_body(response.body);
    }

    void on_open() {
        // The request is answered; what it said takes more memory than the rest.
        const_cast<detail::Request&>(connection_->get_request()) = {};
        opened();
        open_told_ = true;
        events_->opened(self());
    }

    void on_message(const Config::message_type& message) {
        if (!is_open()) return;
        const std::string_view text = message.get_payload();
        if (message.get_opcode() != websocketpp::frame::opcode::text)
            end(CloseCode::unsupported_data, "only text is understood here");
        // It forgets to look where a message of several frames ends.
        else if (!ends_whole(text)) end(CloseCode::invalid_payload, "invalid UTF-8");
        else events_->message(self(), text);
    }

    /// Whether to answer. A peer that does not read gets no pongs to pile up.
    bool on_ping() {
        if (flooded_ || !is_open()) return false;
        const auto now = clock::now();
        const double earned = std::chrono::duration<double>(now - last_ping_).count() * options_->ping_rate;
        pings_ = std::min(pings_ + earned, static_cast<double>(options_->ping_burst)) - 1;
        last_ping_ = now;
        flooded_ = pings_ < -10.0 * options_->ping_burst;
        if (flooded_ && !events_->flooded(self())) end(CloseCode::too_many_requests, "too many pings");
        return pings_ >= 0 && drained();
    }

    const WebSocketOptions* options_ = nullptr;
    WebSocketEvents* events_ = nullptr;
    std::shared_ptr<Connection> connection_;
    Ticket ticket_;
    std::string remote_address_;
    double pings_ = 0;
    clock::time_point last_ping_{};
    bool flooded_ = false;
    bool open_told_ = false;    // and `closed` not yet
    bool close_asked_ = false;  // by this side
    bool close_written_ = false;
};

}  // namespace roomcast::adapters
