// SPDX-License-Identifier: MIT
// Lines, which are the arguments of the live-comment server. They are refused,
// or what comes of them is within the documented ranges, describes itself in
// JSON, and makes a server.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <iostream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>
#include <spdlog/spdlog.h>

#include "fuzz/demand.hpp"
#include "live_comment/options.hpp"
#include "live_comment/server.hpp"

namespace {

using fuzz::demand;
using live_comment::ServerOptions;

/// CLI11 prints help, and what is wrong.
void print_nothing() {
    std::cout.setstate(std::ios::failbit);
    std::cerr.setstate(std::ios::failbit);
    spdlog::set_level(spdlog::level::off);
}

void demand_ranges(const ServerOptions& o) {
    constexpr std::uint32_t day_ms = 24 * 60 * 60 * 1000;
    constexpr std::size_t petabyte = std::size_t{1} << 50;
    demand(o.workers <= 256, "workers");
    for (const auto ms : {o.grace_ms, o.linger_ms, o.batch_ms, o.outbox_age_ms}) demand(ms <= day_ms, "a time");
    demand(o.outbox_messages >= 1 && o.outbox_messages <= 1'000'000, "outbox_messages");
    demand(o.outbox_bytes >= 1 && o.outbox_bytes <= std::size_t{1} << 40, "outbox_bytes");
    demand(o.history_bytes <= petabyte && o.memory <= petabyte, "a number of bytes");
    for (const double rate : {o.comment_rate, o.command_rate, o.room_rate})
        demand(std::isfinite(rate) && rate >= 0, "a rate", std::to_string(rate));
    demand(o.limits || (o.comment_rate == 0 && o.command_rate == 0 && o.room_rate == 0), "limits");
    demand(o.membership <= roomcast::Membership::many_rooms, "membership");
    demand(o.others <= roomcast::OtherDevices::follow, "others");
    demand(o.devices <= roomcast::DeviceLimit::refuse, "devices");
    demand(o.slow_readers <= roomcast::SlowReaders::disconnect, "slow_readers");
    for (const auto& gift : o.gifts) demand(live_comment::is_label(gift, live_comment::max_name_bytes), "a gift", gift);
    const auto levels = {"trace", "debug", "info", "warn", "error", "critical", "off"};
    demand(std::find(levels.begin(), levels.end(), o.log_level) != levels.end(), "log_level", o.log_level);
}

void demand_server(ServerOptions o) {
    o.workers = 1;  // each has a thread's worth of descriptors
    try {
        live_comment::CommentServer server(o, {});
    } catch (const std::invalid_argument&) {
        // A network that is none; main says so.
        demand(!o.trusted_proxies.empty(), "options that make no server");
    }
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    [[maybe_unused]] static const bool silent = (print_nothing(), true);
    std::vector<std::string> words{"live_comment_server"};
    std::string_view rest(reinterpret_cast<const char*>(data), size);
    while (!rest.empty()) {
        const auto word = rest.substr(0, rest.find('\n'));
        rest.remove_prefix(std::min(word.size() + 1, rest.size()));
        words.emplace_back(word.substr(0, word.find('\0')));  // as the system hands them over
    }
    std::vector<const char*> arguments;
    for (const auto& word : words) arguments.push_back(word.c_str());

    int exit_code = 0;
    const auto options = ServerOptions::parse(static_cast<int>(arguments.size()), arguments.data(), exit_code);
    if (!options) return 0;
    demand(exit_code == 0, "accepted, with an exit code");
    demand_ranges(*options);
    const auto described = nlohmann::json::parse(options->describe(), nullptr, false);
    demand(described.is_object(), "a description that is no JSON", options->describe());
    demand_server(*options);
    return 0;
}
