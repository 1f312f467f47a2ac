// SPDX-License-Identifier: MIT
// The limit: a broadcast with nothing between the loop and the kernel. One
// thread, one epoll, one frame for all members, one send for each.
#include <array>
#include <cerrno>
#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "arguments.hpp"
#include "mini_protocol.hpp"
#include "sockets.hpp"
#include "websocket_wire.hpp"

namespace bench {
namespace {

class Server {
public:
    explicit Server(std::uint16_t port) : epoll_(::epoll_create1(0)), listener_(listen_and_say(port)) {
        watch(epoll_, EPOLL_CTL_ADD, listener_, EPOLLIN, nullptr);
    }

    [[noreturn]] void run() {
        std::array<::epoll_event, 256> events{};
        while (true) {
            const int count = ::epoll_wait(epoll_, events.data(), int(events.size()), -1);
            for (int i = 0; i < count; ++i) {
                const auto& event = events[std::size_t(i)];
                if (event.data.ptr == nullptr) accept_all();
                else serve(*static_cast<Connection*>(event.data.ptr), event.events);
            }
        }
    }

private:
    struct Room;
    struct Connection {
        int socket;
        bool upgraded = false;
        std::string user{};
        std::string in{};   ///< the beginning of a message
        std::string out{};  ///< what the kernel did not take
        Room* room = nullptr;
        std::size_t place = 0;  ///< in the room's members
    };
    struct Room {
        std::string name;
        std::uint64_t seq = 0;
        std::vector<Connection*> members;
    };

    void accept_all() {
        int socket = -1;
        while ((socket = ::accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK)) >= 0) {
            send_at_once(socket);
            watch(epoll_, EPOLL_CTL_ADD, socket, EPOLLIN, new Connection{.socket = socket});
        }
    }

    void serve(Connection& connection, std::uint32_t events) {
        bool alive = true;
        if ((events & EPOLLOUT) != 0) alive = write_waiting(connection);
        if (alive && (events & ~std::uint32_t(EPOLLOUT)) != 0) alive = read(connection);
        if (alive) return;
        leave(connection);
        ::close(connection.socket);
        delete &connection;
    }

    bool read(Connection& connection) {
        std::array<char, 16'384> buffer;
        const auto got = ::recv(connection.socket, buffer.data(), buffer.size(), 0);
        if (got <= 0) return got < 0 && errno == EAGAIN;
        connection.in.append(buffer.data(), std::size_t(got));
        if (!connection.upgraded) {
            const std::size_t end = connection.in.find("\r\n\r\n");
            if (end == std::string::npos) return connection.in.size() < 8'192;
            upgrade(connection, std::string_view(connection.in).substr(0, end));
            connection.in.erase(0, end + 4);
        }
        bool open = true;
        const std::size_t taken = take_frames(connection.in, [&](Opcode opcode, std::string_view payload) {
            if (opcode == Opcode::text) handle(connection, payload);
            else if (opcode == Opcode::ping) send(connection, frame_of(Opcode::pong, payload));
            return open = opcode != Opcode::close;
        });
        connection.in.erase(0, taken);
        return open && connection.in.size() < 65'536;
    }

    void upgrade(Connection& connection, std::string_view head) {
        send(connection, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                         "Sec-WebSocket-Accept: " +
                             accept_for(header_of(head, "sec-websocket-key")) + "\r\n\r\n");
        connection.upgraded = true;
    }

    void handle(Connection& connection, std::string_view json) {
        const auto event = string_field(json, "event");
        if (event == "join") {
            join(connection, std::string(string_field(json, "room")), string_field(json, "user"));
        } else if (event == "leave" && connection.room != nullptr) {
            const std::string name = connection.room->name;
            leave(connection);
            send(connection, frame_of(Opcode::text, left_text(name)));
        } else if (event == "comment" && connection.room != nullptr) {
            Room& room = *connection.room;
            const auto text = string_field(json, "text");
            const std::string frame =
                frame_of(Opcode::text, comment_text(room.name, connection.user, ++room.seq, text));
            for (Connection* member : room.members) send(*member, frame);
        }
    }

    void join(Connection& connection, const std::string& name, std::string_view user) {
        leave(connection);
        auto& room = rooms_[name];
        if (room == nullptr) room = std::make_unique<Room>(Room{.name = name, .seq = 0, .members = {}});
        connection.user = user;
        connection.room = room.get();
        connection.place = room->members.size();
        room->members.push_back(&connection);
        send(connection, frame_of(Opcode::text, joined_text(name, user, room->seq, room->members.size())));
    }

    void leave(Connection& connection) {
        Room* room = std::exchange(connection.room, nullptr);
        if (room == nullptr) return;
        room->members[connection.place] = room->members.back();
        room->members[connection.place]->place = connection.place;
        room->members.pop_back();
        if (room->members.empty()) rooms_.erase(std::string(room->name));
    }

    // A broken connection is closed when epoll reports it, so that no member
    // goes away while its room is being sent to.
    void send(Connection& connection, std::string_view bytes) {
        if (connection.out.empty()) {
            const auto sent = ::send(connection.socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
            if (sent < 0 && errno != EAGAIN) return;
            if (sent > 0) bytes.remove_prefix(std::size_t(sent));
            if (bytes.empty()) return;
            watch(epoll_, EPOLL_CTL_MOD, connection.socket, EPOLLIN | EPOLLOUT, &connection);
        }
        connection.out += bytes;
    }

    bool write_waiting(Connection& connection) {
        const std::string& out = connection.out;
        const auto sent = ::send(connection.socket, out.data(), out.size(), MSG_NOSIGNAL);
        if (sent < 0) return errno == EAGAIN;
        connection.out.erase(0, std::size_t(sent));
        if (connection.out.empty()) watch(epoll_, EPOLL_CTL_MOD, connection.socket, EPOLLIN, &connection);
        return true;
    }

    int epoll_;
    int listener_;
    std::map<std::string, std::unique_ptr<Room>> rooms_;
};

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
    const bench::Arguments arguments(argc, argv, {"port"});
    bench::raise_descriptor_limit();
    bench::Server(static_cast<std::uint16_t>(arguments.number("port", 0))).run();
}
