// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>

#include <roomcast/registry.hpp>
#include <spdlog/spdlog.h>

#include "chat_session.hpp"
#include "comment_events.hpp"
#include "guest_names.hpp"
#include "messages.hpp"
#include "outside_watch.hpp"
#include "presence.hpp"
#include "protocol.hpp"
#include "rate.hpp"
#include "repeats.hpp"

namespace live_comment {

[[nodiscard]] inline std::int64_t unix_time_ms() {
    using namespace std::chrono;
    return duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count();
}

/// What is the service's own to choose; the rest are the registry's options.
struct ServiceOptions {
    Rate comments{1, 5};       ///< of a user, across devices
    Rate commands{10, 20};     ///< the same, for whatever is no comment
    bool guest_host = true;    ///< the first to enter a new room is its host
    bool guest_names = false;  ///< names in use are protected by a key
    std::string server{"{}"};  ///< what `joined.server` holds, as JSON
    std::int64_t (*unix_ms)() = unix_time_ms;
};

template <class Handle, class Clock>
class Service;

template <class Service>
struct ServiceObserver {
    Service* service = nullptr;
    void on_event(const auto& event) noexcept { service->observed(event); }
};

template <class Handle, class Clock>
struct CommentTraits : roomcast::DefaultTraits {
    using clock = Clock;
    using context = RequestContext;
    using events = CommentEvents<Service<Handle, Clock>>;
    using observer = ServiceObserver<Service<Handle, Clock>>;
};

/// The verbs of live comments, without any socket. The transport says what
/// came (`opened`, `received`, `writable`, `closed`), a timer calls `tick`, and
/// the registry inside sends. A handle's session shows its ChatSession as
/// `chat()`, and encodes messages as its wire wants them.
///
/// Thread safety: all functions may be called concurrently, but for the
/// transport's calls for one connection, which come one at a time.
template <class Handle, class Clock = std::chrono::steady_clock>
class Service {
public:
    using Traits = CommentTraits<Handle, Clock>;
    using Registry = roomcast::RoomRegistry<Handle, Traits>;
    using time_point = typename Clock::time_point;

    Service(typename Registry::Options rooms, ServiceOptions options, Clock clock = Clock())
        : options_(std::move(options)),
          clock_(clock),
          many_rooms_(rooms.membership == roomcast::Membership::many_rooms),
          wake_(rooms.wake),
          rates_(options_.comments, options_.commands),
          rooms_(std::move(rooms), {.observer = {this}, .events = typename Traits::events(this), .clock = clock}) {}

    [[nodiscard]] Registry& rooms() noexcept { return rooms_; }
    [[nodiscard]] const Registry& rooms() const noexcept { return rooms_; }

    // The transport's calls.

    void opened(const Handle& c) {
        {
            const std::lock_guard lock(connections_mutex_);
            connections_.emplace(c->chat().id(), c);
        }
        if (rooms_.attach(c)) outside(c);
        else Wire::close(c, farewell_code(), "the server does not take connections now");
    }

    void received(const Handle& c, std::string_view frame) {
        auto message = parse(frame);
        if (const auto* error = std::get_if<Refused>(&message)) return refuse(c, *error);
        auto& request = std::get<Request>(message);
        std::visit([&](auto& what) { handle(c, request.id, what); }, request.what);
    }

    void writable(const Handle& c) { rooms_.writable(c); }

    void closed(const Handle& c) {
        rooms_.disconnect(c);
        ChatSession& chat = c->chat();
        if (!chat.key.empty()) names_.release(chat.user, chat.name());
        chat.key.clear();
        const std::lock_guard lock(connections_mutex_);
        connections_.erase(chat.id());
    }

    /// Does what is due. Returns when it is to be called next.
    time_point tick() {
        const time_point polled = rooms_.poll();
        const Instant time = now();
        tell_presence(time);
        close_outsiders(time);
        const Instant next = std::min({presence_.next(), outsiders_.next(), rates_.sweep(time)});
        return next == Instant::max() ? polled : std::min(polled, at(next));
    }

