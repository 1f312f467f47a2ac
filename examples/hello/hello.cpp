// SPDX-License-Identifier: MIT
#include <iostream>
#include <memory>
#include <string>
#include <string_view>

#include <roomcast/roomcast.hpp>

struct Session {
    std::string name;
    void send(std::string_view frame) { std::cout << name << " <- " << frame << '\n'; }
    void close(roomcast::CloseCode, std::string_view why) { std::cout << name << " is closed: " << why << '\n'; }
};

int main() {
    roomcast::RoomRegistry<std::shared_ptr<Session>> rooms({.grace = std::chrono::seconds(0)});
    auto alice = std::make_shared<Session>(Session{"alice"});
    auto bob = std::make_shared<Session>(Session{"bob"});

    if (!rooms.join(alice, {.user = "alice", .room = "live-1"})) return 1;
    if (!rooms.join(bob, {.user = "bob", .room = "live-1"})) return 1;
    rooms.publish(bob, "live-1", "buy my coins");
    rooms.kick_user("bob", {roomcast::CloseCode::removed_from_room, "spam"});
    rooms.broadcast("live-1", "bob has left us");
    rooms.poll();  // the grace period is over: bob's connection is closed
}
