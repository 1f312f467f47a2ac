// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <type_traits>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "roomcast/close_code.hpp"
#include "roomcast/frame.hpp"

namespace bench {

/// What a transport session costs to touch: one allocation of its own
/// (make_shared), four cache lines, its send touches the first.
template <bool StoresFrame>
struct alignas(64) Session {
    std::size_t received = 0;
    std::size_t closed = 0;
    roomcast::Frame last;
    char rest[200] = {};

    // What stores a frame takes it by value, what does not by reference.
    void send(std::conditional_t<StoresFrame, roomcast::Frame, const roomcast::Frame&> frame) {
        if constexpr (StoresFrame) last = std::move(frame);
        ++received;
    }
    void close(roomcast::CloseCode, std::string_view) { ++closed; }
};

using CountingSession = Session<false>;
using StoringSession = Session<true>;

/// The floor: one room that nobody can join or leave, without a lock.
template <class SessionType>
struct PlainLoop {
    std::vector<std::shared_ptr<SessionType>> members;

    void broadcast(const roomcast::Frame& frame) const {
        for (const auto& member : members) member->send(frame);
    }
};

/// A connection manager as it is written by hand: standard maps by string id,
/// one mutex over everything, also while it sends (so no send may call back).
/// A user is in one room; a join elsewhere takes all of the user's connections
/// out of the old one and closes the others. It numbers, queues and tells
/// nothing.
template <class SessionType>
class NestedMapRegistry {
public:
    using Handle = std::shared_ptr<SessionType>;

    void join(const Handle& connection, const std::string& user, const std::string& room) {
        Connections others;
        {
            const std::lock_guard lock(mutex_);
            const auto at = room_of_.find(user);
            if (at == room_of_.end()) {
                room_of_.emplace(user, room);
            } else if (at->second != room) {
                others = take_out(at->second, user);
                others.erase(connection);
                for (const Handle& other : others) user_of_.erase(other);
                at->second = room;
            }
            rooms_[room][user].insert(connection);
            user_of_.insert_or_assign(connection, user);
        }
        for (const Handle& other : others) other->close(roomcast::CloseCode::moved_elsewhere, "moved");
    }

    bool leave(const Handle& connection) {
        const std::lock_guard lock(mutex_);
        const auto known = user_of_.find(connection);
        return known != user_of_.end() && leave_room(connection, known->second);
    }

    bool disconnect(const Handle& connection) {
        const std::lock_guard lock(mutex_);
        const auto known = user_of_.find(connection);
        if (known == user_of_.end()) return false;
        leave_room(connection, known->second);
        user_of_.erase(known);
        return true;
    }

    std::size_t kick(const std::string& user, std::string_view reason) {
        Connections kicked;
        {
            const std::lock_guard lock(mutex_);
            const auto at = room_of_.find(user);
            if (at == room_of_.end()) return 0;
            kicked = take_out(at->second, user);
            room_of_.erase(at);
            for (const Handle& connection : kicked) user_of_.erase(connection);
        }
        for (const Handle& connection : kicked)
            connection->close(roomcast::CloseCode::removed_from_room, reason);
        return kicked.size();
    }

    std::size_t broadcast(const std::string& room, const roomcast::Frame& frame) const {
        const std::lock_guard lock(mutex_);
        const auto found = rooms_.find(room);
        if (found == rooms_.end()) return 0;
        std::size_t sent = 0;
        for (const auto& [user, connections] : found->second) {
            for (const Handle& connection : connections) {
                connection->send(frame);
                ++sent;
            }
        }
        return sent;
    }

private:
    using Connections = std::unordered_set<Handle>;
    using Users = std::unordered_map<std::string, Connections>;

    bool leave_room(const Handle& connection, const std::string& user) {
        const auto at = room_of_.find(user);
        if (at == room_of_.end()) return false;
        const auto room = rooms_.find(at->second);
        const auto member = room->second.find(user);
        if (member->second.erase(connection) == 0) return false;
        if (member->second.empty()) {
            room->second.erase(member);
            if (room->second.empty()) rooms_.erase(room);
            room_of_.erase(at);
        }
        return true;
    }

    Connections take_out(const std::string& room, const std::string& user) {
        const auto found = rooms_.find(room);
        const auto member = found->second.find(user);
        Connections connections = std::move(member->second);
        found->second.erase(member);
        if (found->second.empty()) rooms_.erase(found);
        return connections;
    }

    mutable std::mutex mutex_;
    std::unordered_map<std::string, Users> rooms_;
    std::unordered_map<std::string, std::string> room_of_;
    std::unordered_map<Handle, std::string> user_of_;
};

}  // namespace bench
