// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include <roomcast/frame.hpp>
#include <roomcast/json_text.hpp>

#include "protocol.hpp"

/// What the server says, but for the control events of rooms
/// (comment_events.hpp).
namespace live_comment {

namespace detail {
inline void optional_field(roomcast::JsonText& json, std::string_view name, std::string_view value) {
    if (!value.empty()) json(name, value);
}
}  // namespace detail

[[nodiscard]] inline std::string error_message(const Refused& error) {
    roomcast::JsonText json;
    json("event", "error")("code", error.code)("message", error.message);
    detail::optional_field(json, "of", error.of);
    detail::optional_field(json, "id", error.id);
    detail::optional_field(json, "room", error.room);
    detail::optional_field(json, "field", error.field);
    detail::optional_field(json, "scope", error.scope);
    if (error.retry_after_ms > 0) json("retry_after_ms", error.retry_after_ms);
    return std::move(json).str();
}

/// For a comment or gift `seq` is its number; 0 is left out.
[[nodiscard]] inline std::string ok_message(std::string_view of, std::string_view id, std::string_view room,
                                            std::uint64_t seq = 0, bool repeated = false) {
    roomcast::JsonText json;
    json("event", "ok")("of", of);
    detail::optional_field(json, "id", id);
    detail::optional_field(json, "room", room);
    if (seq != 0) json("seq", seq);
    if (repeated) json("repeated", true);
    return std::move(json).str();
}

[[nodiscard]] inline std::string pong_message(std::string_view id, std::int64_t now_ms) {
    roomcast::JsonText json;
    json("event", "pong")("of", "ping");
    detail::optional_field(json, "id", id);
    json("ts", now_ms);
    return std::move(json).str();
}

[[nodiscard]] inline std::string left_message(std::string_view id, std::string_view room) {
    roomcast::JsonText json;
    json("event", "left")("of", "leave");
    detail::optional_field(json, "id", id);
    detail::optional_field(json, "room", room);
    return std::move(json).str();
}

[[nodiscard]] inline std::string like_message(std::string_view room, std::uint64_t delta, std::uint64_t total,
                                              std::int64_t now_ms) {
    roomcast::JsonText json;
    json("event", "like")("room", room)("delta", delta)("total", total)("ts", now_ms);
    return std::move(json).str();
}

[[nodiscard]] inline std::string deleted_message(std::string_view room, std::uint64_t seq) {
    roomcast::JsonText json;
    json("event", "deleted")("room", room)("seq", seq);
    return std::move(json).str();
}

/// Who says it, and where.
struct Author {
    std::string_view room, user, name;
    bool host = false;
};

namespace detail {
inline roomcast::JsonText said_by(const Author& author, std::string_view event) {
    roomcast::JsonText json;
    json("event", event)("room", author.room)("user", author.user)("name", author.name);
    if (author.host) json("role", "host");
    return json;
}
}  // namespace detail

/// A comment that has no number yet (see `with_seq`). `id` is for its sender's
/// own copy; empty leaves it out.
[[nodiscard]] inline std::string comment_message(const Author& author, const CommentRequest& comment, std::int64_t now_ms,
                                                 std::string_view id = {}) {
    auto json = detail::said_by(author, "comment");
    json("text", comment.text);
    detail::optional_field(json, "color", comment.color);
    json("mode", comment.mode)("ts", now_ms);
    detail::optional_field(json, "id", id);
    return std::move(json).str();
}

/// A gift that has no number yet; its sender's copy is no other.
[[nodiscard]] inline std::string gift_message(const Author& author, const GiftRequest& gift, std::int64_t now_ms) {
    auto json = detail::said_by(author, "gift");
    json("gift", gift.gift)("count", gift.count)("ts", now_ms);
    return std::move(json).str();
}

/// The message with its number as the last field.
[[nodiscard]] inline std::string with_seq(std::string_view message, std::uint64_t seq) {
    std::string numbered;
    numbered.reserve(message.size() + 32);
    numbered += message.substr(0, message.size() - 1);
    numbered += ",\"seq\":";
    roomcast::JsonText::append(numbered, seq);
    numbered += '}';
    return numbered;
}

}  // namespace live_comment
