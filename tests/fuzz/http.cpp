// SPDX-License-Identifier: MIT
// The first byte says whether a handshake goes before the rest (`w`), or not;
// the second how many bytes are written at a time (0: all, as are digits
// beyond it, in tens). The rest goes through a real socket into a session of
// the adapter, whose host echoes messages, does what some of them ask for, and
// answers HTTP as the live-comment server does.
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <spdlog/spdlog.h>
#include <websocketpp/utf8_validator.hpp>

#include "adapters/listener.hpp"
#include "adapters/websocketpp.hpp"
#include "fuzz/demand.hpp"
#include "live_comment/http_routes.hpp"
#include "roomcast/roomcast.hpp"

namespace {

using fuzz::demand;
using namespace roomcast::adapters;
using namespace std::chrono_literals;
using Session = std::shared_ptr<WebSocketSession>;

constexpr std::string_view handshake =
    "GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// What the HTTP routes ask of the live-comment service: three rooms with
/// names that are not plain.
class Rooms {
public:
    Rooms() {
        for (const char* room : {"a", "a room/\"\xC3\xA9", "b:1"}) registry_.create_room(room, {.keep_empty = true});
    }
    auto& rooms() { return registry_; }
    [[nodiscard]] const std::string& server_text() const { return text_; }
    [[nodiscard]] static bool draining() { return false; }

private:
    roomcast::RoomRegistry<Session> registry_;
    const std::string text_ = "{}";
};

/// The host, and the contract of WebSocketEvents.
class Host final : public WebSocketEvents {
public:
    int opens = 0, closes = 0;

