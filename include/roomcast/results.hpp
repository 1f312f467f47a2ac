// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace roomcast {

/// Why a join or attach was refused. Nothing changed.
enum class Refusal : std::uint8_t {
    none,
    closing,                      ///< this connection was removed; its close is under way
    other_user,                   ///< the connection belongs to another user
    no_user,                      ///< no user was named, and none is known
    bad_id,                       ///< an id is empty or too long
    room_full,
    room_locked,
    too_many_rooms,               ///< in this registry
    too_many_rooms_of_connection,
    too_many_devices,
    too_many_connections,
    elsewhere,                    ///< `may_migrate` was false and the user is in another room
    overloaded,                   ///< too many joins of this connection wait for busy rooms, or Options::memory is used up
    shutting_down,
};

[[nodiscard]] constexpr std::string_view to_string(Refusal refusal) noexcept {
    switch (refusal) {
        case Refusal::none: return "none";
        case Refusal::closing: return "closing";
        case Refusal::other_user: return "other_user";
        case Refusal::no_user: return "no_user";
        case Refusal::bad_id: return "bad_id";
        case Refusal::room_full: return "room_full";
        case Refusal::room_locked: return "room_locked";
        case Refusal::too_many_rooms: return "too_many_rooms";
        case Refusal::too_many_rooms_of_connection: return "too_many_rooms_of_connection";
        case Refusal::too_many_devices: return "too_many_devices";
        case Refusal::too_many_connections: return "too_many_connections";
        case Refusal::elsewhere: return "elsewhere";
        case Refusal::overloaded: return "overloaded";
        case Refusal::shutting_down: return "shutting_down";
    }
    return "unknown";
}

enum class JoinStatus : std::uint8_t {
    joined,        ///< the user is in the room now, and was in no other that this ended
    device_added,  ///< the user was there already with another connection
    migrated,      ///< another room was left for this one
    already_here,  ///< no membership changed; the connection hears `joined` again, as asked by `since`
    refused,       ///< nothing changed; `refusal` says why
};

[[nodiscard]] constexpr std::string_view to_string(JoinStatus status) noexcept {
    switch (status) {
        case JoinStatus::joined: return "joined";
        case JoinStatus::device_added: return "device_added";
        case JoinStatus::migrated: return "migrated";
        case JoinStatus::already_here: return "already_here";
        case JoinStatus::refused: return "refused";
    }
    return "unknown";
}

struct JoinResult {
    JoinStatus status = JoinStatus::refused;
    Refusal refusal = Refusal::none;
    [[nodiscard]] constexpr explicit operator bool() const noexcept { return status != JoinStatus::refused; }
};

enum class AttachStatus : std::uint8_t { attached, already_attached, refused };

struct AttachResult {
    AttachStatus status = AttachStatus::refused;
    Refusal refusal = Refusal::none;
    [[nodiscard]] constexpr explicit operator bool() const noexcept { return status != AttachStatus::refused; }
};

/// What became of a message.
enum class Delivery : std::uint8_t {
    sent,         ///< this call handed it to the members, or began to (a long turn goes on in `poll`)
    queued,       ///< somebody else is at work in the room, or this is a callback, or under a Cork: it goes out in turn
    overloaded,   ///< the room's queue is full; nothing happened
    rate_limited, ///< its user or connection publishes too much; nothing happened
    left_out,     ///< too much is published in the room: left out, so that others are heard
    no_room,      ///< there is no such room
    not_in_room,  ///< the publishing connection is not in it
    closing,      ///< the publishing connection was removed
    no_message,   ///< delete_message: the room has not got so far
};

/// Whether a message was taken.
[[nodiscard]] constexpr bool taken(Delivery delivery) noexcept {
    return delivery == Delivery::sent || delivery == Delivery::queued;
}

[[nodiscard]] constexpr std::string_view to_string(Delivery delivery) noexcept {
    switch (delivery) {
        case Delivery::sent: return "sent";
        case Delivery::queued: return "queued";
        case Delivery::overloaded: return "overloaded";
        case Delivery::rate_limited: return "rate_limited";
        case Delivery::left_out: return "left_out";
        case Delivery::no_room: return "no_room";
        case Delivery::not_in_room: return "not_in_room";
        case Delivery::closing: return "closing";
        case Delivery::no_message: return "no_message";
    }
    return "unknown";
}

/// What became of a member's message.
struct PublishResult {
    Delivery delivery = Delivery::no_room;
    /// rate_limited, left_out: when it is worth another try.
    std::chrono::nanoseconds retry_after{0};
    [[nodiscard]] constexpr explicit operator bool() const noexcept {
        return taken(delivery);
    }
    friend constexpr bool operator==(const PublishResult& result, Delivery wanted) noexcept {
        return result.delivery == wanted;
    }
};

enum class LeaveStatus : std::uint8_t { left, not_in_room, unknown_connection };

/// What a removal did.
struct Removal {
    std::size_t connections = 0;  ///< that were removed, from one room or altogether
    bool permitted = true;        ///< false: the acting connection is not in the room
    [[nodiscard]] constexpr explicit operator bool() const noexcept { return connections != 0; }
};

enum class CreateStatus : std::uint8_t { created, exists, refused };

struct Counts {
    std::size_t users = 0;
    std::size_t connections = 0;
    friend bool operator==(const Counts&, const Counts&) = default;
};

/// What happened since the registry was made. Nothing that a bound dropped is
/// missing here.
struct Statistics {
    std::uint64_t messages = 0;           ///< taken by rooms, into their queues or past them
    std::uint64_t overloaded = 0;         ///< refused by a full queue
    std::uint64_t not_encoded = 0;        ///< dropped, since encoding threw
    std::uint64_t dropped = 0;            ///< numbered or not, dropped from outboxes or with a closing room
    std::uint64_t replaced = 0;           ///< replaced in outboxes by a newer one with their key
    std::uint64_t rate_limited = 0;       ///< refused by a user's or connection's rate
    std::uint64_t left_out = 0;           ///< left out by a room's rate
    std::uint64_t shrunk = 0;             ///< bytes of histories given up for Options::memory
    std::uint64_t slow_consumers = 0;     ///< connections ended since they read too slowly
    std::uint64_t broken_connections = 0; ///< connections ended by a closed or throwing send
    std::uint64_t forced_closes = 0;      ///< grace periods that ran out
    std::uint64_t terminated = 0;         ///< connections cut off: close timeouts that ran out, and the broken
    std::size_t closing = 0;              ///< removed connections that wait for their close, or for `disconnect`, at this moment
    std::size_t memory = 0;               ///< bytes in outboxes and histories at this moment, as Options::memory counts them
};

}  // namespace roomcast
