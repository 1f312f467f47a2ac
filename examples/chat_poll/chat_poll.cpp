// SPDX-License-Identifier: MIT
//
// A complete chat host on plain sockets and poll(): one thread, one loop, and
// nothing but roomcast. Copy it to begin a transport of your own.
//
//     chat_poll [PORT]            then in several terminals: nc 127.0.0.1 PORT
//
// A line is `join ROOM NAME`, `leave`, `quit`, or said to the room. What the
// registry tells by itself comes as JSON; Traits::events could say it otherwise.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <roomcast/roomcast.hpp>

using namespace std::chrono_literals;
using roomcast::CloseCode;
using roomcast::SendStatus;

constexpr std::size_t max_line = 1'000;    // what is longer is several lines
constexpr std::size_t max_sessions = 900;  // accepting without a free descriptor would spin

/// One socket, as the registry wants a connection. The registry calls it from
/// inside its own functions, so it only writes and takes notes.
class Session {
public:
    explicit Session(int fd) : fd_(fd) {}
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;
    ~Session() { ::close(fd_); }

    /// Keeps the rest of one line at most: behind it everything waits in the
    /// registry's outbox, which has a bound and tells what it dropped.
    SendStatus send(const roomcast::Frame& line) {
        if (closing_ || over_) return SendStatus::closed;
        owes_writable_ = !output_.empty();
        if (owes_writable_) return SendStatus::busy;
        output_ = line.view();
        flush();
        return over_ ? SendStatus::closed : SendStatus::accepted;
    }
    /// In order: what was accepted goes out first. Then the peer has the
    /// registry's `close_timeout` to end its side.
    void close(CloseCode code, std::string_view reason) {
        closing_ = true;
        output_.append("bye ").append(std::to_string(static_cast<int>(code))).append(" ").append(reason) += '\n';
        flush();
    }
    /// Whatever is under way; the loop then sees the end of the stream.
    void terminate() { ::shutdown(fd_, SHUT_RDWR); }
    /// The form on the wire, made once for all who get it.
    static roomcast::Frame encode(const roomcast::Message& message, int) {
        return std::string(message.payload.view()) + '\n';
    }

    // What the loop calls.
    bool over() const { return over_; }
    pollfd wanted() const { return {fd_, static_cast<short>(output_.empty() ? POLLIN : POLLIN | POLLOUT), 0}; }
    /// Whether `send` would accept again after it answered busy.
    bool writable() {
        flush();
        return output_.empty() && std::exchange(owes_writable_, false);
    }
    void read() {
        char bytes[4096];
        const ssize_t size = ::recv(fd_, bytes, sizeof bytes, MSG_DONTWAIT);
        if (size > 0 && !closing_) input_.append(bytes, static_cast<std::size_t>(size));
        if (size == 0 || (size < 0 && !try_again())) over_ = true;
    }
    /// The next whole line that came, without what steers a terminal.
    bool next_line(std::string& line) {
        const std::size_t end = std::min(input_.find('\n'), max_line);
        if (end >= input_.size()) return false;
        line = input_.substr(0, end);
        input_.erase(0, end + (input_[end] == '\n'));
        std::erase_if(line, [](unsigned char c) { return c < 0x20 || c == 0x7F; });
        return true;
    }

private:
    static bool try_again() { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; }
    void flush() {
        const ssize_t size = ::send(fd_, output_.data(), output_.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (size >= 0) output_.erase(0, static_cast<std::size_t>(size));
        else if (!try_again()) over_ = true;
        if (closing_ && output_.empty()) ::shutdown(fd_, SHUT_WR);
    }

    const int fd_;
    std::string input_, output_;
    bool owes_writable_ = false;  // answered busy
    bool closing_ = false;        // nothing but the rest of output_ goes out
    bool over_ = false;           // to be disconnected by the loop
};

struct Traits : roomcast::DefaultTraits {
    using mutex = roomcast::null_mutex;  // one thread
};
using Handle = std::shared_ptr<Session>;
using Rooms = roomcast::RoomRegistry<Handle, Traits>;

class Host {
public:
    /// `listener` does not block; from `stop` comes one byte for each signal.
    Host(int listener, int stop) : listener_(listener), stop_(stop) {}

