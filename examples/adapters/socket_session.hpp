// SPDX-License-Identifier: MIT
#pragma once

#include <asio/buffer.hpp>
#include <asio/error.hpp>
#include <asio/ip/tcp.hpp>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "adapters/output_queue.hpp"
#include "adapters/worker.hpp"
#include "roomcast/close_code.hpp"
#include "roomcast/connection.hpp"
#include "roomcast/frame.hpp"

namespace roomcast::adapters {

/// The bounds of every session of a server.
struct SessionLimits {
    /// Bytes that were accepted and that the kernel has not taken: from here
    /// on `send` answers busy, and the host hears `on_writable` when they are
    /// down to `low_water`. One frame may pass the mark by its size.
    std::size_t high_water = 64 * 1024;
    std::size_t low_water = 16 * 1024;

    /// From the accept to the end of the handshake, or of an HTTP request.
    std::chrono::milliseconds handshake_timeout{10'000};
    /// From our close frame to the peer's, and from the last byte to the
    /// peer's end of stream; then it is cut.
    std::chrono::milliseconds close_timeout{5'000};
    /// Without inbound data: first a ping, then the end.
    std::chrono::milliseconds ping_after{25'000};
    std::chrono::milliseconds idle_timeout{50'000};
    /// With data to write, of which the peer takes nothing.
    std::chrono::milliseconds write_timeout{10'000};
};

/// One TCP connection on one worker: the transport's half of a session. It
/// writes, queues and counts; it reads, and keeps the times. The protocol's
/// half derives from it.
///
/// Thread safety: `send`, `close` and `terminate` may be called by any thread,
/// and call nothing back. Everything else is its worker's.
class SocketSession : public Resident {
public:
    ~SocketSession() override = default;

    /// Hands `frame`, ready for the wire, to the socket or to the queue.
    /// Frames of callers that are ordered among themselves stay in that order.
    SendStatus send(const Frame& frame) noexcept {
        // Relaxed: what ordered this call behind an earlier one (a lock of the
        // caller's) also shows what that one counted.
        if (Worker::current() == worker_ && in_transit_.load(std::memory_order_relaxed) == 0 &&
            gate_.load(std::memory_order_relaxed) == 0) [[likely]] {
            const auto bytes = frame.view();
            const ssize_t written = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
            if (written == static_cast<ssize_t>(bytes.size())) [[likely]] return SendStatus::accepted;
            return queue_rest(frame, written) ? SendStatus::accepted : SendStatus::closed;
        }
        return send_slowly(frame);
    }

    /// Closes in order, behind what was accepted before: a close frame, the
    /// peer's answer, the end; cut after `close_timeout`. The first call wins.
    void close(CloseCode code, std::string_view reason) noexcept {
        if (gate_.fetch_or(close_claimed, std::memory_order_acq_rel) & (close_claimed | over)) return;
        close_code_ = code;
        try {
            close_reason_ = reason;
        } catch (...) {  // out of memory: the code says it too
        }
        gate_.fetch_or(close_ready, std::memory_order_release);
        worker_->attend(*this);
    }

    /// Cuts the connection off.
    void terminate() noexcept {
        if (gate_.fetch_or(cut_asked, std::memory_order_acq_rel) & (cut_asked | over)) return;
        worker_->attend(*this);
    }

protected:
    SocketSession() = default;

    /// The protocol's half. None of these is called inside another.
    virtual void received(std::span<char> bytes) = 0;
    /// Nothing comes any more, and nothing can be sent.
    virtual void lost() noexcept = 0;
    virtual void send_close(CloseCode code, std::string_view reason) = 0;
    virtual void send_ping() = 0;
    /// `send` would accept again after it answered busy.
    virtual void writable() noexcept = 0;
    /// The socket is closed.
    virtual void released() noexcept = 0;

    void attach(Worker& worker, asio::ip::tcp::socket socket, const SessionLimits& limits) {
        worker_ = &worker;
        limits_ = &limits;
        socket_.emplace(std::move(socket));
        fd_ = socket_->native_handle();
        heard_ = clock::now();
        deadline_ = heard_ + limits.handshake_timeout;
        worker.add(shared_from_this());
        read();
    }

    /// From here on `send` works.
    void opened() noexcept {
        phase_ = Phase::open;
        gate_.fetch_and(static_cast<std::uint8_t>(~unopened), std::memory_order_release);
    }

    /// Open, and nobody has asked to close it.
    [[nodiscard]] bool is_open() const noexcept { return gate_.load(std::memory_order_relaxed) == 0; }
    /// Whether everything that was accepted is with the kernel.
    [[nodiscard]] bool drained() const noexcept { return in_transit_.load(std::memory_order_relaxed) == 0; }

    /// The protocol's own frames: never refused. False: the connection is broken.
    bool write(Frame frame) noexcept {
        if (phase_ == Phase::over || broken_) return false;
        if (!output_.empty()) return enqueue(std::move(frame), 0);
        const auto bytes = frame.view();
        const ssize_t written = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        return written == static_cast<ssize_t>(bytes.size()) || queue_rest(frame, written);
    }

    /// The protocol is through, or the connection gone.
    [[nodiscard]] bool ended() const noexcept { return phase_ >= Phase::ending; }

    /// From here on `send` answers closed, and a `close` comes too late.
    void refuse() noexcept { gate_.fetch_or(close_claimed, std::memory_order_relaxed); }

    /// Our close frame is out; the peer has `close_timeout` to answer.
    void await_close() noexcept {
        phase_ = Phase::closing;
        deadline_ = clock::now() + limits_->close_timeout;
    }

    /// The protocol is through: what is queued goes out, then the end of the
    /// stream. A peer that still talks would otherwise lose our last words to
    /// a reset.
    void finish() noexcept {
        if (phase_ == Phase::over || phase_ == Phase::ending) return;
        refuse();
        phase_ = Phase::ending;
        deadline_ = clock::now() + limits_->close_timeout;
        if (output_.empty()) end_output();
    }

    /// At once and for good.
    void cut() noexcept final {
        if (phase_ == Phase::over) return;
        phase_ = Phase::over;
        gate_.fetch_or(over, std::memory_order_release);
        lost();
        output_ = {};
        const auto self = shared_from_this();  // the worker's may be the last
        socket_.reset();
        fd_ = -1;
        worker_->remove(*this);
        released();
    }

private:
    enum class Phase : std::uint8_t {
        opening,  ///< the handshake, or an HTTP request
        open,
        closing,  ///< our close frame is sent or queued
        ending,   ///< the rest is written, then the peer's end of stream awaited
        over,     ///< no socket
    };

    // The bits of gate_; none is set while `send` may write.
    static constexpr std::uint8_t unopened = 1, close_claimed = 2, close_ready = 4, cut_asked = 8, over = 16;

    /// What a lingering peer may still send before it is cut.
    static constexpr std::size_t max_discarded = 1024 * 1024;

    SendStatus send_slowly(const Frame& frame) noexcept {
        if (gate_.load(std::memory_order_acquire) != 0) return SendStatus::closed;
        if (frame.empty()) return SendStatus::accepted;
        if (in_transit_.load(std::memory_order_relaxed) >= limits_->high_water) {
            // Sequentially consistent, as in `shrink`: either we see its count,
            // or it sees our mark.
            refused_.store(true);
            if (in_transit_.load() > limits_->low_water || !refused_.exchange(false)) return SendStatus::busy;
        }
        if (Worker::current() == worker_ && handed_over_.load(std::memory_order_relaxed) == 0)
            return enqueue(frame, 0) ? SendStatus::accepted : SendStatus::closed;

        in_transit_.fetch_add(frame.size());
        handed_over_.fetch_add(1, std::memory_order_relaxed);
        try {
            worker_->hand_over(shared_from_this(), frame);
            return SendStatus::accepted;
        } catch (...) {  // out of memory
            handed_over_.fetch_sub(1, std::memory_order_relaxed);
            in_transit_.fetch_sub(frame.size());
            terminate();
            return SendStatus::closed;
        }
    }

    void take(Frame frame) noexcept final {
        const std::size_t size = frame.size();
        handed_over_.fetch_sub(1, std::memory_order_relaxed);
        if (phase_ == Phase::open) write(std::move(frame));
        shrink(size);
        tell_writable();
    }

    /// After a write of a whole frame that took less. False: broken.
    bool queue_rest(const Frame& frame, ssize_t written) noexcept {
        if (written < 0) {
            if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR && errno != ENOBUFS) return broken();
            written = 0;
        }
        return enqueue(frame, static_cast<std::size_t>(written));
    }

    bool enqueue(Frame frame, std::size_t skip) noexcept {
        const std::size_t bytes = frame.size() - skip;
        const bool first = output_.empty();
        try {
            output_.push(std::move(frame), skip);
            if (first) {
                progress_ = clock::now();
                wait_writable();
            }
        } catch (...) {  // out of memory, possibly inside a frame
            return broken();
        }
        in_transit_.fetch_add(bytes);
        return true;
    }

    /// Seen while writing; the end comes from the worker's loop, never from
    /// inside the caller's `send`.
    bool broken() noexcept {
        broken_ = true;
        terminate();
        return false;
    }

    void shrink(std::size_t bytes) noexcept {
        if (in_transit_.fetch_sub(bytes) - bytes <= limits_->low_water && refused_.exchange(false))
            tell_writable_ = true;
    }

    void tell_writable() noexcept {
        if (std::exchange(tell_writable_, false) && phase_ == Phase::open) writable();
    }

    void attend() noexcept final {
        const auto gate = gate_.load(std::memory_order_acquire);
        if (gate & cut_asked) return cut();
        if ((gate & close_ready) == 0 || phase_ != Phase::open) return;
        if (handed_over_.load(std::memory_order_relaxed) != 0) return worker_->attend(*this);
        await_close();
        protocol([&] { send_close(close_code_, close_reason_); });
    }

    void tick(clock::time_point now) noexcept final {
        if (phase_ == Phase::open) {
            const auto silent = now - heard_;
            if (silent >= limits_->idle_timeout || (!output_.empty() && now - progress_ >= limits_->write_timeout))
                return cut();
            if (silent < limits_->ping_after) pinged_ = false;
            else if (!std::exchange(pinged_, true)) protocol([&] { send_ping(); });
        } else if (now >= deadline_) {
            cut();
        }
    }

    /// Whatever the protocol's half throws ends the connection.
    template <class Call>
    void protocol(Call&& call) noexcept {
        try {
            call();
        } catch (...) {
            cut();
        }
    }

    /// Asio is to read by itself: to tell that there is something to read, it
    /// would call `epoll_ctl` each time.
    void read() {
        socket_->async_read_some(asio::buffer(first_), [this, self = shared_from_this()](
                                                           const asio::error_code& error, std::size_t size) {
            if (phase_ == Phase::over) return;
            if (error && error != asio::error::eof) return cut();
            protocol([&] {
                if (error) end_input();
                else input(std::span(first_).first(size));
                if (size == first_.size() && phase_ != Phase::over) read_on();
                if (phase_ != Phase::over && !end_of_input_) read();
            });
        });
    }

    /// Whatever else there is than bytes, the next `read` meets.
    void read_on() {
        auto& buffer = worker_->read_buffer();
        const ssize_t got = ::recv(fd_, buffer.data(), buffer.size(), MSG_DONTWAIT);
        if (got > 0) input(std::span(buffer).first(static_cast<std::size_t>(got)));
    }

    void input(std::span<char> bytes) {
        if (phase_ == Phase::ending) {
            discarded_ += bytes.size();
            if (discarded_ > max_discarded) cut();
        } else {
            heard_ = clock::now();
            received(bytes);
        }
    }

    void end_input() noexcept {
        end_of_input_ = true;
        // A peer that has asked its last question still gets the answer.
        if (phase_ != Phase::ending || output_.empty()) cut();
    }

    void wait_writable() {
        socket_->async_wait(asio::ip::tcp::socket::wait_write,
                            [this, self = shared_from_this()](const asio::error_code& error) {
                                if (phase_ == Phase::over) return;
                                if (error) return cut();
                                on_writable();
                            });
    }

    void on_writable() noexcept {
        const ssize_t written = output_.write_to(fd_);
        if (written < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR && errno != ENOBUFS)
            return cut();
        if (written > 0) {
            progress_ = clock::now();
            shrink(static_cast<std::size_t>(written));
        }
        if (!output_.empty()) protocol([&] { wait_writable(); });
        else if (phase_ == Phase::ending) end_output();
        tell_writable();
    }

    void end_output() noexcept {
        asio::error_code ignored;
        socket_->shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
        if (end_of_input_) cut();
    }

    // What `send` reads, together.
    Worker* worker_ = nullptr;
    std::atomic<std::size_t> in_transit_ = 0;  // bytes in the worker's inbox and in output_
    int fd_ = -1;
    std::atomic<std::uint8_t> gate_ = unopened;

    std::atomic<bool> refused_ = false;  // an answer was busy; `writable` is owed
    Phase phase_ = Phase::opening;
    bool pinged_ = false;
    bool broken_ = false;
    bool end_of_input_ = false;
    bool tell_writable_ = false;
    CloseCode close_code_ = CloseCode::normal;
    std::atomic<std::uint32_t> handed_over_ = 0;  // frames in the inbox

    /// Of what comes at once, the first bytes: as a rule all.
    std::array<char, 256> first_;

    const SessionLimits* limits_ = nullptr;
    std::optional<asio::ip::tcp::socket> socket_;
    OutputQueue output_;
    clock::time_point heard_{};     // inbound data
    clock::time_point progress_{};  // of output_
    clock::time_point deadline_{};  // of every phase but open
    std::size_t discarded_ = 0;
    std::string close_reason_;
};

}  // namespace roomcast::adapters
