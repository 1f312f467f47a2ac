// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include <roomcast/registry.hpp>
#include <spdlog/spdlog.h>

#include "chat_session.hpp"
#include "comment_events.hpp"
#include "guest_names.hpp"
#include "messages.hpp"
#include "moderation.hpp"
#include "outside_watch.hpp"
#include "protocol.hpp"
#include "publishing.hpp"
#include "rate.hpp"
#include "refusals.hpp"
#include "roles.hpp"

namespace live_comment {

[[nodiscard]] inline std::int64_t unix_time_ms() {
    using namespace std::chrono;
    return duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count();
}

/// What is the service's own to choose; the rest are the registry's options,
/// among them the rate of comments (Options::user_rate).
struct ServiceOptions {
    Rate commands{10, 20};                   ///< of a user, across devices, for whatever is no comment
    bool guest_host = true;                  ///< the first to enter a new room is its host
    bool guest_names = false;                ///< names in use are protected by a key
    std::vector<std::string> gifts{"rose"};  ///< what may be given
    std::string server{"{}"};                ///< what `joined.server` holds, as JSON
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
    using member_info = MemberInfo;
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
          wake_(rooms.wake),
          commands_(options_.commands),
          roles_(rooms_, options_.guest_host),
          refusals_(rooms_, commands_, clock, rooms.membership == roomcast::Membership::many_rooms),
          publishing_(rooms_, refusals_, roles_, clock,
                      {options_.gifts, options_.unix_ms, [this](std::uint64_t id) { return connection(id); }}),
          moderation_(rooms_, refusals_, roles_),
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
        if (const auto* error = std::get_if<Refused>(&message)) return refusals_.bad_message(c, *error);
        auto& request = std::get<Request>(message);
        std::visit([&](auto& what) { handle(c, request.id, what); }, request.what);
    }

    void writable(const Handle& c) { rooms_.writable(c); }

    void closed(const Handle& c) {
        rooms_.disconnect(c);
        ChatSession& chat = c->chat();
        if (!chat.key.empty()) names_.release(chat.user, chat.name());
        chat.key.clear();
        outsiders_.gone(chat);
        const std::lock_guard lock(connections_mutex_);
        connections_.erase(chat.id());
    }

    /// Does what is due. Returns when it is to be called next.
    time_point tick() {
        const time_point polled = rooms_.poll();
        const Instant time = now();
        close_outsiders(time);
        const Instant next = std::min({publishing_.tick(time), outsiders_.next(), commands_.sweep(time)});
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
        return roles_.role(creator, user);
    }
    [[nodiscard]] std::uint64_t likes(std::string_view room) const { return publishing_.likes(room); }
    [[nodiscard]] std::int64_t unix_ms() const { return options_.unix_ms(); }
    void numbered(const RequestContext& context, const std::string& room, std::uint64_t seq) {
        publishing_.numbered(context, room, seq);
    }

    void observed(const auto& e) noexcept {
        using roomcast::EventKind;
        try {
            switch (e.kind) {
                case EventKind::room_opened:
                case EventKind::joined:
                case EventKind::migrated: return;
                case EventKind::room_closed: return publishing_.closed(e.room);
                case EventKind::left:
                    if (e.connection && e.cause != roomcast::LeaveCause::disconnected) outside(*e.connection);
                    return;
                case EventKind::message_dropped:
                    spdlog::error("a message for room \"{}\" could not be encoded", log_text(e.room));
                    return;
            }
        } catch (const std::exception& error) {
            spdlog::error("a change of room \"{}\" goes unnoticed: {}", log_text(e.room), error.what());
        }
    }

private:
    using Wire = roomcast::connection_traits<Handle>;
    using CloseCode = roomcast::CloseCode;
    using milliseconds = std::chrono::milliseconds;

    // Requests.

