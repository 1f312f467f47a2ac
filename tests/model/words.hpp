// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <chrono>
#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/operation.hpp"
#include "roomcast/events.hpp"
#include "roomcast/observer.hpp"
#include "roomcast/options.hpp"
#include "roomcast/results.hpp"
#include "support/catch.hpp"

/// What the registry and its reference say, as text.
namespace model {

inline std::string user_name(int user) { return "u" + std::to_string(user); }
inline std::string room_name(int room) { return "r" + std::to_string(room); }

/// Ids of both kinds by name.
inline std::string user_name(std::string_view id) { return std::string(id); }
inline std::string room_name(const std::string& id) { return id; }
inline std::string user_name(std::uint64_t id) { return user_name(static_cast<int>(id)); }
inline std::string room_name(std::uint64_t id) { return room_name(static_cast<int>(id)); }

inline constexpr const char* deleted_payload = "#";

struct JoinedText {
    std::string room, user;
    std::optional<std::string> from, creator;
    int info = 0;
    std::optional<int> context;
    std::uint64_t seq = 0;
    roomcast::Counts counts{};
    bool was_recovering = false, recovered = false;
    std::vector<std::pair<std::uint64_t, std::string>> history;  // deleted_payload where it was deleted
};

inline std::string joined_text(const JoinedText& e) {
    std::string text = "joined " + e.room + ' ' + e.user + " from=" + e.from.value_or("-") +
                       " by=" + e.creator.value_or("-") + " info=" + std::to_string(e.info) +
                       " context=" + (e.context ? std::to_string(*e.context) : "-") +
                       " seq=" + std::to_string(e.seq) + " users=" + std::to_string(e.counts.users) +
                       " connections=" + std::to_string(e.counts.connections);
    if (e.was_recovering) text += e.recovered ? " recovered" : " not recovered";
    else if (e.recovered) text += " recovered without being asked";
    for (const auto& [seq, payload] : e.history) text += " [" + std::to_string(seq) + ' ' + payload + ']';
    return text;
}
inline std::string moved_text(const std::string& from, const std::string& to) { return "moved " + from + '>' + to; }
inline std::string left_text(const std::string& room, int context) {
    return "left " + room + ' ' + std::to_string(context);
}
inline std::string removed_text(const std::string& room, roomcast::CloseReason reason) {
    return "removed " + room + ' ' + tests::enum_text(reason.code) + ' ' + std::string(reason.text);
}
/// Empty for codes under 4000, as by default.
inline std::string farewell_text(const std::optional<std::string>& room, roomcast::CloseReason reason) {
    if (static_cast<int>(reason.code) < 4000) return {};
    return "farewell " + room.value_or("-") + ' ' + tests::enum_text(reason.code) + ' ' + std::string(reason.text);
}
inline std::string gap_text(const std::string& room, std::uint64_t dropped, std::uint64_t from, std::uint64_t to) {
    return "gap " + room + ' ' + std::to_string(dropped) + " of " + std::to_string(from) + '-' + std::to_string(to);
}
/// Empty when nothing was asked for.
inline std::string published_text(const std::string& room, int context, std::uint64_t seq) {
    if (context == 0) return {};
    return "published " + room + ' ' + std::to_string(context) + " as " + std::to_string(seq);
}
inline std::string not_published_text(const std::string& room, int context) {
    return context == 0 ? "" : "not published " + room + ' ' + std::to_string(context);
}
inline std::string not_joined_text(const std::string& room, int context) {
    return context == 0 ? "" : "not joined " + room + ' ' + std::to_string(context);
}
inline std::string deleted_text(const std::string& room, std::uint64_t seq) {
    return "deleted " + room + ' ' + std::to_string(seq);
}
inline std::string reset_text(const std::string& room, std::uint64_t seq) {
    return "reset " + room + ' ' + std::to_string(seq);
}

/// A user and the host's info about it.
using NameText = std::pair<std::string, int>;
/// In the order of their names: that of their coming is not promised.
inline std::string presence_text(const std::string& room, roomcast::Counts counts, std::vector<NameText> came,
                                 std::vector<NameText> went) {
    std::sort(came.begin(), came.end());
    std::sort(went.begin(), went.end());
    std::string text = "presence " + room + ' ' + std::to_string(counts.users) + '/' + std::to_string(counts.connections);
    for (const auto& [user, info] : came) text += " +" + user + '=' + std::to_string(info);
    for (const auto& [user, info] : went) text += " -" + user + '=' + std::to_string(info);
    return text;
}
inline std::string sampled_text(const std::string& room, std::uint64_t left_out) {
    return "sampled " + room + ' ' + std::to_string(left_out);
}

/// The registry's control events in these words.
struct PlainEvents : roomcast::SilentEvents {
    template <class T>
    std::string joined(const roomcast::JoinedEvent<T>& e) const {
        JoinedText text{.room = room_name(e.room), .user = user_name(e.user), .from = {}, .creator = {},
                        .info = e.info, .context = {}, .seq = e.position.seq, .counts = e.counts,
                        .was_recovering = e.was_recovering, .recovered = e.recovered, .history = {}};
        if (e.from) text.from = room_name(*e.from);
        if (e.creator) text.creator = user_name(*e.creator);
        if (e.context) text.context = *e.context;
        for (const auto& entry : e.history)
            text.history.emplace_back(entry.seq, entry.deleted ? deleted_payload : entry.payload);
        return joined_text(text);
    }
    template <class T>
    std::string moved(const roomcast::MovedEvent<T>& e) const {
        return moved_text(room_name(e.from), room_name(e.to));
    }
    template <class T>
    std::string left(const roomcast::LeftEvent<T>& e) const {
        return left_text(room_name(e.room), e.context);
    }
    template <class T>
    std::string removed(const roomcast::RemovedEvent<T>& e) const {
        return removed_text(room_name(e.room), e.reason);
    }
    template <class T>
    std::string force_disconnect(const roomcast::ForceDisconnectEvent<T>& e) const {
        return farewell_text(e.room ? std::optional(room_name(*e.room)) : std::nullopt, e.reason);
    }
    template <class T>
    std::string gap(const roomcast::GapEvent<T>& e) const {
        return gap_text(room_name(e.room), e.dropped, e.from, e.to);
    }
    template <class T>
    std::string published(const roomcast::PublishedEvent<T>& e) const {
        return published_text(room_name(e.room), e.context, e.position.seq);
    }
    template <class T>
    std::string not_published(const roomcast::CancelledEvent<T>& e) const {
        return not_published_text(room_name(e.room), e.context);
    }
    template <class T>
    std::string not_joined(const roomcast::CancelledEvent<T>& e) const {
        return not_joined_text(room_name(e.room), e.context);
    }
    template <class T>
    std::string presence(const roomcast::PresenceEvent<T>& e) const {
        const auto names = [](const auto& list) {
            std::vector<NameText> texts;
            for (const auto& name : list) texts.emplace_back(user_name(name.user), *name.info);
            return texts;
        };
        return presence_text(room_name(e.room), e.counts, names(e.came), names(e.went));
    }
    template <class T>
    std::string deleted(const roomcast::DeletedEvent<T>& e) const {
        return deleted_text(room_name(e.room), e.seq);
    }
    template <class T>
    std::string reset(const roomcast::ResetEvent<T>& e) const {
        return reset_text(room_name(e.room), e.position.seq);
    }
    template <class T>
    std::string sampled(const roomcast::SampledEvent<T>& e) const {
        return sampled_text(room_name(e.room), e.left_out);
    }
};

/// A message that came too soon.
inline std::string limited_text(std::chrono::nanoseconds wait) {
    return "rate_limited, " + std::to_string(wait.count()) + " ns to wait";
}

/// An observer's event.
struct EventText {
    roomcast::EventKind kind;
    std::string room;
    std::uint64_t epoch = 0;
    std::string from{}, user{}, connection{};
    roomcast::LeaveCause cause = roomcast::LeaveCause::left;
    roomcast::CloseCode code = roomcast::CloseCode::normal;
    std::size_t moved = 0;
    bool user_changed = false;
};

inline std::string event_text(const EventText& e) {
    std::string text = tests::enum_text(e.kind) + ' ' + e.room;
    if (!e.from.empty()) text += " from " + e.from;
    if (!e.user.empty()) text += ' ' + e.user;
    if (!e.connection.empty()) text += ' ' + e.connection;
    if (e.kind == roomcast::EventKind::left) text += ' ' + tests::enum_text(e.cause);
    if (e.code != roomcast::CloseCode::normal) text += ' ' + tests::enum_text(e.code);
    if (e.moved != 0) text += ' ' + std::to_string(e.moved) + " moved";
    // Which of several is the last to leave is not promised.
    if (e.user_changed && e.kind != roomcast::EventKind::left) text += " user changed";
    return text;
}

/// A time as seen from `now`.
inline std::string in_words(Time time, Time now) {
    if (time == Time::max()) return "never";
    return std::to_string(std::chrono::duration_cast<milliseconds>(time - now).count()) + " ms from now";
}

inline std::string in_words(const roomcast::testing::Heard& item) {
    if (item.kind == roomcast::testing::Heard::Kind::send) return item.text;
    return '(' + tests::enum_text(item.kind) + ' ' + tests::enum_text(item.code) + ' ' + item.text + ')';
}

}  // namespace model
