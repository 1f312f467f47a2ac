// SPDX-License-Identifier: MIT
#include "options.hpp"

#include <CLI/CLI.hpp>
#include <asio/ip/address.hpp>
#include <roomcast/config.hpp>
#include <roomcast/json_text.hpp>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <map>
#include <string_view>
#include <utility>

#include "adapters/socket_session.hpp"
#include "protocol.hpp"
#include "text.hpp"

namespace live_comment {

namespace {

using roomcast::DeviceLimit;
using roomcast::Membership;
using roomcast::OtherDevices;
using roomcast::SlowReaders;

const std::map<std::string, Membership> memberships{
    {"one_room_per_user", Membership::one_room_per_user},
    {"one_room_per_connection", Membership::one_room_per_connection},
    {"many_rooms", Membership::many_rooms}};
const std::map<std::string, OtherDevices> others_values{{"evict", OtherDevices::evict},
                                                        {"follow", OtherDevices::follow}};
const std::map<std::string, DeviceLimit> devices_values{{"newest", DeviceLimit::newest_wins},
                                                        {"refuse", DeviceLimit::refuse}};
const std::map<std::string, SlowReaders> slow_readers_values{{"drop_oldest", SlowReaders::drop_oldest},
                                                             {"drop_newest", SlowReaders::drop_newest},
                                                             {"disconnect", SlowReaders::disconnect}};

template <class Value>
std::string name_of(const std::map<std::string, Value>& names, Value value) {
    for (const auto& [name, known] : names)
        if (known == value) return name;
    return {};
}

/// Writes "512M" out in bytes: K, M, G and T are powers of 1,024. Returns what
/// is wrong with it, as CLI11 wants it.
std::string write_out_bytes(std::string& text) {
    constexpr std::string_view units = "KMGT";
    std::uint64_t bytes = 0;
    const char* const end = text.data() + text.size();
    const auto read = std::from_chars(text.data(), end, bytes);
    const std::string_view unit(read.ptr, static_cast<std::size_t>(end - read.ptr));
    const auto letter = unit.size() == 1 ? std::toupper(static_cast<unsigned char>(unit[0])) : 0;
    const auto power = units.find(static_cast<char>(letter)) + 1;  // 0: none of them
    if (read.ec != std::errc() || (power == 0 && !unit.empty()) || bytes > (std::uint64_t{1} << 50) >> (10 * power))
        return "not a number of bytes (like 65536, 64K, 512M or 2G): " + text;
    text = std::to_string(bytes << (10 * power));
    return {};
}

/// CLI11's own check lets NaN pass. Returns what is wrong with it.
std::string check_rate(std::string& text) {
    double rate = 0;
    if (CLI::detail::lexical_cast(text, rate) && rate >= 0 && std::isfinite(rate)) return {};
    return "not a number of 0 or more: " + text;
}

std::string with_commas(const std::vector<std::string>& words) {
    std::string text;
    for (const auto& word : words) (text += text.empty() ? "" : ",") += word;
    return text;
}
std::vector<std::string> split(std::string_view text) {
    std::vector<std::string> words;
    while (!text.empty()) {
        const auto word = text.substr(0, text.find(','));
        text.remove_prefix(std::min(word.size() + 1, text.size()));
        if (!word.empty()) words.emplace_back(word);
    }
    return words;
}

}  // namespace

std::optional<ServerOptions> ServerOptions::parse(int argc, const char* const* argv, int& exit_code) {
    ServerOptions o;
    std::string guest_host, guest_names, gifts = with_commas(o.gifts), limits = "on";
    constexpr std::uint32_t day_ms = 24 * 60 * 60 * 1000;

    CLI::App app("Live comments over WebSocket: rooms, presence, history, gifts. Open the printed URL in a browser.");
    app.name("live_comment_server");
    app.option_defaults()->always_capture_default();
    app.set_version_flag("--version", ROOMCAST_VERSION);
    app.add_option("--bind", o.bind, "Address to listen on");
    app.add_option("--port", o.port, "Port; 0 takes a free one");
    app.add_option("--workers", o.workers, "Threads; 0 is one for each core")->check(CLI::Range(0, 256));
    app.add_option("--log-level", o.log_level, "Logs go to standard error")
        ->check(CLI::IsMember({"trace", "debug", "info", "warn", "error", "critical", "off"}));

    const auto named = [&](const char* flag, auto& value, const auto& names, const char* text) {
        app.add_option(flag, value, text)
            ->transform(CLI::Transformer(names))
            ->default_str(name_of(names, value))
            ->option_text([&] {
                std::string all;
                for (const auto& [name, known] : names) all += (all.empty() ? "" : "|") + name;
                return all + " (" + name_of(names, value) + ")";
            }());
    };
    const auto bytes = [&](const char* flag, std::size_t& value, const char* text) {
        return app.add_option(flag, value, text)->transform(CLI::Validator(write_out_bytes, "BYTES"));
    };
    named("--membership", o.membership, memberships, "In how many rooms one can be");
    named("--others", o.others, others_values, "What becomes of a user's other connections when one moves");
    named("--devices", o.devices, devices_values, "Who makes way when a user has too many connections");
    app.add_option("--max-devices", o.max_devices, "Connections of a user; 0: no limit");
    app.add_option("--grace-ms", o.grace_ms, "From farewell to forced close")->check(CLI::Range(0U, day_ms));
    app.add_option("--history", o.history, "Comments and gifts that a room keeps");
    bytes("--history-bytes", o.history_bytes, "What they may take; 0: no limit");
    app.add_option("--history-age-ms", o.history_age_ms, "How long it keeps them; 0: as long as the others allow");
    app.add_option("--linger-ms", o.linger_ms, "How long an empty room keeps them")->check(CLI::Range(0U, day_ms));
    app.add_option("--gifts", gifts, "What may be given, separated by commas")
        ->check(CLI::Validator(
            [](std::string& text) {
                const auto names = split(text);
                const bool valid = std::all_of(names.begin(), names.end(),
                                               [](const auto& name) { return is_label(name, max_name_bytes); });
                return std::string(valid ? "" : "a gift's name is too long, or not plain text");
            },
            ""));
    app.add_option("--presence-names", o.presence_names,
                   "In rooms of at most so many users, presence says who came and went");

    app.add_option("--batch-ms", o.batch_ms, "After a message, how long others wait to go out together; 0: not at all")
        ->check(CLI::Range(0U, day_ms));
    named("--slow-readers", o.slow_readers, slow_readers_values, "What gives way when somebody reads too slowly");
    app.add_option("--outbox-messages", o.outbox_messages, "What may wait for a slow reader")
        ->check(CLI::Range(1U, 1'000'000U));
    bytes("--outbox-bytes", o.outbox_bytes, "The same, in bytes")->check(CLI::Range(1ULL, 1ULL << 40));
    app.add_option("--outbox-age-ms", o.outbox_age_ms, "How long it may wait before the reader is ended; 0: for ever")
        ->check(CLI::Range(0U, day_ms));
    bytes("--memory", o.memory, "What outboxes and histories may take in all; 0: no limit");

    const CLI::Validator rate(check_rate, "NONNEGATIVE");
    app.add_option("--max-connections", o.max_connections, "0: what the file descriptors allow");
    app.add_option("--max-per-address", o.max_per_address, "Connections from one address; 0: no limit");
    app.add_option("--comment-rate", o.comment_rate, "Comments a second and user; 5 times that at once; 0: no limit")
        ->check(rate);
    app.add_option("--command-rate", o.command_rate, "Other messages, also gifts and likes; twice that at once; 0: no limit")
        ->check(rate);
    const auto* room_rate =
        app.add_option("--room-rate", o.room_rate,
                       "Comments a second in one room, as many at once; 0: no limit, as with --comment-rate 0")
            ->check(rate);
    app.add_option("--limits", limits, "off lifts all rates, for benchmarks")->check(CLI::IsMember({"on", "off"}));

    app.add_option("--origin", o.origins, "A further Origin whose pages may connect, like https://example.org");
    app.add_option("--host", o.hosts, "A further name of this server, without port");
    app.add_flag("--require-origin", o.require_origin, "Refuse connections without Origin");
    app.add_option("--trusted-proxy", o.trusted_proxies, "A network (CIDR) whose X-Forwarded-For is believed");
    const auto* list_rooms =
        app.add_flag("--list-rooms,!--no-list-rooms", o.list_rooms, "Serve /api/rooms; default: on loopback only");
    app.add_option("--guest-host", guest_host, "Who is a room's host; default: first, on loopback only")
        ->check(CLI::IsMember({"first", "none"}));
    app.add_option("--guest-names", guest_names, "Whether names in use need a key; default: open on loopback only")
        ->check(CLI::IsMember({"open", "protected"}));
    app.add_flag("--final", o.final_shutdown, "When stopped, tell clients that it is for good (1001)");

    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        exit_code = app.exit(error);
        return std::nullopt;
    }
    const bool loopback = o.on_loopback();
    if (list_rooms->count() == 0) o.list_rooms = loopback;
    o.guest_host = guest_host.empty() ? loopback : guest_host == "first";
    o.guest_names_protected = guest_names.empty() ? !loopback : guest_names == "protected";
    o.limits = limits == "on";
    o.gifts = split(gifts);
    if (room_rate->count() == 0 && o.comment_rate == 0) o.room_rate = 0;
    if (!o.limits) o.comment_rate = o.command_rate = o.room_rate = 0;
    return o;
}