    /// Until it has drained.
    void run() {
        std::vector<pollfd> polled;
        while (!draining_ || !sessions_.empty()) {
            const int timeout = milliseconds_to(rooms_.poll());  // first, since it sends and closes
            polled = {{stop_, POLLIN, 0}, {sessions_.size() < max_sessions ? listener_ : -1, POLLIN, 0}};
            for (const Handle& c : sessions_) polled.push_back(c->wanted());
            if (::poll(polled.data(), static_cast<nfds_t>(polled.size()), timeout) < 0) continue;  // a signal
            for (std::size_t i = 2; i < polled.size(); ++i) attend(sessions_[i - 2], polled[i].revents);
            std::erase_if(sessions_, [&](const Handle& c) { return c->over() && (rooms_.disconnect(c), true); });
            if (polled[1].revents != 0) accept();
            if (polled[0].revents != 0) drain();
        }
    }

private:
    static int milliseconds_to(Rooms::time_point due) {
        if (due == Rooms::time_point::max()) return -1;
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(due - std::chrono::steady_clock::now());
        return static_cast<int>(std::clamp<std::chrono::milliseconds>(left, 0ms, 60'000ms).count());
    }

    void accept() {
        const int fd = ::accept(listener_, nullptr, nullptr);
        if (fd < 0) return;  // it has gone again
        const int yes = 1;
        ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);  // a line waits for no other
        auto session = std::make_shared<Session>(fd);
        if (rooms_.attach(session)) sessions_.push_back(std::move(session));
    }

    void attend(const Handle& c, short events) {
        if ((events & POLLOUT) != 0 && c->writable()) rooms_.writable(c);
        if ((events & (POLLIN | POLLHUP | POLLERR)) != 0) c->read();
        for (std::string line; c->next_line(line);) received(c, line);
    }

    void received(const Handle& c, const std::string& line) {
        std::istringstream words(line);
        std::string verb, room, name;
        words >> verb >> room >> name;
        if (verb == "join") {
            Rooms::Join join{.room = room, .history = 20};
            if (!name.empty()) join.user = name;  // on trust; here a host would ask for a password
            if (const auto result = rooms_.join(c, std::move(join)); !result)
                rooms_.send(c, "not joined: " + std::string(to_string(result.refusal)));
        } else if (verb == "leave") {
            rooms_.leave_all(c);
        } else if (verb == "quit") {
            rooms_.kick_connection(c, {CloseCode::normal, "as you wish"});
        } else if (const auto mine = rooms_.rooms_of(c); mine.empty()) {
            rooms_.send(c, "you are in no room; say: join ROOM NAME");
        } else {
            rooms_.publish(c, mine.front(), *rooms_.user_of(c) + ": " + line);
        }
    }

    /// Sends all away and takes nobody any more; when asked again, at once.
    void drain() {
        char byte;
        if (::read(stop_, &byte, 1) != 1) return;
        if (std::exchange(draining_, true)) {
            for (const Handle& c : sessions_) c->terminate();
        } else {
            ::close(std::exchange(listener_, -1));
            rooms_.shutdown({CloseCode::restarting, "the host restarts", 2'000ms});
        }
    }

    Rooms rooms_{{.room = {.history = 100, .linger = 60s}, .grace = 1s, .close_timeout = 2s}};
    std::vector<Handle> sessions_;
    int listener_;  // -1: not any more
    const int stop_;
    bool draining_ = false;
};

static int signals[2];  // a signal becomes a byte, for which poll() waits as for all else

int main(int argc, char** argv) {
    const int listener = ::socket(AF_INET, SOCK_STREAM, 0), yes = 1;
    sockaddr_in address{};
    auto* const where = reinterpret_cast<sockaddr*>(&address);
    socklen_t size = sizeof address;
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(argc > 1 ? std::atoi(argv[1]) : 9003));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ::setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (::bind(listener, where, size) != 0 || ::getsockname(listener, where, &size) != 0 ||
        ::listen(listener, 128) != 0 || ::fcntl(listener, F_SETFL, O_NONBLOCK) != 0 || ::pipe(signals) != 0) {
        std::perror("chat_poll");
        return 1;
    }
    for (const int signal : {SIGINT, SIGTERM})
        std::signal(signal, [](int) { (void)!::write(signals[1], "", 1); });
    std::printf("listening on 127.0.0.1 port %d\n", ntohs(address.sin_port));
    std::fflush(stdout);
    Host(listener, signals[0]).run();
}
