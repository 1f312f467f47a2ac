// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <roomcast/close_code.hpp>
#include <roomcast/frame.hpp>
#include <roomcast/results.hpp>
#include <spdlog/spdlog.h>

#include "chat_session.hpp"
#include "messages.hpp"
#include "protocol.hpp"
#include "rate.hpp"
#include "text.hpp"

namespace live_comment {

/// Says what is not done and why, and ends connections that go on all the same.
///
/// Thread safety: as Service's, for which it speaks.
template <class Registry, class Clock>
class Refusals {
public:
    using Handle = typename Registry::connection_type;
    using CloseCode = roomcast::CloseCode;
    using milliseconds = std::chrono::milliseconds;

    Refusals(Registry& rooms, UserRate& commands, Clock clock, bool many_rooms)
        : rooms_(rooms), commands_(commands), clock_(clock), many_rooms_(many_rooms) {}

    // What has to hold before a message is acted upon. Where it does not, the
    // answer has been given.

    /// The room that a room message means, when the connection is in it.
    std::optional<std::string> room_of(const Handle& c, const Asked& asked, const std::optional<std::string>& named) {
        if (!named && many_rooms_ && rooms_.rooms_of(c).size() > 1) {
            bad_field(c, asked, "room", "in several rooms, which one has to be said");
            return std::nullopt;
        }
        const std::string& room = named ? *named : c->chat().room;
        if (!room.empty() && rooms_.is_member(c, room)) return room;
        not_in_room(c, {asked.of, asked.id, room});
        return std::nullopt;
    }

    [[nodiscard]] bool command_allowed(const Handle& c, const Asked& asked) {
        ChatSession& chat = c->chat();
        const Instant wait = chat.user.empty() ? chat.commands.take(commands_.rate(), now())
                                            : commands_.take(chat.user, now());
        if (wait == Instant(0)) return true;
        rate_limited(c, asked, wait);
        return false;
    }

    // Answers.

    void answer(const Handle& c, const std::string& text) { rooms_.send(c, roomcast::Frame(text)); }
    void answer(const Handle& c, const Refused& error) { answer(c, error_message(error)); }

    /// A message that is not as the protocol wants it.
    void bad_message(const Handle& c, const Refused& error) {
        answer(c, error);
        if (error.code != "too_large" && c->chat().bad_messages.strike(now()))
            end(c, {CloseCode::policy_violation, "too many bad messages"});
    }
    void bad_field(const Handle& c, const Asked& asked, std::string_view field, std::string message) {
        Refused error = asked.refused("bad_field", std::move(message));
        error.field = field;
        bad_message(c, error);
    }

    void not_in_room(const Handle& c, const Asked& asked) {
        ChatSession& chat = c->chat();
        if (rooms_.rooms_of(c).empty()) {
            if (chat.told_outside) {
                chat.ask_for(CloseCode::not_in_room, std::string(asked.room));
                return end(c, {CloseCode::not_in_room, "acted on a room without being in one"});
            }
            chat.told_outside = true;
        } else if (!command_allowed(c, asked)) {
            return;
        }
        answer(c, asked.refused("not_in_room", "this connection is not in that room"));
    }

    /// Too fast; who goes on and on is sent away.
    void rate_limited(const Handle& c, const Asked& asked, Instant wait) {
        later(c, asked, "rate_limited", "too many requests", wait);
        if (c->chat().refused_by_rate.strike(now()))
            end(c, {CloseCode::too_many_requests, "went on past the rate limit",
                    std::chrono::ceil<milliseconds>(wait)});
    }
    /// The room is too loud, which is not this user's doing.
    void left_out(const Handle& c, const Asked& asked, Instant wait) {
        later(c, asked, "rate_limited", "too much is said in this room at the moment", wait);
    }
    void unavailable(const Handle& c, const Asked& asked) {
        later(c, asked, "unavailable", "the room could not take this now", std::chrono::seconds(1));
    }

    /// `user`: whose join was refused.
    void join(const Handle& c, const Asked& asked, roomcast::Refusal refusal, std::string_view user) {
        using roomcast::Refusal;
        Refused error = asked.refused("unavailable", std::string(roomcast::to_string(refusal)));
        switch (refusal) {
            case Refusal::closing: return;
            case Refusal::elsewhere:
                if (auto where = whereabouts(c, user)) {
                    c->chat().ask_for(CloseCode::moved_elsewhere, std::move(*where));
                    return end(c, {CloseCode::moved_elsewhere, "the user is in another room"});
                }
                break;
            case Refusal::other_user: error.code = "forbidden"; break;
            case Refusal::no_user:
            case Refusal::bad_id: error.code = "bad_field"; break;
            case Refusal::room_full: error.code = "room_full"; break;
            case Refusal::room_locked: error.code = "room_closed"; break;
            case Refusal::too_many_rooms:
            case Refusal::too_many_rooms_of_connection:
                error.code = "too_many_rooms";
                error.scope = refusal == Refusal::too_many_rooms ? "server" : "connection";
                break;
            case Refusal::too_many_devices: error.code = "too_many_devices"; break;
            case Refusal::shutting_down: error.code = "shutting_down"; break;
            default: break;  // the server cannot now
        }
        if (error.code == "unavailable" || error.code == "shutting_down") error.retry_after_ms = 5'000;
        answer(c, error);
    }

    void end(const Handle& c, roomcast::CloseReason reason) {
        if (!rooms_.kick_connection(c, reason)) return;
        spdlog::info("connection {} is ended with {}: {}", connection_text(c->chat().id()),
                     static_cast<int>(reason.code), reason.text);
    }

private:
    void later(const Handle& c, const Asked& asked, std::string_view code, std::string message, Instant wait) {
        Refused error = asked.refused(code, std::move(message));
        error.retry_after_ms = std::max<std::int64_t>(std::chrono::ceil<milliseconds>(wait).count(), 1);
        answer(c, error);
    }

    /// Where a connection is, or else its user.
    [[nodiscard]] std::optional<std::string> whereabouts(const Handle& c, std::string_view user) const {
        auto own = rooms_.rooms_of(c);
        return own.empty() ? rooms_.room_of(user) : std::optional(std::move(own.front()));
    }

    [[nodiscard]] Instant now() const { return roomcast::instant_of(clock_.now()); }

    Registry& rooms_;
    UserRate& commands_;
    const Clock clock_;
    const bool many_rooms_;
};

}  // namespace live_comment