    void handle(const Handle& c, const std::string& id, JoinRequest& join) {
        ChatSession& chat = c->chat();
        const Asked asked{"join", id, join.room};
        if (chat.user.empty() && !join.user)
            return refusals_.bad_field(c, asked, "user", "a first join names its user");
        if (!refusals_.command_allowed(c, asked)) return;
        const std::string user = chat.user.empty() ? *join.user : chat.user;
        if (join.user && *join.user != user)
            return refusals_.answer(c, asked.refused("forbidden", "this connection belongs to another user"));
        std::string name = join.name.value_or(chat.user.empty() ? user : chat.name());

        std::optional<std::string> key;
        if (options_.guest_names && (chat.key.empty() || name != chat.name())) {
            key = names_.claim(user, name, chat.key.empty() ? join.key.value_or(std::string()) : chat.key);
            if (!key) return refusals_.answer(c, asked.refused("name_taken", "this name is in use"));
        }

        const auto replaced = join.replaces ? other_connection(c, *join.replaces) : std::nullopt;
        typename Registry::Join request;
        request.user = user;
        request.room = join.room;
        request.history = join.history;
        if (join.since) request.since = {hex_number(join.since->epoch).value_or(0), join.since->seq};
        request.may_migrate = !join.resume;
        request.replaces = replaced ? &*replaced : nullptr;
        request.info = {name};
        request.update_info = true;
        request.context = {.id = id, .name = name, .first = !chat.introduced};
        const bool key_is_new = key && chat.key.empty() ? join.key != key : chat.key_is_new;
        if (key_is_new) request.context.key = key ? *key : chat.key;

        const roomcast::JoinResult result = rooms_.join(c, std::move(request));
        if (!result) {
            if (key) names_.release(user, name);
            return refusals_.join(c, asked, result.refusal, user);
        }
        if (key && !chat.key.empty()) names_.release(user, chat.name());
        if (key) chat.key = *key;
        chat.key_is_new = key_is_new;
        chat.user = user;
        chat.room = join.room;
        chat.rename(std::move(name));
        chat.told_outside = false;
    }

    void handle(const Handle& c, const std::string& id, LeaveRequest& leave) {
        const std::string room = leave.room.value_or(std::string());
        if (!refusals_.command_allowed(c, {"leave", id, room})) return;
        const bool left = leave.room ? rooms_.leave(c, room, {.id = id}) == roomcast::LeaveStatus::left
                                     : rooms_.leave_all(c, {.id = id}) > 0;
        if (!left) refusals_.answer(c, left_message(id, room));
    }

    void handle(const Handle& c, const std::string& id, CommentRequest& comment) { publishing_.comment(c, id, comment); }
    void handle(const Handle& c, const std::string& id, GiftRequest& gift) { publishing_.gift(c, id, gift); }
    void handle(const Handle& c, const std::string& id, LikeRequest& like) {
        if (const auto due = publishing_.like(c, id, like)) wake(*due);
    }
    void handle(const Handle& c, const std::string& id, KickRequest& kick) { moderation_.kick(c, id, kick); }
    void handle(const Handle& c, const std::string& id, DeleteRequest& erase) { moderation_.erase(c, id, erase); }

    void handle(const Handle& c, const std::string& id, PingRequest&) {
        if (!refusals_.command_allowed(c, {"ping", id})) return;
        const roomcast::Frame pong(pong_message(id, options_.unix_ms()));
        if (rooms_.send(c, pong)) return;
        // Closing: the registry says nothing any more, and this is all that is answered.
        Wire::send(c, Wire::encode({roomcast::MessageClass::control, {}, pong}, Wire::encoding(c)));
    }

    // Those in no room.

    void outside(const Handle& c) {
        if (const auto due = outsiders_.outside(c->chat(), now())) wake(*due);
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
    const roomcast::Wake<time_point> wake_;
    std::atomic<bool> draining_ = false, for_good_ = false;
    UserRate commands_;
    GuestNames names_;
    OutsideWatch outsiders_;
    mutable std::mutex connections_mutex_;
    std::unordered_map<std::uint64_t, Handle> connections_;  // by id; guarded by connections_mutex_
    const Roles<Registry> roles_;
    Refusals<Registry, Clock> refusals_;
    Publishing<Registry, Clock> publishing_;
    Moderation<Registry, Clock> moderation_;
    Registry rooms_;  // last: its policies use all of the above
};

}  // namespace live_comment