bool ServerOptions::on_loopback() const {
    asio::error_code error;
    const auto address = asio::ip::make_address(bind, error);
    return bind == "localhost" || (!error && address.is_loopback());
}

std::string ServerOptions::describe() const {
    using roomcast::JsonText;
    const auto rate = [](double per_second) {
        char text[32];
        std::snprintf(text, sizeof text, "%.6g", per_second);
        return std::string(text);
    };
    std::string list = "[";
    for (const auto& gift : gifts) {
        if (list.size() > 1) list += ',';
        JsonText::append(list, gift);
    }
    list += ']';
    JsonText limits_json, json;
    limits_json("message_bytes", max_message_bytes)("text", max_text_code_points)("devices", max_devices);
    limits_json("history", history).raw("comment_rate", rate(comment_rate)).raw("command_rate", rate(command_rate));
    limits_json.raw("room_rate", rate(room_rate)).raw("gifts", list);
    json("protocol", 1)("version", ROOMCAST_VERSION)("auth", "guest");
    json("membership", name_of(memberships, membership))("others", name_of(others_values, others));
    json("ping_ms", roomcast::adapters::SessionLimits().ping_after.count())("grace_ms", grace_ms);
    json.raw("limits", std::move(limits_json).str());
    return std::move(json).str();
}

}  // namespace live_comment
