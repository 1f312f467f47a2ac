// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <roomcast/options.hpp>

namespace live_comment {

/// What the command line says. What depends on the address that is bound is
/// settled in it, too: on loopback more is allowed.
struct ServerOptions {
    std::string bind = "127.0.0.1";
    std::uint16_t port = 9002;
    unsigned workers = 0;  ///< 0: one for each core
    std::string log_level = "info";

    roomcast::Membership membership = roomcast::Membership::one_room_per_user;
    roomcast::OtherDevices others = roomcast::OtherDevices::evict;
    roomcast::DeviceLimit devices = roomcast::DeviceLimit::newest_wins;
    std::size_t max_devices = 8;
    std::uint32_t grace_ms = 3'000;
    std::size_t history = 1'000;
    std::uint32_t linger_ms = 60'000;
    std::uint32_t batch_ms = 10;
    roomcast::SlowReaders slow_readers = roomcast::SlowReaders::drop_oldest;
    std::size_t outbox_messages = 256;
    std::size_t outbox_bytes = 1024 * 1024;
    std::size_t presence_names = 0;
    std::vector<std::string> gifts{"rose", "heart", "cake", "crown", "rocket"};

    // Of all these 0 is off.
    std::uint32_t outbox_age_ms = 10'000;
    std::size_t history_bytes = 1024 * 1024;
    std::uint32_t history_age_ms = 0;
    std::size_t memory = 1024 * 1024 * 1024;
    std::size_t max_connections = 100'000;
    std::size_t max_per_address = 50;
    double comment_rate = 1;
    double command_rate = 10;
    double room_rate = 200;

    std::vector<std::string> origins, hosts, trusted_proxies;
    bool require_origin = false;
    bool list_rooms = true;
    bool guest_host = true;
    bool guest_names_protected = false;
    bool limits = true;
    bool final_shutdown = false;

    /// Reads the command line; prints help or what is wrong with it. Nothing
    /// when the process is to end with `exit_code`.
    static std::optional<ServerOptions> parse(int argc, const char* const* argv, int& exit_code);

    [[nodiscard]] bool on_loopback() const;
    /// What `joined.server` and /api/info say, as JSON.
    [[nodiscard]] std::string describe() const;
};

}  // namespace live_comment
