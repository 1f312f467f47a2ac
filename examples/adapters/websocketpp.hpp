// SPDX-License-Identifier: MIT
#pragma once

#include <websocketpp/close.hpp>
#include <websocketpp/utf8_validator.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "adapters/http.hpp"
#include "adapters/listener.hpp"
#include "adapters/origin.hpp"
#include "adapters/peer_address.hpp"
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
    /// `closed` comes next, and from here on it refuses what is sent to it: what its
    /// messages have led to is sent now.
    virtual void ending(const std::shared_ptr<WebSocketSession>& session) noexcept = 0;
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
        const auto rest = payload.substr(detail::ascii_bytes(payload));
        websocketpp::utf8_validator::validator utf8;
        if (!utf8.decode(rest.begin(), rest.end()) || !utf8.complete())
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
        remote_address_ = address_text(ticket_.address());
        pings_ = options.ping_burst;
        request_ = std::make_unique<detail::Request>();
        request_->set_max_body_size(max_http_body_size);
        attach(worker, std::move(socket), options.limits);
    }

private:
    using Config = detail::Config;
    using CloseStatus = websocketpp::close::status::value;
    static constexpr std::size_t max_http_body_size = 4 * 1024;

    std::shared_ptr<WebSocketSession> self() {
        return std::static_pointer_cast<WebSocketSession>(shared_from_this());
    }

    void received(std::span<char> bytes) override {
        if (processor_) read_frames(bytes);
        else read_request(bytes);
    }

    void lost() noexcept override { tell_closed(); }

    void released() noexcept override {
        request_.reset();
        processor_.reset();
        ticket_ = {};
    }

    void send_close(CloseCode code, std::string_view reason) override {
        const auto status = static_cast<CloseStatus>(code);
        if (!write_close(status, std::string(close_reason(reason)))) return terminate();
        if (websocketpp::close::status::terminal(status)) hang_up();
    }

    void send_ping() override {
        write_control([&](const auto& frame) { return processor_->prepare_ping(std::string(), frame); });
    }

    void writable() noexcept override {
        if (open_told_) events_->writable(self());
    }

    void tell_ending() noexcept {
        if (open_told_) events_->ending(self());
    }
    void tell_closed() noexcept {
        if (std::exchange(open_told_, false)) events_->closed(self());
    }

    /// The protocol is through.
    void hang_up() noexcept {
        finish();
        tell_closed();
    }

    /// The peer broke a rule: for the host it is gone at once, however long it
    /// takes to answer the close.
    void end(CloseCode code, std::string_view reason) noexcept {
        tell_ending();
        close(code, reason);
        tell_closed();
    }

    void read_request(std::span<char> bytes) {
        std::size_t used = 0;
        try {
            used = request_->consume(bytes.data(), bytes.size());
        } catch (const websocketpp::http::exception& error) {
            detail::Response response;
            response.set_status(error.m_error_code, error.m_error_msg);
            return answer(response);
        }
        if (!request_->ready()) return;
        const std::string_view target = request_->get_uri();
        const auto mark = std::min(target.find('?'), target.size());
        HttpRequest request{.method = request_->get_method(),
                            .path = target.substr(0, mark),
                            .query = target.substr(std::min(mark + 1, target.size())),
                            .remote_address = remote_address_,
                            .headers = {}};
        request.headers.reserve(request_->get_headers().size());
        for (const auto& [name, value] : request_->get_headers()) request.headers.emplace_back(name, value);
        if (const auto response = respond(request)) answer(request, *response);
        else open(bytes.subspan(used));
    }

    /// Nothing: a session is opened.
    std::optional<HttpResponse> respond(const HttpRequest& request) {
        if (!websocketpp::processor::get_uri_from_host(*request_, "http")->get_valid())
            return HttpResponse{.status = 400};
        if (request.path != options_->path) return events_->http(request);
        if (!origin_allowed(options_->origin, request.header("Origin"), "http", request.header("Host"))) {
            events_->foreign_origin(request);
            return HttpResponse{.status = 403};
        }
        if (!request_->is_handshake) {
            if (request.method != "GET" && request.method != "HEAD")
                return HttpResponse{.status = 405, .headers = {{"Allow", "GET, HEAD"}}};
            if (request_->bad_key) return HttpResponse{.status = 400};
            return HttpResponse{.status = 426,
                                .headers = {{"Upgrade", "websocket"}, {"Sec-WebSocket-Version", "13"}}};
        }
        const auto peer = ticket_.address();
        if (!ticket_.forwarded(request.header("X-Forwarded-For"))) return HttpResponse{.status = 429};
        if (const int status = events_->refusal(request)) return HttpResponse{.status = status};
        // Last: the request's is borrowed from it.
        if (ticket_.address() != peer) remote_address_ = address_text(ticket_.address());
        return std::nullopt;
    }

    void answer(const HttpRequest& request, const HttpResponse& response) {
        detail::Response out;
        out.set_status(static_cast<websocketpp::http::status_code::value>(response.status));
        for (const auto& [name, value] : response.headers) out.append_header(name, value);
        if (request.method == "HEAD") out.replace_header("Content-Length", std::to_string(response.body.size()));
        else out.set_body(response.body);
        answer(out);
    }

    void answer(detail::Response& response) {
        write(Frame(response.last()));
        hang_up();
    }

    void open(std::span<char> rest) {
        static Config::rng_type no_random;  // a server masks nothing
        processor_.emplace(false, true, std::make_shared<Config::con_msg_manager_type>(), no_random);
        processor_->set_max_message_size(options_->max_message_bytes);
        if (!write(Frame(request_->agreement(options_->subprotocol)))) return hang_up();
        request_.reset();  // it takes more memory than the rest
        opened();
        open_told_ = true;
        events_->opened(self());
        read_frames(rest);
    }

    void read_frames(std::span<char> bytes) {
        while (!bytes.empty() && !ended()) {
            websocketpp::lib::error_code error;
            const auto begin = reinterpret_cast<std::uint8_t*>(bytes.data());
            bytes = bytes.subspan(processor_->consume(begin, bytes.size(), error));
            if (!error && processor_->too_large())
                error = websocketpp::processor::error::make_error_code(websocketpp::processor::error::message_too_big);
            if (error) end_unasked(websocketpp::processor::error::to_ws(error), error.message());
            else if (processor_->ready()) on_frame(*processor_->get_message());
        }
    }

    void on_frame(const Config::message_type& frame) {
        namespace opcode = websocketpp::frame::opcode;
        const auto kind = frame.get_opcode();
        if (kind == opcode::close) return on_close(frame.get_payload());
        if (!is_open()) return;
        if (!opcode::is_control(kind)) return on_message(frame);
        if (kind == opcode::ping && on_ping())
            write_control([&](const auto& pong) { return processor_->prepare_pong(frame.get_payload(), pong); });
    }

    /// Answered with what it says itself, if it may say that.
    void on_close(const std::string& payload) {
        namespace status = websocketpp::close::status;
        websocketpp::lib::error_code error;
        const auto code = websocketpp::close::extract_code(payload, error);
        if (error) return end_unasked(status::protocol_error, "Invalid close code");
        const auto reason = websocketpp::close::extract_reason(payload, error);
        if (error) return end_unasked(status::protocol_error, "Invalid close reason");
        end_unasked(code == status::no_status ? status::normal : code, reason);
    }

    /// The peer wants to go, or broke the protocol: the host hears of it first.
    void end_unasked(CloseStatus code, const std::string& reason) {
        namespace status = websocketpp::close::status;
        // A length that is not minimal websocketpp calls a fault of the server's.
        if (code == status::internal_endpoint_error) code = status::protocol_error;
        if (!close_written_) {
            tell_ending();
            refuse();
            tell_closed();
            write_close(code, reason);
        }
        hang_up();
    }

    /// False: no frame can say this.
    bool write_close(CloseStatus code, const std::string& reason) {
        close_written_ = true;
        return write_control([&](const auto& frame) { return processor_->prepare_close(code, reason, frame); });
    }

    template <class Prepare>
    bool write_control(Prepare&& prepare) {
        const auto frame = std::make_shared<Config::message_type>(nullptr);
        if (prepare(frame)) return false;
        const std::string &head = frame->get_header(), &payload = frame->get_payload();
        if (!write(Frame::filled(head.size() + payload.size(), [&](char* out) {
                std::copy(payload.begin(), payload.end(), std::copy(head.begin(), head.end(), out));
            })))
            hang_up();
        return true;
    }

    void on_message(const Config::message_type& message) {
        const std::string_view text = message.get_payload();
        if (message.get_opcode() != websocketpp::frame::opcode::text)
            end(CloseCode::unsupported_data, "only text is understood here");
        // It forgets to look where a message of several frames ends.
        else if (!ends_whole(text)) end(CloseCode::invalid_payload, "invalid UTF-8");
        else events_->message(self(), text);
    }

    /// Whether to answer. A peer that does not read gets no pongs to pile up.
    bool on_ping() {
        if (flooded_) return false;
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
    std::unique_ptr<detail::Request> request_;  // until it is answered
    std::optional<detail::Processor> processor_;        // of a handshake's session, from then on
    Ticket ticket_;
    std::string remote_address_;
    double pings_ = 0;
    clock::time_point last_ping_{};
    bool flooded_ = false;
    bool open_told_ = false;  // and `closed` not yet
    bool close_written_ = false;
};

}  // namespace roomcast::adapters
