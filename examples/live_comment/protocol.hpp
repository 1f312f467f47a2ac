// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "json_reader.hpp"
#include "text.hpp"

/// What clients say: the live-comment protocol, version 1, as far as this
/// server goes. Events of the protocol that are not here are `bad_event`.
namespace live_comment {

inline constexpr std::size_t max_message_bytes = 16'384;
inline constexpr std::size_t max_id_bytes = 128;
inline constexpr std::size_t max_name_bytes = 64;
inline constexpr std::size_t max_text_code_points = 500;
inline constexpr std::int64_t max_gifts = 9'999;
inline constexpr std::int64_t max_likes = 100;
inline constexpr std::int64_t max_integer = std::int64_t{1} << 53;

struct Since {
    std::string epoch;
    std::uint64_t seq = 0;
};

struct JoinRequest {
    std::string room;
    std::optional<std::string> user, name, key, replaces;
    std::optional<Since> since;
    std::size_t history = 50;
    bool resume = false;
};

struct LeaveRequest {
    std::optional<std::string> room;
};

struct CommentRequest {
    std::optional<std::string> room;
    std::string text;
    std::string color;  ///< empty: none
    std::string mode = "scroll";
};

struct GiftRequest {
    std::optional<std::string> room;
    std::string gift;  ///< as it was said: the catalogue is the server's
    std::int64_t count = 1;
};

struct LikeRequest {
    std::optional<std::string> room;
    std::int64_t count = 1;
};

struct DeleteRequest {
    std::optional<std::string> room;
    std::uint64_t seq = 0;
};

struct PingRequest {};

struct KickRequest {
    std::optional<std::string> room;
    std::string user;
    std::string reason;
};

using AnyRequest = std::variant<JoinRequest, LeaveRequest, CommentRequest, GiftRequest, LikeRequest, DeleteRequest,
                                PingRequest, KickRequest>;

struct Request {
    std::string id;  ///< empty: none
    AnyRequest what;
};

/// An answer of the `error` kind. Empty strings and zeros are left out of it.
struct Refused {
    std::string_view code;
    std::string message{};
    std::string of{}, id{}, room{}, field{};
    std::string_view scope{};
    std::int64_t retry_after_ms = 0;
};

/// Which message an answer is for. Borrowed.
struct Asked {
    std::string_view of;  ///< its event
    std::string_view id{}, room{};

    [[nodiscard]] Refused refused(std::string_view code, std::string message) const {
        return {.code = code,
                .message = std::move(message),
                .of = std::string(of),
                .id = std::string(id),
                .room = std::string(room)};
    }
};

namespace detail {

/// Takes fields out of an object, and remembers the first that is not as the
/// protocol wants it.
class FieldReader {
public:
    explicit FieldReader(const nlohmann::json& object) : object_(object) {}

    [[nodiscard]] const std::optional<std::string>& bad_field() const noexcept { return bad_; }
    void refuse(std::string_view field) {
        if (!bad_) bad_ = field;
    }

    /// A string of `least` to `most` bytes, if the field is there.
    std::optional<std::string> text(std::string_view field, std::size_t least, std::size_t most) {
        const auto* value = find(field);
        if (!value) return std::nullopt;
        const auto* text = value->get_ptr<const std::string*>();
        if (text && text->size() >= least && text->size() <= most) return *text;
        refuse(field);
        return std::nullopt;
    }

    std::optional<std::string> label(std::string_view field, std::size_t most) {
        auto value = text(field, 1, most);
        if (!value || is_label(*value, most)) return value;
        refuse(field);
        return std::nullopt;
    }

    std::string required_label(std::string_view field, std::size_t most) {
        auto value = label(field, most);
        if (!value) refuse(field);
        return std::move(value).value_or(std::string());
    }

    /// Shown to people and written to logs, so made one plain line.
    std::string remark(std::string_view field, std::size_t most) {
        return plain_text(text(field, 0, most).value_or(std::string())).text;
    }

    std::optional<std::int64_t> integer(std::string_view field, std::int64_t least, std::int64_t most) {
        const auto* value = find(field);
        if (!value) return std::nullopt;
        if (value->is_number_integer()) {
            const auto number = value->get<std::int64_t>();
            if (number >= least && number <= most) return number;
        }
        refuse(field);
        return std::nullopt;
    }

    std::optional<bool> boolean(std::string_view field) {
        const auto* value = find(field);
        if (!value) return std::nullopt;
        if (value->is_boolean()) return value->get<bool>();
        refuse(field);
        return std::nullopt;
    }

    std::optional<Since> since(std::string_view field) {
        const auto* value = find(field);
        if (!value) return std::nullopt;
        if (value->is_object()) {
            FieldReader inner(*value);
            auto epoch = inner.text("epoch", 0, 64);
            const auto seq = inner.integer("seq", 0, max_integer);
            if (epoch && seq) return Since{std::move(*epoch), static_cast<std::uint64_t>(*seq)};
        }
        refuse(field);
        return std::nullopt;
    }

private:
    [[nodiscard]] const nlohmann::json* find(std::string_view field) const {
        const auto found = object_.find(field);
        return found == object_.end() ? nullptr : &*found;
    }