    void opened(const Session&) noexcept override {
        demand(opens++ == 0, "opened twice");
    }
    void message(const Session& session, std::string_view text) noexcept override {
        demand_open("message");
        demand(text.size() <= 16 * 1024, "a message that is too large");
        websocketpp::utf8_validator::validator utf8;
        demand(utf8.decode(text.begin(), text.end()) && utf8.complete(), "a message that is no UTF-8");
        if (text == "close") session->close(roomcast::CloseCode::room_closed, "as you like");
        else if (text == "cut") session->terminate();
        else if (text == "much") session->send(WebSocketSession::text_frame(std::string(70'000, 'x')));
        else session->send(WebSocketSession::text_frame(text));
    }
    void writable(const Session&) noexcept override { demand_open("writable"); }
    void ending(const Session&) noexcept override { demand_open("ending"); }
    void closed(const Session&) noexcept override {
        demand_open("closed");
        ++closes;
    }
    bool flooded(const Session&) noexcept override {
        demand_open("flooded");
        return false;
    }
    HttpResponse http(const HttpRequest& request) override {
        constexpr live_comment::Asset page[]{{"/", "text/html", "<p>page</p>"}};
        return live_comment::answer_http(request, rooms_, {.list_rooms = true, .page = page});
    }
    int refusal(const HttpRequest& request) override { return request.query == "refuse" ? 503 : 0; }
    void foreign_origin(const HttpRequest&) noexcept override {}

private:
    void demand_open(std::string_view what) const { demand(opens == 1 && closes == 0, "told while not open", what); }

    Rooms rooms_;
};

/// One worker, on this thread.
class Stage {
public:
    Stage() : listener_({.trusted_proxies = {"127.0.0.0/8"}}, workers_, {}) {
        workers_.push_back(std::make_unique<Worker>(1s));
        options_.subprotocol = "roomcast.v1";
        options_.origin.hosts = {"127.0.0.1"};
        options_.origin.origins = {"https://example.org"};
    }

    /// What the peer heard that wrote these bytes, `piece` of them at a time.
    std::string talk(std::string_view bytes, std::size_t piece, Host& host) {
        int ends[2];
        demand(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0, "no socket");
        Worker& worker = *workers_.front();
        peer_ = ends[0];
        server_end_ = ends[1];
        to_write_ = bytes;
        piece_ = piece;
        heard_.clear();
        asio::post(worker.context(), [&] {
            asio::ip::tcp::socket socket(worker.context());
            socket.assign(asio::ip::tcp::v4(), ends[1]);
            const auto session = std::make_shared<WebSocketSession>();
            session_ = session;
            session->start(worker, std::move(socket), Ticket(listener_, asio::ip::make_address("127.0.0.1")), options_, host);
            step();
        });
        worker.run();
        worker.context().restart();
        demand(session_.expired(), "a session is left");
        return std::move(heard_);
    }

private:
    /// Writes a piece when the one before it has been read; at last hangs up.
    void step() {
        read();
        int unread = 0;
        if (!session_.expired()) ::ioctl(server_end_, FIONREAD, &unread);
        if (unread == 0 || session_.expired()) {
            if (!to_write_.empty() && !session_.expired()) write();
            else if (++quiet_ > 4) return hang_up();
        }
        asio::post(workers_.front()->context(), [this] { step(); });
    }

    void write() {
        const auto part = to_write_.substr(0, piece_);
        const ssize_t written = ::send(peer_, part.data(), part.size(), MSG_NOSIGNAL);
        if (written > 0) to_write_.remove_prefix(static_cast<std::size_t>(written));
        else to_write_ = {};  // the session has hung up
        quiet_ = 0;
    }

    void read() {
        char buffer[16 * 1024];
        for (ssize_t got = 0; (got = ::recv(peer_, buffer, sizeof buffer, 0)) > 0;) {
            heard_.append(buffer, static_cast<std::size_t>(got));
            quiet_ = 0;
        }
    }

    void hang_up() {
        quiet_ = 0;
        ::close(std::exchange(peer_, -1));
        leave(0);
    }
    void leave(int rounds) {
        if (session_.expired() || rounds > 100) return workers_.front()->context().stop();
        asio::post(workers_.front()->context(), [this, rounds] { leave(rounds + 1); });
    }

    std::vector<std::unique_ptr<Worker>> workers_;
    Listener listener_;
    WebSocketOptions options_;
    std::weak_ptr<WebSocketSession> session_;
    int peer_ = -1, server_end_ = -1;
    std::string_view to_write_;
    std::size_t piece_ = 0;
    int quiet_ = 0;
    std::string heard_;
};

/// Whether these are whole frames, not masked, but for the last one.
void demand_frames(std::string_view bytes) {
    bool closed = false;
    while (!bytes.empty()) {
        demand(!closed, "something comes after a close frame");
        const auto at = [&](std::size_t i) { return i < bytes.size() ? static_cast<unsigned char>(bytes[i]) : 0U; };
        const unsigned opcode = at(0) & 0x0F;
        demand((at(0) & 0xF0) == 0x80 && (opcode == 1 || (opcode >= 8 && opcode <= 10)), "a frame of no kind");
        demand((at(1) & 0x80) == 0, "a masked frame");
        const std::size_t bytes_of_size = at(1) < 126 ? 0 : at(1) == 126 ? 2 : 8;
        std::size_t size = bytes_of_size == 0 ? at(1) : 0;
        for (std::size_t i = 0; i < bytes_of_size; ++i) size = size << 8 | at(2 + i);
        demand(opcode < 8 || size <= 125, "a control frame that is too long");
        closed = opcode == 8;
        if (closed && size != 0) {
            const unsigned code = at(2) << 8 | at(3);
            demand(size >= 2 && code >= 1000 && code < 5000 && code != 1005 && code != 1006 && code != 1015,
                   "a close code that is none");
        }
        bytes.remove_prefix(std::min(bytes.size(), 2 + bytes_of_size + size));
    }
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2) return 0;
    spdlog::set_level(spdlog::level::off);
    static Stage stage;
    std::string bytes(data[0] == 'w' ? handshake : std::string_view());
    bytes.append(reinterpret_cast<const char*>(data + 2), size - 2);
    const std::size_t piece = data[1] == 0 || data[1] == '0' ? bytes.size() : data[1] % 64U + 1U;
    Host host;
    const std::string heard = stage.talk(bytes, std::max<std::size_t>(piece, 1), host);
    demand(host.opens == host.closes, "opened and not closed");

    const auto end = heard.find("\r\n\r\n");
    if (heard.empty()) return 0;
    demand(heard.starts_with("HTTP/1.1 ") && end != std::string::npos, "an answer that is no HTTP", heard);
    const bool upgraded = heard.starts_with("HTTP/1.1 101 ");
    demand(upgraded == (host.opens == 1), "the host and its peer do not agree whether it is open", heard);
    if (upgraded) demand_frames(std::string_view(heard).substr(end + 4));
    return 0;
}