    /// Refuses newcomers and sends all away, a batch at a time: for good, or
    /// with a hint when to come back.
    void drain(bool for_good) {
        for_good_ = for_good;
        draining_ = true;
        rooms_.shutdown({farewell_code(), for_good ? "the server stops" : "the server restarts",
                         milliseconds(for_good ? 0 : 5'000)},
                        256, milliseconds(25));
    }

    // What the transport and HTTP ask.

    [[nodiscard]] bool draining() const noexcept { return draining_; }
    [[nodiscard]] std::size_t connections() const {
        const std::lock_guard lock(connections_mutex_);
        return connections_.size();
    }
    [[nodiscard]] const std::string& server_text() const noexcept { return options_.server; }

    // What the registry's policies call.

    [[nodiscard]] std::string_view role(const std::string* creator, std::string_view user) const noexcept {
        return options_.guest_host && creator && *creator == user ? "host" : "viewer";
    }

    void numbered(const RequestContext& context, const std::string& room, std::uint64_t seq) {
        for (const auto id : repeats_.numbered(context.comment, seq))
            if (const auto asking = connection(id)) answer(*asking, ok_message("comment", context.id, room, seq, true));
    }

    void observed(const auto& e) noexcept {
        using roomcast::EventKind;
        try {
            switch (e.kind) {
                case EventKind::room_closed: return presence_.closed(e.room);
                case EventKind::migrated: changed(*e.from); [[fallthrough]];
                case EventKind::joined: return changed(e.room);
                case EventKind::left:
                    changed(e.room);
                    if (e.connection && e.cause != roomcast::LeaveCause::disconnected) outside(*e.connection);
                    return;
                case EventKind::message_dropped:
                    spdlog::error("a message for room \"{}\" could not be encoded", log_text(e.room));
                    return;
                case EventKind::room_opened: return;
            }
        } catch (const std::exception& error) {
            spdlog::error("a change of room \"{}\" goes unannounced: {}", log_text(e.room), error.what());
        }
    }

private:
    using Wire = roomcast::connection_traits<Handle>;
    using CloseCode = roomcast::CloseCode;
    using milliseconds = std::chrono::milliseconds;

    // Requests.

    void handle(const Handle& c, const std::string& id, JoinRequest& join) {
        ChatSession& chat = c->chat();
        const auto refused = [&](std::string_view code, std::string message) {
            return Refused{.code = code, .message = std::move(message), .of = "join", .id = id, .room = join.room};
        };
        if (chat.user.empty() && !join.user) {
            Refused error = refused("bad_field", "a first join names its user");
            error.field = "user";
            return refuse(c, error);
        }
        if (!command_allowed(c, "join", id, join.room)) return;
        const std::string user = chat.user.empty() ? *join.user : chat.user;
        if (join.user && *join.user != user)
            return answer(c, error_message(refused("forbidden", "this connection belongs to another user")));
        std::string name = join.name.value_or(chat.user.empty() ? user : chat.name());

        std::optional<std::string> key;
        if (options_.guest_names && (chat.key.empty() || name != chat.name())) {
            key = names_.claim(user, name, chat.key.empty() ? join.key.value_or(std::string()) : chat.key);
            if (!key) return answer(c, error_message(refused("name_taken", "this name is in use")));
        }

        const auto replaced = join.replaces ? other_connection(c, *join.replaces) : std::nullopt;
        typename Registry::Join request;
        request.user = user;
        request.room = join.room;
        request.history = join.history;
        if (join.since) request.since = {hex_number(join.since->epoch).value_or(0), join.since->seq};
        request.may_migrate = !join.resume;
        request.replaces = replaced ? &*replaced : nullptr;
        request.context = {.id = id, .name = name, .first = chat.user.empty()};
        if (key && chat.key.empty() && join.key != key) request.context.key = *key;

        const roomcast::JoinResult result = rooms_.join(c, std::move(request));
        if (!result) {
            if (key) names_.release(user, name);
            return refuse_join(c, result.refusal, refused("unavailable", "the server cannot do this now"), user);
        }
        if (key && !chat.key.empty()) names_.release(user, chat.name());
        if (key) chat.key = *key;
        chat.user = user;
        chat.room = join.room;
        chat.rename(std::move(name));
        chat.told_outside = false;
    }

    void handle(const Handle& c, const std::string& id, LeaveRequest& leave) {
        if (!command_allowed(c, "leave", id, leave.room.value_or(std::string()))) return;
        const bool left = leave.room ? rooms_.leave(c, *leave.room, {.id = id}) == roomcast::LeaveStatus::left
                                     : rooms_.leave_all(c, {.id = id}) > 0;
        if (!left) answer(c, left_message(id, leave.room.value_or(std::string())));
    }

    void handle(const Handle& c, const std::string& id, CommentRequest& comment) {
        ChatSession& chat = c->chat();
        const auto room = room_of(c, "comment", id, comment.room);
        if (!room) return;

        RequestContext context{.id = id};
        if (!id.empty()) {
            context.comment = Repeats::key(*room, chat.user, "comment", id);
            const auto known = repeats_.take(context.comment, chat.id(), now());
            if (known.repeated) {
                if (known.seq != 0 && command_allowed(c, "comment", id, *room))
                    answer(c, ok_message("comment", id, *room, known.seq, true));
                return;
            }
        }
        const auto forget = [&] {
            if (!id.empty()) repeats_.forget(context.comment);
        };
        if (const Instant wait = rates_.comment(chat.user, now()); wait > Instant(0)) {
            forget();
            return rate_limited(c, "comment", id, *room, wait);
        }

        const std::string name = chat.name();
        const Author author{*room, chat.user, name, is_host(*room, chat.user)};
        const std::int64_t ts = options_.unix_ms();
        typename Registry::Publish publish;
        if (!id.empty()) publish.own = comment_message(author, comment, ts, id);
        publish.context = context;
        switch (rooms_.publish(c, *room, comment_message(author, comment, ts), std::move(publish))) {
            case roomcast::Delivery::sent:
            case roomcast::Delivery::queued: return;
            case roomcast::Delivery::no_room:
            case roomcast::Delivery::not_in_room: forget(); return not_in_room(c, "comment", id, *room);
            case roomcast::Delivery::closing: return forget();
            case roomcast::Delivery::overloaded: break;
        }
        forget();
        answer(c, error_message({.code = "unavailable",
                                 .message = "too much is said in this room at the moment",
                                 .of = "comment",
                                 .id = id,
                                 .room = *room,
                                 .retry_after_ms = 1'000}));
    }

    void handle(const Handle& c, const std::string& id, PingRequest&) {
        if (!command_allowed(c, "ping", id, {})) return;
        const roomcast::Frame pong(pong_message(id, options_.unix_ms()));
        if (rooms_.send(c, pong)) return;
        // Closing: the registry says nothing any more, and this is all that is answered.
        Wire::send(c, Wire::encode({roomcast::MessageClass::control, {}, pong}, Wire::encoding(c)));
    }

    void handle(const Handle& c, const std::string& id, KickRequest& kick) {
        const ChatSession& chat = c->chat();
        const auto room = room_of(c, "kick", id, kick.room);
        if (!room || !command_allowed(c, "kick", id, *room)) return;
        const auto refused = [&](std::string_view code, std::string message) {
            answer(c, error_message(
                          {.code = code, .message = std::move(message), .of = "kick", .id = id, .room = *room}));
        };
        if (!is_host(*room, chat.user)) return refused("forbidden", "only a host or moderator may");
        // The only role above viewer here is the host's, and a room has one host.
        if (kick.user == chat.user) return refused("forbidden", "nobody may kick themselves");
        const std::string_view reason = kick.reason.empty() ? std::string_view("kicked") : kick.reason;
        const auto removal = rooms_.kick_from(*room, kick.user, {CloseCode::removed_from_room, reason}, &c);
        if (!removal.permitted) return not_in_room(c, "kick", id, *room);
        if (!removal) return refused("not_in_room", "this user is not in the room");
        spdlog::info("kick room=\"{}\" user=\"{}\" by=\"{}\" connection={}", log_text(*room), log_text(kick.user),
                     log_text(chat.user), connection_text(chat.id()));
        answer(c, ok_message("kick", id, *room));
    }

    // Refusals.

    void answer(const Handle& c, const std::string& text) { rooms_.send(c, roomcast::Frame(text)); }

    /// A message that is not as the protocol wants it.
    void refuse(const Handle& c, const Refused& error) {
        answer(c, error_message(error));
        if (error.code != "too_large" && c->chat().bad_messages.strike(now()))
            end(c, {CloseCode::policy_violation, "too many bad messages"});
    }

    void refuse_join(const Handle& c, roomcast::Refusal refusal, Refused error, const std::string& user) {
        using roomcast::Refusal;
        switch (refusal) {
            case Refusal::closing: return;
            case Refusal::elsewhere:
                if (auto where = rooms_.room_of(user)) {
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
        error.message = std::string(roomcast::to_string(refusal));
        if (error.code == "unavailable" || error.code == "shutting_down") error.retry_after_ms = 5'000;
        answer(c, error_message(error));
    }

    void not_in_room(const Handle& c, std::string_view of, const std::string& id, const std::string& room) {
        ChatSession& chat = c->chat();
        if (rooms_.rooms_of(c).empty()) {
            if (chat.told_outside) {
                chat.ask_for(CloseCode::not_in_room, room);
                return end(c, {CloseCode::not_in_room, "acted on a room without being in one"});
            }
            chat.told_outside = true;
        } else if (!command_allowed(c, of, id, room)) {
            return;
        }
        answer(c, error_message({.code = "not_in_room",
                                 .message = "this connection is not in that room",
                                 .of = std::string(of),
                                 .id = id,
                                 .room = room}));
    }

    /// The room that a room message means, when the connection is in it;
    /// otherwise the answer has been given.
    std::optional<std::string> room_of(const Handle& c, std::string_view of, const std::string& id,
                                       const std::optional<std::string>& named) {
        if (!named && many_rooms_ && rooms_.rooms_of(c).size() > 1) {
            refuse(c, {.code = "bad_field",
                       .message = "in several rooms, which one has to be said",
                       .of = std::string(of),
                       .id = id,
                       .field = "room"});
            return std::nullopt;
        }
        const std::string& room = named ? *named : c->chat().room;
        if (!room.empty() && rooms_.is_member(c, room)) return room;
        not_in_room(c, of, id, room);
        return std::nullopt;
    }

    [[nodiscard]] bool command_allowed(const Handle& c, std::string_view of, const std::string& id,
                                       const std::string& room) {
        ChatSession& chat = c->chat();
        const Instant wait = chat.user.empty() ? chat.commands.take(rates_.commands(), now())
                                            : rates_.command(chat.user, now());
        if (wait == Instant(0)) return true;
        rate_limited(c, of, id, room, wait);
        return false;
    }

    void rate_limited(const Handle& c, std::string_view of, const std::string& id, const std::string& room,
                      Instant wait) {
        const auto retry_after = std::chrono::ceil<milliseconds>(wait);
        answer(c, error_message({.code = "rate_limited",
                                 .message = "too many requests",
                                 .of = std::string(of),
                                 .id = id,
                                 .room = room,
                                 .retry_after_ms = retry_after.count()}));
        if (c->chat().refused_by_rate.strike(now()))
            end(c, {CloseCode::too_many_requests, "went on past the rate limit", retry_after});
    }

    void end(const Handle& c, roomcast::CloseReason reason) {
        if (!rooms_.kick_connection(c, reason)) return;
        spdlog::info("connection {} is ended with {}: {}", connection_text(c->chat().id()),
                     static_cast<int>(reason.code), reason.text);
    }

    // What is told without being asked.

    void changed(const std::string& room) {
        if (const auto due = presence_.changed(room, now())) wake(*due);
    }

    void outside(const Handle& c) {
        if (const auto due = outsiders_.outside(c->chat(), now())) wake(*due);
    }

    void tell_presence(Instant time) {
        for (const std::string& room : presence_.due(time)) {
            const auto counts = rooms_.count(room);
            if (!counts || counts->connections == 0 || !presence_.is_news(room, *counts)) continue;
            const auto text = presence_message(room, *counts, options_.unix_ms());
            if (rooms_.broadcast(room, text, {.numbered = false}) == roomcast::Delivery::overloaded) changed(room);
            else presence_.told(room, *counts);
        }
    }

    void close_outsiders(Instant time) {
        for (const auto id : outsiders_.due(time)) {
            const auto c = connection(id);
            const auto is_outside = [&] { return rooms_.rooms_of(*c).empty(); };
            if (c && outsiders_.expired((*c)->chat(), time, is_outside))
                rooms_.kick_connection(*c, {CloseCode::normal, "in no room for too long"});
        }
    }

    // Helpers.

    [[nodiscard]] bool is_host(const std::string& room, const std::string& user) const {
        return options_.guest_host && rooms_.creator(room) == user;
    }

    [[nodiscard]] CloseCode farewell_code() const noexcept {
        return for_good_ ? CloseCode::going_away : CloseCode::restarting;
    }

    [[nodiscard]] std::optional<Handle> connection(std::uint64_t id) const {
        const std::lock_guard lock(connections_mutex_);
        const auto found = connections_.find(id);
        return found == connections_.end() ? std::nullopt : std::optional<Handle>(found->second);
    }

    [[nodiscard]] std::optional<Handle> other_connection(const Handle& c, std::string_view text) const {
        const auto id = hex_number(text);
        return id && *id != c->chat().id() ? connection(*id) : std::nullopt;
    }

    [[nodiscard]] Instant now() const { return roomcast::instant_of(clock_.now()); }
    [[nodiscard]] static time_point at(Instant time) {
        return time_point(std::chrono::duration_cast<typename Clock::duration>(time));
    }
    void wake(Instant time) const {
        if (wake_) wake_(at(time));
    }

    const ServiceOptions options_;
    const Clock clock_;
    const bool many_rooms_;
    const std::function<void(time_point)> wake_;
    std::atomic<bool> draining_ = false, for_good_ = false;
    UserRates rates_;
    Repeats repeats_;
    GuestNames names_;
    PresenceBoard presence_;
    OutsideWatch outsiders_;
    mutable std::mutex connections_mutex_;
    std::unordered_map<std::uint64_t, Handle> connections_;  // by id; guarded by connections_mutex_
    Registry rooms_;                                         // last: its policies use all of the above
};

}  // namespace live_comment
