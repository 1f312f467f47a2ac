// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <random>
#include <string>
#include <string_view>
#include <utility>

#include <roomcast/events.hpp>
#include <roomcast/json_events.hpp>
#include <roomcast/json_text.hpp>

#include "chat_session.hpp"
#include "messages.hpp"
#include "protocol.hpp"

namespace live_comment {

/// What a request leaves to be found when the room answers it.
struct RequestContext {
    std::string id{};       ///< the client's; empty: none
    std::string name{};     ///< join: what others will see
    std::string key{};      ///< join: to the user's names, for their first holder
    bool first = false;     ///< join: none of this connection was answered before
    std::string_view of{};  ///< comment or gift: which of the two
    std::string repeat{};   ///< the same, with an id: its key in Repeats
};

/// What the registry keeps of a user in a room.
struct MemberInfo {
    std::string name;  ///< what others see; that of the device which came last
};

/// Writes the control events of rooms in the words of the protocol.
///
/// `Host` answers, to any thread: `server_text()` (what `joined.server` holds,
/// as JSON), `role(room's creator or null, user)`, `likes(room)`, `unix_ms()`,
/// and hears `numbered(context, room, seq)` when a comment or gift with an id
/// has its number, or will get none (0).
template <class Host>
class CommentEvents : public roomcast::JsonEvents {
public:
    explicit CommentEvents(Host* host = nullptr) noexcept : host_(host) {}

    template <class T>
    std::string joined(const roomcast::JoinedEvent<T>& e) const {
        ChatSession& chat = e.connection->chat();
        const bool first = e.context && e.context->first && !chat.introduced.exchange(true);
        std::string name = e.context ? e.context->name : chat.name();
        if (name.empty()) name = e.user;
        std::string history = "[";
        for (const auto& entry : e.history) {
            if (history.size() > 1) history += ',';
            history += entry.deleted ? deleted_message(e.room, entry.seq) : with_seq(entry.payload, entry.seq);
        }
        history += ']';
        std::string state = R"({"slow_mode":0,"mute_all":false,"unique":false,"locked":false,"likes":)";
        roomcast::JsonText::append(state, host_->likes(e.room));
        state += '}';
        roomcast::JsonText online, json;
        online("users", e.counts.users)("connections", e.counts.connections);

        json("event", "joined")("room", e.room)("user", e.user)("name", name);
        json("role", host_->role(e.creator, e.user))("connection", connection_text(chat.id()));
        if (first) detail::optional_field(json, "key", e.context->key);
        if (e.from) json("from", *e.from);
        json("epoch", roomcast::epoch_text(e.position.epoch))("seq", e.position.seq);
        json.raw("online", std::move(online).str());
        json("was_recovering", e.was_recovering)("recovered", e.recovered);
        json.raw("history", history).raw("state", state);
        if (first) json.raw("server", host_->server_text());
        if (e.context) {
            json("of", "join");
            detail::optional_field(json, "id", e.context->id);
        }
        return std::move(json).str();
    }

    template <class T>
    std::string not_joined(const roomcast::CancelledEvent<T>& e) const {
        if (e.context.first) e.connection->chat().introduced = false;  // what was to introduce it was perhaps not sent
        const Asked asked{"join", e.context.id, e.room};
        return error_message(asked.refused("unavailable", "the connection or the room was gone before"));
    }

    template <class T>
    std::string left(const roomcast::LeftEvent<T>& e) const {
        return left_message(e.context.id, e.room);
    }

    template <class T>
    std::string published(const roomcast::PublishedEvent<T>& e) const {
        if (e.context.id.empty()) return {};
        host_->numbered(e.context, e.room, e.position.seq);
        return ok_message(e.context.of, e.context.id, e.room, e.position.seq);
    }

    template <class T>
    std::string not_published(const roomcast::CancelledEvent<T>& e) const {
        if (!e.context.id.empty()) host_->numbered(e.context, e.room, 0);
        const Asked asked{e.context.of, e.context.id, e.room};
        return error_message(asked.refused("unavailable", "this was not said after all"));
    }

    template <class T>
    std::string presence(const roomcast::PresenceEvent<T>& e) const {
        roomcast::JsonText json;
        json("event", "presence")("room", e.room)("users", e.counts.users)("connections", e.counts.connections);
        people(json, "came", e.came);
        people(json, "went", e.went);
        json("ts", host_->unix_ms());
        return std::move(json).str();
    }

    template <class T>
    std::string deleted(const roomcast::DeletedEvent<T>& e) const {
        return deleted_message(e.room, e.seq);
    }

    /// Names the room that was asked for, where the service said so. When all
    /// are sent away at once, each is told a time of its own, so that they do
    /// not all come back at once.
    template <class T>
    std::string force_disconnect(roomcast::ForceDisconnectEvent<T> e) const {
        const std::string asked = e.connection->chat().asked_room(e.reason.code);
        if (!asked.empty()) e.room = &asked;
        if (e.reason.code == roomcast::CloseCode::restarting && e.reason.retry_after.count() > 0) {
            thread_local std::minstd_rand random{std::random_device{}()};
            const auto most = e.reason.retry_after.count();
            std::uniform_int_distribution<std::chrono::milliseconds::rep> spread((most + 1) / 2, most);
            e.reason.retry_after = std::chrono::milliseconds(spread(random));
        }
        return JsonEvents::force_disconnect(e);
    }

private:
    template <class People>
    static void people(roomcast::JsonText& json, std::string_view field, const People& all) {
        if (all.empty()) return;
        std::string text = "[";
        for (const auto& one : all) {
            if (text.size() > 1) text += ',';
            roomcast::JsonText person;
            person("user", one.user)("name", one.info->name);
            text += std::move(person).str();
        }
        json.raw(field, text += ']');
    }

    Host* host_;
};

}  // namespace live_comment
