// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <roomcast/instant.hpp>
#include <roomcast/results.hpp>

#include "chat_session.hpp"
#include "comment_events.hpp"
#include "messages.hpp"
#include "protocol.hpp"
#include "refusals.hpp"
#include "repeats.hpp"
#include "roles.hpp"

namespace live_comment {

template <class Handle>
struct PublishingOptions {
    std::int64_t (*unix_ms)() = nullptr;
    std::function<std::optional<Handle>(std::uint64_t id)> find{};  ///< a connection that is there
};

/// What members say to a room.
///
/// Thread safety: all functions may be called concurrently.
template <class Registry, class Clock>
class Publishing {
public:
    using Handle = typename Registry::connection_type;

    Publishing(Registry& rooms, Refusals<Registry, Clock>& refusals, const Roles<Registry>& roles, Clock clock,
               PublishingOptions<Handle> options)
        : rooms_(rooms), refusals_(refusals), roles_(roles), clock_(clock), options_(std::move(options)) {}

    void comment(const Handle& c, const std::string& id, const CommentRequest& comment) {
        say(c, {"comment", id}, comment.room, [&](const Author& author, std::int64_t ts, Publish& how) {
            if (!id.empty()) how.own = comment_message(author, comment, ts, id);
            return comment_message(author, comment, ts);
        });
    }

    /// A comment with an id has its number; 0: it will get none. Answers those
    /// who have said it again meanwhile.
    void numbered(const RequestContext& context, std::string_view room, std::uint64_t seq) {
        const auto waiting = seq != 0 ? repeats_.numbered(context.repeat, seq) : repeats_.forget(context.repeat);
        for (const auto connection : waiting) {
            const auto asking = options_.find(connection);
            if (!asking) continue;
            if (seq != 0) refusals_.answer(*asking, ok_message(context.of, context.id, room, seq, true));
            else refusals_.unavailable(*asking, {context.of, context.id, room});
        }
    }

private:
    using Publish = typename Registry::Publish;
    using Delivery = roomcast::Delivery;

    /// `write(author, ts, how)` returns the message, without its number.
    template <class Write>
    void say(const Handle& c, Asked asked, const std::optional<std::string>& named, Write&& write) {
        const ChatSession& chat = c->chat();
        const auto room = refusals_.room_of(c, asked, named);
        if (!room) return;
        asked.room = *room;

        RequestContext context{.id = std::string(asked.id), .of = asked.of};
        if (!asked.id.empty()) {
            context.repeat = Repeats::key(*room, chat.user, asked.of, asked.id);
            if (const auto known = repeats_.take(context.repeat, chat.id(), now()); known.repeated) {
                if (known.seq != 0 && refusals_.command_allowed(c, asked))
                    refusals_.answer(c, ok_message(asked.of, asked.id, *room, known.seq, true));
                return;
            }
        }

        const std::string name = chat.name();
        const Author author{*room, chat.user, name, roles_.is_host(*room, chat.user)};
        Publish how;
        how.context = context;
        const std::string message = write(author, options_.unix_ms(), how);
        const auto forget = [&] {
            if (!asked.id.empty()) numbered(context, *room, 0);
        };
        const auto result = rooms_.publish(c, *room, message, std::move(how));
        if (result) return;

        forget();
        switch (result.delivery) {
            case Delivery::rate_limited: return refusals_.rate_limited(c, asked, result.retry_after);
            case Delivery::left_out: return refusals_.left_out(c, asked, result.retry_after);
            case Delivery::no_room:
            case Delivery::not_in_room: return refusals_.not_in_room(c, asked);
            case Delivery::closing: return;
            default: return refusals_.unavailable(c, asked);
        }
    }

    [[nodiscard]] Instant now() const { return roomcast::instant_of(clock_.now()); }

    Registry& rooms_;
    Refusals<Registry, Clock>& refusals_;
    const Roles<Registry>& roles_;
    const Clock clock_;
    const PublishingOptions<Handle> options_;
    Repeats repeats_;
};

}  // namespace live_comment
