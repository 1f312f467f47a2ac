// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include <roomcast/instant.hpp>

#include "chat_session.hpp"

namespace live_comment {

using roomcast::Instant;

/// Finds the connections that have been in no room for too long. Holds at most
/// one entry for each connection, however often it joins and leaves, until it
/// is gone, and no handle.
///
/// Thread safety: all functions may be called concurrently.
class OutsideWatch {
public:
    static constexpr Instant limit = std::chrono::seconds(60);

    /// The connection may be in no room from now on. Says when to look, if
    /// that has not been said before. O(log n).
    std::optional<Instant> outside(ChatSession& chat, Instant now) {
        const std::lock_guard lock(mutex_);
        chat.outside_since = now;
        if (chat.look_at) return std::nullopt;
        return look(chat, now + limit);
    }

    /// The connection is of no interest any more. O(log n).
    void gone(ChatSession& chat) noexcept {
        const std::lock_guard lock(mutex_);
        if (chat.look_at) entries_.erase({*chat.look_at, chat.id()});
        chat.look_at.reset();
    }

    /// The ids of those to look at now.
    [[nodiscard]] std::vector<std::uint64_t> due(Instant now) {
        const std::lock_guard lock(mutex_);
        std::vector<std::uint64_t> ids;
        for (; !entries_.empty() && entries_.begin()->first <= now; entries_.erase(entries_.begin()))
            ids.push_back(entries_.begin()->second);
        return ids;
    }

    /// Looks at one that was due: true when it has been outside for the whole
    /// time. `is_outside` asks whether it is in no room.
    template <class IsOutside>
    [[nodiscard]] bool expired(ChatSession& chat, Instant now, IsOutside&& is_outside) {
        {
            // Before the question: whoever leaves after it will be watched anew.
            const std::lock_guard lock(mutex_);
            chat.look_at.reset();
        }
        if (!is_outside()) return false;
        const std::lock_guard lock(mutex_);
        const Instant at = chat.outside_since + limit;
        if (at <= now) return true;
        if (!chat.look_at) look(chat, at);
        return false;
    }

    [[nodiscard]] Instant next() const {
        const std::lock_guard lock(mutex_);
        return entries_.empty() ? Instant::max() : entries_.begin()->first;
    }

private:
    Instant look(ChatSession& chat, Instant at) {
        entries_.emplace(at, chat.id());
        chat.look_at = at;
        return at;
    }

    mutable std::mutex mutex_;
    std::set<std::pair<Instant, std::uint64_t>> entries_;  // guarded by mutex_
};

}  // namespace live_comment
