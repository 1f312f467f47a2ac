// SPDX-License-Identifier: MIT
#pragma once

#include <asio/buffer.hpp>
#include <asio/connect.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/write.hpp>

#include <sys/socket.h>
#include <sys/time.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace tests {

/// A frame as a client sees it. `opcode` -1: the stream has ended.
struct WireFrame {
    int opcode = -1;
    std::string payload;

    [[nodiscard]] bool ended() const { return opcode == -1; }
    [[nodiscard]] bool text(std::string_view wanted) const { return opcode == 1 && payload == wanted; }
    /// Of a close frame; 0 when it has none.
    [[nodiscard]] int code() const {
        if (opcode != 8 || payload.size() < 2) return 0;
        return static_cast<unsigned char>(payload[0]) * 256 + static_cast<unsigned char>(payload[1]);
    }
};

/// A WebSocket client on a plain blocking socket, for one thread. What takes
/// longer than ten seconds throws.
class Client {
public:
    explicit Client(std::uint16_t port, int receive_buffer = 0) {
        socket_.open(asio::ip::tcp::v4());
        if (receive_buffer != 0) socket_.set_option(asio::socket_base::receive_buffer_size(receive_buffer));
        const timeval limit{10, 0};
        ::setsockopt(socket_.native_handle(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        ::setsockopt(socket_.native_handle(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
        socket_.connect({asio::ip::address_v4::loopback(), port});
    }

    /// The head of a request; `lines` are whole header lines, each with CRLF.
    static std::string request(std::string_view target, std::string_view lines = {},
                               std::string_view method = "GET") {
        return std::string(method).append(" ").append(target).append(" HTTP/1.1\r\nHost: localhost\r\n")
            .append(lines).append("\r\n");
    }
    static std::string upgrade(std::string_view lines = {}) {
        return request("/ws", std::string("Connection: Upgrade\r\nUpgrade: websocket\r\n"
                                          "Sec-WebSocket-Version: 13\r\n"
                                          "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n").append(lines));
    }

    Client& open(std::string_view lines = {}) {
        write(upgrade(lines));
        const auto head = read_head();
        if (!head.starts_with("HTTP/1.1 101 ")) throw std::runtime_error("no upgrade: " + head);
        return *this;
    }

    void write(std::string_view bytes) { asio::write(socket_, asio::buffer(bytes.data(), bytes.size())); }
    /// As much as goes before the peer closes.
    void try_write(std::string_view bytes) {
        asio::error_code ignored;
        asio::write(socket_, asio::buffer(bytes.data(), bytes.size()), ignored);
    }

    static std::string frame(int opcode, std::string_view payload, bool last = true, bool masked = true) {
        std::string out(1, static_cast<char>((last ? 0x80 : 0) | opcode));
        const std::size_t size = payload.size();
        const int length_bytes = size < 126 ? 0 : size < 65'536 ? 2 : 8;
        const auto length = length_bytes == 0 ? size : length_bytes == 2 ? 126U : 127U;
        out += static_cast<char>((masked ? 0x80U : 0U) | length);
        for (int i = length_bytes; i-- > 0;) out += static_cast<char>(size >> (8 * i));
        const char mask[] = {0x11, 0x22, 0x33, 0x44};
        if (masked) out.append(mask, 4);
        for (std::size_t i = 0; i < size; ++i)
            out += static_cast<char>(masked ? payload[i] ^ mask[i % 4] : payload[i]);
        return out;
    }
    void send_text(std::string_view text) { write(frame(1, text)); }
    void send_close(int code) {
        write(frame(8, std::string{static_cast<char>(code >> 8), static_cast<char>(code)}));
    }

    WireFrame read_frame() {
        WireFrame frame;
        if (!fill(2)) return frame;
        frame.opcode = buffer_[0] & 15;
        std::size_t size = static_cast<unsigned char>(buffer_[1]);
        std::size_t head = 2;
        if (size >= 126) {
            head += size == 126 ? 2 : 8;
            if (!fill(head)) return {};
            size = 0;
            for (std::size_t i = 2; i < head; ++i) size = size * 256 + static_cast<unsigned char>(buffer_[i]);
        }
        if (!fill(head + size)) return {};
        frame.payload = buffer_.substr(head, size);
        buffer_.erase(0, head + size);
        return frame;
    }

    /// Through the empty line.
    std::string read_head() {
        while (buffer_.find("\r\n\r\n") == std::string::npos)
            if (!fill(buffer_.size() + 1)) throw std::runtime_error("the stream ended: " + buffer_);
        const auto end = buffer_.find("\r\n\r\n") + 4;
        auto head = buffer_.substr(0, end);
        buffer_.erase(0, end);
        return head;
    }

    /// Until the peer has ended the stream, in order or not.
    std::string read_all() {
        while (fill(buffer_.size() + 1)) {}
        return std::exchange(buffer_, {});
    }

    void end_output() { socket_.shutdown(asio::ip::tcp::socket::shutdown_send); }
    /// The peer sees a reset.
    void reset() {
        socket_.set_option(asio::socket_base::linger(true, 0));
        socket_.close();
    }

private:
    bool fill(std::size_t size) {
        while (buffer_.size() < size) {
            char bytes[4096];
            const auto got = ::recv(socket_.native_handle(), bytes, sizeof bytes, 0);
            if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
                throw std::runtime_error("nothing came in ten seconds");
            if (got <= 0) return false;
            buffer_.append(bytes, static_cast<std::size_t>(got));
        }
        return true;
    }

    asio::io_context context_;
    asio::ip::tcp::socket socket_{context_};
    std::string buffer_;
};

}  // namespace tests
