// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <roomcast/json_text.hpp>

#include "adapters/http.hpp"

namespace live_comment {

using roomcast::adapters::HttpRequest;
using roomcast::adapters::HttpResponse;

/// A file of the page.
struct Asset {
    std::string_view path, type, body;
};

struct HttpOptions {
    bool list_rooms = false;
    std::span<const Asset> page{};
};

namespace detail {

[[nodiscard]] inline HttpResponse http_response(int status, std::string_view type, std::string_view body) {
    HttpResponse response{
        .status = status, .headers = {{"Content-Type", std::string(type)}}, .body = std::string(body)};
    for (const auto& [name, value] : roomcast::adapters::default_headers) response.headers.emplace_back(name, value);
    return response;
}

[[nodiscard]] inline HttpResponse json_response(int status, std::string_view body) {
    return http_response(status, "application/json", body);
}

[[nodiscard]] inline HttpResponse http_error(int status, std::string_view code, std::string_view message) {
    roomcast::JsonText inner, outer;
    inner("code", code)("message", message);
    outer.raw("error", std::move(inner).str());
    return json_response(status, std::move(outer).str());
}

[[nodiscard]] inline HttpResponse not_found() { return http_error(404, "not_found", "there is no such thing here"); }

/// Nothing when a `%` is not followed by two hexadecimal digits.
[[nodiscard]] inline std::optional<std::string> percent_decoded(std::string_view text) {
    std::string plain;
    while (!text.empty()) {
        if (text[0] != '%') {
            plain += text[0];
            text.remove_prefix(1);
            continue;
        }
        unsigned value = 0;
        const char* const digits = text.data() + 1;
        if (text.size() < 3 || std::from_chars(digits, digits + 2, value, 16).ptr != digits + 2) return std::nullopt;
        plain += static_cast<char>(value);
        text.remove_prefix(3);
    }
    return plain;
}

/// A field of the query, decoded as forms write it: `+` is a space too. Empty
/// when it is not there.
[[nodiscard]] inline std::string query_field(std::string_view query, std::string_view name) {
    while (!query.empty()) {
        const auto field = query.substr(0, query.find('&'));
        query.remove_prefix(std::min(field.size() + 1, query.size()));
        if (field.starts_with(name) && field.substr(name.size()).starts_with('=')) {
            std::string value(field.substr(name.size() + 1));
            std::replace(value.begin(), value.end(), '+', ' ');
            return percent_decoded(value).value_or(std::string());
        }
    }
    return {};
}

[[nodiscard]] inline std::optional<std::size_t> number(std::string_view digits) {
    std::size_t value = 0;
    const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (read.ec != std::errc() || read.ptr != digits.data() + digits.size()) return std::nullopt;
    return value;
}

/// A whole number of any size, brought into the range; `otherwise` when the
/// text is none.
[[nodiscard]] inline std::size_t clamped(std::string_view digits, std::size_t least, std::size_t most,
                                         std::size_t otherwise) {
    const bool negative = digits.starts_with('-');
    if (negative) digits.remove_prefix(1);
    if (digits.empty() || digits.find_first_not_of("0123456789") != std::string_view::npos) return otherwise;
    return negative ? least : std::clamp(number(digits).value_or(most), least, most);
}

[[nodiscard]] inline std::string room_text(std::string_view room, std::size_t users, std::size_t connections) {
    roomcast::JsonText json;
    json("room", room)("users", users)("connections", connections);
    return std::move(json).str();
}

/// Largest first. `next` is the last room's place in that order: its users
/// and its id.
template <class Registry>
[[nodiscard]] HttpResponse room_list(std::string_view query, Registry& rooms) {
    const std::size_t limit = clamped(query_field(query, "limit"), 1, 200, 50);
    const std::string after = query_field(query, "after");
    const auto colon = std::min(after.find(':'), after.size());
    const auto users = number(std::string_view(after).substr(0, colon));
    const typename Registry::RoomCount last{after.substr(std::min(colon + 1, after.size())), users.value_or(0)};

    const auto top = rooms.top_rooms(limit + 1, users ? &last : nullptr);
    std::string list = "[";
    for (std::size_t i = 0; i < std::min(top.size(), limit); ++i) {
        if (i > 0) list += ',';
        list += room_text(top[i].room, top[i].users, top[i].connections);
    }
    list += ']';
    roomcast::JsonText json;
    json.raw("rooms", list)("total", rooms.room_count());
    if (top.size() > limit) json("next", std::to_string(top[limit - 1].users) + ':' + top[limit - 1].room);
    else json.raw("next", "null");
    return json_response(200, std::move(json).str());
}

template <class Registry>
[[nodiscard]] HttpResponse one_room(std::string_view encoded, const Registry& rooms) {
    const auto room = percent_decoded(encoded);
    const auto counts = room ? rooms.count(*room) : std::nullopt;
    if (!counts) return not_found();
    return json_response(200, room_text(*room, counts->users, counts->connections));
}

}  // namespace detail

/// Answers whatever is no WebSocket. HEAD is as GET; the transport leaves the
/// body out.
template <class Service>
[[nodiscard]] HttpResponse answer_http(const HttpRequest& request, Service& service, const HttpOptions& options) {
    using namespace detail;
    constexpr std::string_view rooms = "/api/rooms";
    constexpr std::string_view plain = "text/plain; charset=utf-8";
    const auto path = request.path;
    const auto asset = std::find_if(options.page.begin(), options.page.end(),
                                    [&](const Asset& file) { return file.path == path; });
    const bool of_page = asset != options.page.end();
    const bool list = path == rooms && options.list_rooms;
    const bool single = path.starts_with(rooms) && path.substr(rooms.size()).starts_with('/');
    if (!of_page && !list && !single && path != "/healthz" && path != "/readyz" && path != "/api/info")
        return not_found();
    if (request.method != "GET" && request.method != "HEAD") {
        auto refused = http_error(405, "method_not_allowed", "GET and HEAD only");
        refused.headers.emplace_back("Allow", "GET, HEAD");
        return refused;
    }
    if (of_page) return http_response(200, asset->type, asset->body);
    if (list) return room_list(request.query, service.rooms());
    if (single) return one_room(path.substr(rooms.size() + 1), service.rooms());
    if (path == "/healthz") return http_response(200, plain, "alive\n");
    if (path == "/api/info") return json_response(200, service.server_text());
    return service.draining() ? http_response(503, plain, "draining\n") : http_response(200, plain, "ready\n");
}

}  // namespace live_comment
