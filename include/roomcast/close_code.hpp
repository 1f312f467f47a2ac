// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstdint>
#include <string_view>

namespace roomcast {

/// Why a connection is closed. 1000 to 1015 are RFC 6455, section 7.4.1; the
/// 4000s are an application's own, and their range tells a client what to do
/// next (see `reconnect_of`).
enum class CloseCode : std::uint16_t {
    normal = 1000,
    going_away = 1001,
    protocol_error = 1002,
    unsupported_data = 1003,
    no_status = 1005,
    abnormal = 1006,
    invalid_payload = 1007,
    policy_violation = 1008,
    message_too_big = 1009,
    internal_error = 1011,

    removed_from_room = 4001,
    not_in_room = 4002,
    moved_elsewhere = 4003,
    too_many_devices = 4004,
    banned = 4005,
    room_closed = 4006,
    credential_expired = 4007,

    slow_consumer = 4100,
    too_many_requests = 4101,
    overloaded = 4102,

    restarting = 4200,
};

/// What a client does after a close.
enum class Reconnect : std::uint8_t { never, backoff, now };

/// The meaning of a code for the client: 4000 to 4099 never, 4100 to 4199
/// with back-off, 4200 to 4299 now; of the standard codes those that tell of a
/// mistake or of a wish never, the others with back-off.
[[nodiscard]] constexpr Reconnect reconnect_of(CloseCode code) noexcept {
    const auto number = static_cast<std::uint16_t>(code);
    if (number >= 4000 && number < 4100) return Reconnect::never;
    if (number >= 4200 && number < 4300) return Reconnect::now;
    switch (code) {
        case CloseCode::normal:
        case CloseCode::protocol_error:
        case CloseCode::unsupported_data:
        case CloseCode::invalid_payload:
        case CloseCode::policy_violation:
        case CloseCode::message_too_big: return Reconnect::never;
        default: return Reconnect::backoff;
    }
}

[[nodiscard]] constexpr std::string_view to_string(Reconnect reconnect) noexcept {
    switch (reconnect) {
        case Reconnect::never: return "never";
        case Reconnect::backoff: return "backoff";
        case Reconnect::now: return "now";
    }
    return "backoff";
}

/// A code with words for logs. The text is copied where it must outlive the
/// call. `retry_after` is a hint for the client; zero means none.
struct CloseReason {
    CloseCode code = CloseCode::removed_from_room;
    std::string_view text{};
    std::chrono::milliseconds retry_after{0};
};

}  // namespace roomcast