    const nlohmann::json& object_;
    std::optional<std::string> bad_;
};

[[nodiscard]] constexpr bool is_color(std::string_view text) noexcept {
    if (text.size() != 7 || text[0] != '#') return false;
    for (const char c : text.substr(1))
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'))) return false;
    return true;
}

inline JoinRequest read_join(FieldReader& fields) {
    JoinRequest join;
    join.room = fields.required_label("room", max_id_bytes);
    join.user = fields.label("user", max_id_bytes);
    join.name = fields.label("name", max_name_bytes);
    fields.text("device", 0, 64);
    join.since = fields.since("since");
    join.history = static_cast<std::size_t>(fields.integer("history", 0, 200).value_or(50));
    join.resume = fields.boolean("resume").value_or(false);
    join.replaces = fields.text("replaces", 0, max_message_bytes);
    join.key = fields.text("key", 0, max_message_bytes);
    return join;
}

inline LeaveRequest read_leave(FieldReader& fields) {
    return {fields.label("room", max_id_bytes)};
}

inline CommentRequest read_comment(FieldReader& fields) {
    CommentRequest comment;
    comment.room = fields.label("room", max_id_bytes);
    const auto text = fields.text("text", 0, max_message_bytes);
    if (!text) fields.refuse("text");
    comment.text = text.value_or(std::string());
    comment.color = fields.text("color", 1, 7).value_or(std::string());
    if (!comment.color.empty() && !is_color(comment.color)) fields.refuse("color");
    comment.mode = fields.text("mode", 1, 8).value_or("scroll");
    if (comment.mode != "scroll" && comment.mode != "top" && comment.mode != "bottom") fields.refuse("mode");
    return comment;
}

inline GiftRequest read_gift(FieldReader& fields) {
    GiftRequest gift;
    gift.room = fields.label("room", max_id_bytes);
    gift.gift = fields.required_label("gift", max_name_bytes);
    gift.count = fields.integer("count", 1, max_gifts).value_or(1);
    return gift;
}

inline LikeRequest read_like(FieldReader& fields) {
    LikeRequest like;
    like.room = fields.label("room", max_id_bytes);
    like.count = fields.integer("count", 1, max_likes).value_or(1);
    return like;
}

inline DeleteRequest read_delete(FieldReader& fields) {
    DeleteRequest erase;
    erase.room = fields.label("room", max_id_bytes);
    const auto seq = fields.integer("seq", 1, max_integer);
    if (!seq) fields.refuse("seq");
    erase.seq = static_cast<std::uint64_t>(seq.value_or(0));
    return erase;
}

inline KickRequest read_kick(FieldReader& fields) {
    KickRequest kick;
    kick.room = fields.label("room", max_id_bytes);
    kick.user = fields.required_label("user", max_id_bytes);
    kick.reason = fields.remark("reason", 120);
    return kick;
}

/// Nothing when there is no such event.
inline std::optional<AnyRequest> read_event(std::string_view event, FieldReader& fields) {
    if (event == "comment") return read_comment(fields);
    if (event == "like") return read_like(fields);
    if (event == "gift") return read_gift(fields);
    if (event == "delete") return read_delete(fields);
    if (event == "join") return read_join(fields);
    if (event == "leave") return read_leave(fields);
    if (event == "kick") return read_kick(fields);
    if (event == "ping") return PingRequest{};
    return std::nullopt;
}

}  // namespace detail

/// Reads one text frame. Checks what can be known without the room: what it
/// returns as a request is well formed, its `text` normalised.
[[nodiscard]] inline std::variant<Request, Refused> parse(std::string_view frame) {
    const auto object = read_json(frame);
    if (!object) return Refused{.code = "bad_json", .message = "a message is one JSON object"};

    detail::FieldReader fields(object->fields), echo(object->fields);
    const auto echoed = [&](std::string_view field, auto take) {
        return object->has_lone_surrogate(field) ? std::string() : take().value_or(std::string());
    };
    const std::string event = echoed("event", [&] { return echo.text("event", 1, 64); });
    const std::string id = echoed("id", [&] { return fields.text("id", 1, 64); });
    const auto refused = [&](std::string_view code, std::string message, std::string field = {}) {
        Refused error{.code = code, .message = std::move(message), .of = event, .id = id};
        error.room = echoed("room", [&] { return echo.label("room", max_id_bytes); });
        error.field = std::move(field);
        return error;
    };
    if (!object->lone_surrogates.empty())
        return refused("bad_field", "a string holds a lone surrogate", object->lone_surrogates.front());
    auto what = detail::read_event(event, fields);
    if (!what) return refused("bad_event", "no such event");
    if (fields.bad_field())
        return refused("bad_field", "missing, or not as the protocol says", *fields.bad_field());
    Request request{id, std::move(*what)};

    if (auto* comment = std::get_if<CommentRequest>(&request.what)) {
        PlainText plain = plain_text(comment->text);
        if (plain.code_points == 0) return refused("bad_field", "the text is empty", "text");
        if (plain.code_points > max_text_code_points) return refused("too_large", "the text is too long");
        comment->text = std::move(plain.text);
    }
    return request;
}

}  // namespace live_comment
