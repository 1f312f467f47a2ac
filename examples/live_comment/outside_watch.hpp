// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <queue>
#include <utility>
#include <vector>

#include <roomcast/instant.hpp>

#include "chat_session.hpp"

namespace live_comment {

using roomcast::Instant;

/// Finds the connections that have been in no room for too long. Holds at most
/// one entry for each connection, however often it joins and leaves, and no
/// handle: an entry outlives its connection by up to `limit`.
///
/// Thread safety: all functions may be called concurrently.
class OutsideWatch {
public:
    static constexpr Instant limit = std::chrono::seconds(60);

    /// The connection may be in no room from now on. Says when to look, if
    /// that has not been said before.
    std::optional<Instant> outside(ChatSession& chat, Instant now) {
        chat.outside_since.store(now.count());
        if (chat.watched.exchange(true)) return std::nullopt;
        return add(chat.id(), now + limit);
    }

    /// The ids of those to look at now.
    [[nodiscard]] std::vector<std::uint64_t> due(Instant now) {
        const std::lock_guard lock(mutex_);
        std::vector<std::uint64_t> ids;
        for (; !queue_.empty() && queue_.top().first <= now; queue_.pop()) ids.push_back(queue_.top().second);
        return ids;
    }

    /// Looks at one that was due: true when it has been outside for the whole
    /// time. `is_outside` asks whether it is in no room.
    template <class IsOutside>
    [[nodiscard]] bool expired(ChatSession& chat, Instant now, IsOutside&& is_outside) {
        // Before the question: whoever leaves after it will be watched anew.
        chat.watched.store(false);
        if (!is_outside()) return false;
        const Instant at = Instant(chat.outside_since.load()) + limit;
        if (at <= now) return true;
        if (!chat.watched.exchange(true)) add(chat.id(), at);
        return false;
    }

    [[nodiscard]] Instant next() const {
        const std::lock_guard lock(mutex_);
        return queue_.empty() ? Instant::max() : queue_.top().first;
    }

private:
    using Entry = std::pair<Instant, std::uint64_t>;

    Instant add(std::uint64_t id, Instant at) {
        const std::lock_guard lock(mutex_);
        queue_.emplace(at, id);
        return at;
    }

    mutable std::mutex mutex_;
    std::priority_queue<Entry, std::vector<Entry>, std::greater<>> queue_;  // guarded by mutex_
};

}  // namespace live_comment
