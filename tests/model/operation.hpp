// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <sstream>
#include <string>

#include "roomcast/message.hpp"
#include "roomcast/options.hpp"
#include "roomcast/testing/fake_connection.hpp"
#include "roomcast/testing/manual_clock.hpp"
#include "support/random.hpp"

namespace model {

using Clock = roomcast::testing::ManualClock;
using Time = Clock::time_point;
using Options = roomcast::BasicOptions<Time>;
using RoomOptions = roomcast::BasicRoomOptions<Time>;
using std::chrono::milliseconds;
using tests::Random;

inline constexpr int none = -1;

enum class Kind : std::uint8_t {
    renew, stall, fail, throws, resume, writable,
    attach, join, leave, leave_all, disconnect,
    publish, broadcast, broadcast_all, send_to_user, send,
    delete_message, reset,
    kick_user, kick_connection, kick_from, close_room,
    create_room, lock_room, set_info, set_tags, advance, poll,
};
inline constexpr std::array kind_names{
    "renew", "stall", "fail", "throws", "resume", "writable",
    "attach", "join", "leave", "leave_all", "disconnect",
    "publish", "broadcast", "broadcast_all", "send_to_user", "send",
    "delete_message", "reset",
    "kick_user", "kick_connection", "kick_from", "close_room",
    "create_room", "lock_room", "set_info", "set_tags", "advance", "poll",
};

/// One call of the public face, in numbers: connections, users and rooms are
/// indexes. Which fields count depends on the kind.
struct Operation {
    Kind kind{};
    int connection = none;
    int other = none;  // replaces, except, by
    int user = none;
    int room = none;
    std::string payload{};
    std::string own{};
    roomcast::MessageClass message_class = roomcast::MessageClass::normal;
    std::uint64_t require = 0, exclude = 0, tags = 0, key = 0;
    std::uint64_t seq = 0;  // what is deleted
    std::size_t n = 0;  // history; which send fails; batch
    std::optional<std::uint64_t> since{};
    bool right_epoch = true;
    bool flag = true;  // may_migrate, numbered, locked
    bool update_info = false;
    bool echo = true;        // to who publishes it
    bool by_handle = false;  // through a room handle
    int info = 0;
    int context = 0;
    roomcast::CloseReason reason{};
    RoomOptions room_options{};
    milliseconds time{0};
};

/// What differs from the default.
inline std::string describe(const RoomOptions& room) {
    std::ostringstream out;
    const RoomOptions plain;
    const auto field = [&](const char* name, const auto& value, const auto& omitted) {
        if (!(value == omitted)) out << (out.tellp() == 0 ? "" : " ") << name << '=' << value;
    };
    field("max_users", room.max_users, plain.max_users);
    field("history", room.history, plain.history);
    field("history_bytes", room.history_bytes, plain.history_bytes);
    field("history_age", room.history_age.count(), plain.history_age.count());
    field("linger", room.linger.count(), plain.linger.count());
    field("idle", room.idle.count(), plain.idle.count());
    field("keep_empty", room.keep_empty, plain.keep_empty);
    field("locked", room.locked, plain.locked);
    if (room.ends_at)
        out << " ends_at=" << std::chrono::duration_cast<milliseconds>(room.ends_at->time_since_epoch()).count();
    field("slow_readers", static_cast<int>(room.slow_readers), static_cast<int>(plain.slow_readers));
    field("batch_window", room.batch_window.count(), plain.batch_window.count());
    field("rate", room.rate.per_second, plain.rate.per_second);
    field("presence", room.presence.count(), plain.presence.count());
    field("presence_names", room.presence_names, plain.presence_names);
    return out.str();
}

inline std::string describe(const Operation& op) {
    std::ostringstream out;
    out << kind_names[static_cast<std::size_t>(op.kind)];
    const auto field = [&](const char* name, const auto& value, const auto& omitted) {
        if (!(value == omitted)) out << ' ' << name << '=' << value;
    };
    field("c", op.connection, none);
    field("other", op.other, none);
    field("user", op.user, none);
    field("room", op.room, none);
    field("payload", op.payload, std::string());
    field("own", op.own, std::string());
    field("class", static_cast<int>(op.message_class), static_cast<int>(roomcast::MessageClass::normal));
    field("key", op.key, 0u);
    field("seq", op.seq, 0u);
    field("require", op.require, 0u);
    field("exclude", op.exclude, 0u);
    field("tags", op.tags, 0u);
    field("n", op.n, 0u);
    if (op.since) out << " since=" << *op.since << (op.right_epoch ? "" : " (of another epoch)");
    field("flag", op.flag, true);
    field("update_info", op.update_info, false);
    field("echo", op.echo, true);
    field("by_handle", op.by_handle, false);
    field("info", op.info, 0);
    field("context", op.context, 0);
    if (!op.reason.text.empty()) out << " code=" << static_cast<int>(op.reason.code);
    if (op.kind == Kind::create_room) out << ' ' << describe(op.room_options);
    field("ms", op.time.count(), 0);
    return out.str();
}

}  // namespace model
