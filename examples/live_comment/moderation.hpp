// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>

#include <roomcast/close_code.hpp>
#include <roomcast/results.hpp>
#include <spdlog/spdlog.h>

#include "chat_session.hpp"
#include "messages.hpp"
#include "protocol.hpp"
#include "refusals.hpp"
#include "roles.hpp"
#include "text.hpp"

namespace live_comment {

/// What only the staff of a room may do.
///
/// Thread safety: all functions may be called concurrently.
template <class Registry, class Clock>
class Moderation {
public:
    using Handle = typename Registry::connection_type;

    Moderation(Registry& rooms, Refusals<Registry, Clock>& refusals, const Roles<Registry>& roles)
        : rooms_(rooms), refusals_(refusals), roles_(roles) {}

    void kick(const Handle& c, const std::string& id, const KickRequest& kick) {
        const ChatSession& chat = c->chat();
        const auto room = refusals_.room_of(c, {"kick", id}, kick.room);
        if (!room) return;
        const Asked asked{"kick", id, *room};
        if (!is_permitted(c, asked)) return;
        // The only role above viewer here is the host's, and a room has one host.
        if (kick.user == chat.user)
            return refusals_.answer(c, asked.refused("forbidden", "nobody may kick themselves"));
        const std::string_view reason = kick.reason.empty() ? std::string_view("kicked") : kick.reason;
        const auto removal =
            rooms_.kick_from(*room, kick.user, {roomcast::CloseCode::removed_from_room, reason}, &c);
        if (!removal.permitted) return refusals_.not_in_room(c, asked);
        if (!removal) return refusals_.answer(c, asked.refused("not_in_room", "this user is not in the room"));
        spdlog::info("kick room=\"{}\" user=\"{}\" by=\"{}\" connection={}", log_text(*room), log_text(kick.user),
                     log_text(chat.user), connection_text(chat.id()));
        refusals_.answer(c, ok_message("kick", id, *room));
    }

    void erase(const Handle& c, const std::string& id, const DeleteRequest& erase) {
        using roomcast::Delivery;
        const ChatSession& chat = c->chat();
        const auto room = refusals_.room_of(c, {"delete", id}, erase.room);
        if (!room) return;
        const Asked asked{"delete", id, *room};
        if (!is_permitted(c, asked)) return;
        switch (rooms_.delete_message(*room, erase.seq, &c)) {
            case Delivery::sent:
            case Delivery::queued: break;
            case Delivery::no_message: {
                Refused error = asked.refused("bad_field", "the room has not got so far");
                error.field = "seq";
                return refusals_.answer(c, error);
            }
            case Delivery::no_room:
            case Delivery::not_in_room: return refusals_.not_in_room(c, asked);
            case Delivery::closing: return;
            default: return refusals_.unavailable(c, asked);
        }
        spdlog::info("delete room=\"{}\" seq={} by=\"{}\" connection={}", log_text(*room), erase.seq,
                     log_text(chat.user), connection_text(chat.id()));
        refusals_.answer(c, ok_message("delete", id, *room));
    }

private:
    /// Otherwise the answer has been given.
    [[nodiscard]] bool is_permitted(const Handle& c, const Asked& asked) {
        if (!refusals_.command_allowed(c, asked)) return false;
        if (roles_.is_host(asked.room, c->chat().user)) return true;
        refusals_.answer(c, asked.refused("forbidden", "only a host or moderator may"));
        return false;
    }

    Registry& rooms_;
    Refusals<Registry, Clock>& refusals_;
    const Roles<Registry>& roles_;
};

}  // namespace live_comment
