// SPDX-License-Identifier: MIT
// websocketpp as its broadcast example shows it: the Asio transport, handlers
// that queue actions for a second thread, std::set of weak handles, and one
// send(payload) for each handle under a mutex. Its logging is off.
#include <condition_variable>
#include <cstdint>
#include <cstdio>
#include <map>
#include <mutex>
#include <queue>
#include <set>
#include <string>
#include <thread>
#include <utility>

#include <websocketpp/config/asio_no_tls.hpp>
#include <websocketpp/server.hpp>

#include "arguments.hpp"
#include "mini_protocol.hpp"

namespace bench {
namespace {

class Server {
public:
    using Endpoint = websocketpp::server<websocketpp::config::asio>;
    using Handle = websocketpp::connection_hdl;

    void run(std::uint16_t port) {
        endpoint_.clear_access_channels(websocketpp::log::alevel::all);
        endpoint_.clear_error_channels(websocketpp::log::elevel::all);
        endpoint_.init_asio();
        endpoint_.set_reuse_addr(true);
        endpoint_.set_tcp_post_init_handler([this](Handle handle) {
            websocketpp::lib::asio::error_code ignored;
            endpoint_.get_con_from_hdl(handle)->get_raw_socket().set_option(
                websocketpp::lib::asio::ip::tcp::no_delay(true), ignored);
        });
        endpoint_.set_close_handler([this](Handle handle) { queue({Action::unsubscribe, handle, {}}); });
        endpoint_.set_message_handler([this](Handle handle, Endpoint::message_ptr message) {
            queue({Action::message, handle, message->get_payload()});
        });
        endpoint_.listen(websocketpp::lib::asio::ip::tcp::endpoint(
            websocketpp::lib::asio::ip::address_v4::loopback(), port));
        endpoint_.start_accept();
        websocketpp::lib::asio::error_code failed;
        std::printf("listening on http://127.0.0.1:%u/ (ws /ws)\n",
                    unsigned(endpoint_.get_local_endpoint(failed).port()));
        std::fflush(stdout);

        std::thread worker([this] { work(); });
        endpoint_.run();
        worker.join();
    }

private:
    template <class Value>
    using ByHandle = std::map<Handle, Value, std::owner_less<Handle>>;

    struct Action {
        enum Kind { unsubscribe, message } kind;
        Handle handle;
        std::string text;
    };
    struct Room {
        std::uint64_t seq = 0;
        std::set<Handle, std::owner_less<Handle>> members;
    };
    struct Member {
        std::string user;
        std::string room;
    };

    void queue(Action action) {
        {
            const std::lock_guard<std::mutex> lock(actions_mutex_);
            actions_.push(std::move(action));
        }
        actions_ready_.notify_one();
    }

    [[noreturn]] void work() {
        while (true) {
            std::unique_lock<std::mutex> lock(actions_mutex_);
            actions_ready_.wait(lock, [this] { return !actions_.empty(); });
            const Action action = std::move(actions_.front());
            actions_.pop();
            lock.unlock();

            const std::lock_guard<std::mutex> guard(rooms_mutex_);
            if (action.kind == Action::unsubscribe) leave(action.handle);
            else handle(action.handle, action.text);
        }
    }

    void handle(const Handle& connection, const std::string& json) {
        const auto event = string_field(json, "event");
        if (event == "join") {
            leave(connection);
            const Member member{std::string(string_field(json, "user")),
                                std::string(string_field(json, "room"))};
            Room& room = rooms_[member.room];
            room.members.insert(connection);
            send(connection, joined_text(member.room, member.user, room.seq, room.members.size()));
            members_[connection] = member;
        } else if (event == "comment") {
            const auto member = members_.find(connection);
            if (member == members_.end()) return;
            Room& room = rooms_[member->second.room];
            const std::string text =
                comment_text(member->second.room, member->second.user, ++room.seq, string_field(json, "text"));
            for (const Handle& to : room.members) send(to, text);
        }
    }

    void leave(const Handle& connection) {
        const auto member = members_.find(connection);
        if (member == members_.end()) return;
        const auto room = rooms_.find(member->second.room);
        room->second.members.erase(connection);
        if (room->second.members.empty()) rooms_.erase(room);
        members_.erase(member);
    }

    void send(const Handle& connection, const std::string& text) {
        websocketpp::lib::error_code gone;
        endpoint_.send(connection, text, websocketpp::frame::opcode::text, gone);
    }

    Endpoint endpoint_;
    std::mutex actions_mutex_;
    std::condition_variable actions_ready_;
    std::queue<Action> actions_;
    std::mutex rooms_mutex_;
    std::map<std::string, Room> rooms_;
    ByHandle<Member> members_;
};

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
    const bench::Arguments arguments(argc, argv, {"port"});
    bench::Server().run(static_cast<std::uint16_t>(arguments.number("port", 0)));
}
