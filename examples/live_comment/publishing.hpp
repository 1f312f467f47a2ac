// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <roomcast/instant.hpp>
#include <roomcast/message.hpp>
#include <roomcast/results.hpp>

#include "chat_session.hpp"
#include "comment_events.hpp"
#include "likes.hpp"
#include "messages.hpp"
#include "protocol.hpp"
#include "refusals.hpp"
#include "repeats.hpp"
#include "roles.hpp"

namespace live_comment {

template <class Handle>
struct PublishingOptions {
    std::vector<std::string> gifts{};  ///< the catalogue
    std::int64_t (*unix_ms)() = nullptr;
    std::function<std::optional<Handle>(std::uint64_t id)> find{};  ///< a connection that is there
};

/// What members say to a room: comments and gifts, which are numbered and not
/// repeated, and likes, which are counted.
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

    void gift(const Handle& c, const std::string& id, const GiftRequest& gift) {
        const auto& known = options_.gifts;
        if (std::find(known.begin(), known.end(), gift.gift) == known.end()) {
            const Asked asked{"gift", id, gift.room ? *gift.room : std::string_view()};
            return refusals_.bad_field(c, asked, "gift", "there is no such gift here");
        }
        say(c, {"gift", id}, gift.room, [&](const Author& author, std::int64_t ts, Publish& how) {
            how.message_class = MessageClass::paid;
            return gift_message(author, gift, ts);
        });
    }

    /// Not answered. Says when `tick` is due, if that is news.
    std::optional<Instant> like(const Handle& c, const std::string& id, const LikeRequest& like) {
        const auto room = refusals_.room_of(c, {"like", id}, like.room);
        if (!room || !refusals_.command_allowed(c, {"like", id, *room})) return std::nullopt;
        return likes_.add(*room, static_cast<std::uint64_t>(like.count), now());
    }

    /// All likes of a room since it was made.
    [[nodiscard]] std::uint64_t likes(std::string_view room) const { return likes_.total(room); }

    void closed(std::string_view room) { likes_.forget(room); }

    /// A comment or gift with an id has its number; 0: it will get none. Answers
    /// those who have said it again meanwhile.
    void numbered(const RequestContext& context, std::string_view room, std::uint64_t seq) {
        const auto waiting = seq != 0 ? repeats_.numbered(context.repeat, seq) : repeats_.forget(context.repeat);
        for (const auto connection : waiting) {
            const auto asking = options_.find(connection);
            if (!asking) continue;
            if (seq != 0) refusals_.answer(*asking, ok_message(context.of, context.id, room, seq, true));
            else refusals_.unavailable(*asking, {context.of, context.id, room});
        }
    }

    /// Does what is due. Says when it will be next.
    Instant tick(Instant time) {
        for (const auto& news : likes_.due(time)) tell(news, time);
        return likes_.next();
    }

private:
    using Publish = typename Registry::Publish;
    using MessageClass = roomcast::MessageClass;
    using Delivery = roomcast::Delivery;
    static constexpr std::uint64_t likes_key = 1;

    /// `write(author, ts, how)` returns the message, without its number.
    template <class Write>
    void say(const Handle& c, Asked asked, const std::optional<std::string>& named, Write&& write) {
        const ChatSession& chat = c->chat();
        const auto room = refusals_.room_of(c, asked, named);
        if (!room) return;
        asked.room = *room;

        RequestContext context{.id = std::string(asked.id), .of = asked.of};
        if (!asked.id.empty()) {
            // A room that has ended and come again is another.
            const auto log = rooms_.position(*room).value_or(roomcast::Position{});
            context.repeat = Repeats::key(*room + roomcast::epoch_text(log.epoch), chat.user, asked.of, asked.id);
            if (const auto known = repeats_.take(context.repeat, chat.id(), now()); known.repeated) {
                if (known.seq != 0 && refusals_.command_allowed(c, asked))
                    refusals_.answer(c, ok_message(asked.of, asked.id, *room, known.seq, true));
                return;
            }
        }

        const auto forget = [&] {
            if (!asked.id.empty()) numbered(context, *room, 0);
        };
        roomcast::PublishResult result;
        try {
            const std::string name = chat.name();
            const Author author{*room, chat.user, name, roles_.is_host(*room, chat.user)};
            Publish how;
            how.context = context;
            const std::string message = write(author, options_.unix_ms(), how);
            // The registry's rates leave alone what is paid for.
            if (how.message_class == MessageClass::paid && !refusals_.command_allowed(c, asked)) return forget();
            result = rooms_.publish(c, *room, message, std::move(how));
        } catch (...) {
            forget();
            throw;
        }
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

    /// With a key, so that a slow reader has but the newest waiting: the total
    /// is what counts, and a delta that was overtaken is lost with its message.
    void tell(const LikeBoard::News& news, Instant time) {
        const auto text = like_message(news.room, news.delta, news.total, options_.unix_ms());
        const auto delivery = rooms_.broadcast(
            news.room, text, {.numbered = false, .message_class = MessageClass::bulk, .key = likes_key});
        if (delivery == Delivery::overloaded) likes_.put_back(news, time);
        // The last like came while the room closed, and after that was told.
        else if (delivery == Delivery::no_room) likes_.forget(news.room);
    }

    [[nodiscard]] Instant now() const { return roomcast::instant_of(clock_.now()); }

    Registry& rooms_;
    Refusals<Registry, Clock>& refusals_;
    const Roles<Registry>& roles_;
    const Clock clock_;
    const PublishingOptions<Handle> options_;
    Repeats repeats_;
    LikeBoard likes_;
};

}  // namespace live_comment
