// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <charconv>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <roomcast/close_code.hpp>

#include "rate.hpp"

namespace live_comment {

/// A connection's id as clients and logs see it: opaque, 16 hexadecimal digits.
[[nodiscard]] inline std::string connection_text(std::uint64_t id) {
    constexpr std::string_view hex = "0123456789abcdef";
    std::string text(16, '0');
    for (auto digit = text.rbegin(); id != 0; id >>= 4) *digit++ = hex[id & 15];
    return text;
}

/// Reads 16 hexadecimal digits: a connection's id, or an epoch.
[[nodiscard]] inline std::optional<std::uint64_t> hex_number(std::string_view text) noexcept {
    std::uint64_t id = 0;
    const auto read = std::from_chars(text.data(), text.data() + text.size(), id, 16);
    if (text.size() != 16 || read.ec != std::errc() || read.ptr != text.data() + text.size()) return std::nullopt;
    return id;
}

/// What one connection has told us. The connection owns it and shows it as
/// `chat()`.
///
/// Thread safety: the plain members belong to whoever handles this
/// connection's messages, which are handled one at a time; the rest may be
/// called concurrently.
class ChatSession {
public:
    explicit ChatSession(std::uint64_t id) : id_(id) {}

    std::string user{};         ///< settled by the first accepted join; empty before
    std::string room{};         ///< of its own last accepted join
    std::string key{};          ///< to the user's names, where these are protected
    bool key_is_new = false;    ///< and the client has to be told
    bool told_outside = false;  ///< has heard `not_in_room` while in no room at all
    TokenBucket commands{};     ///< its rate until the user is settled
    Strikes bad_messages{};
    Strikes refused_by_rate{};

    [[nodiscard]] std::uint64_t id() const noexcept { return id_; }

    /// What others see; empty before the first accepted join.
    [[nodiscard]] std::string name() const {
        const std::lock_guard lock(mutex_);
        return name_;
    }
    void rename(std::string name) {
        const std::lock_guard lock(mutex_);
        name_ = std::move(name);
    }

    /// The room that a farewell with this code is to name, though the
    /// connection is not in it; empty: the one that it was in.
    [[nodiscard]] std::string asked_room(roomcast::CloseCode code) const {
        const std::lock_guard lock(mutex_);
        return code == asked_code_ ? asked_room_ : std::string();
    }
    void ask_for(roomcast::CloseCode code, std::string asked) {
        const std::lock_guard lock(mutex_);
        asked_code_ = code;
        asked_room_ = std::move(asked);
    }

    /// Whether a join's answer has told what only the first one tells.
    std::atomic<bool> introduced{false};

    /// Since when it may have been in no room, and when that is looked at; the
    /// OutsideWatch's, under its lock.
    Instant outside_since{};
    std::optional<Instant> look_at{};

private:
    const std::uint64_t id_;
    mutable std::mutex mutex_;  // guards all below: control events are written on any thread
    std::string name_;
    roomcast::CloseCode asked_code_ = roomcast::CloseCode::normal;
    std::string asked_room_;
};

}  // namespace live_comment
