// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "rate.hpp"

namespace live_comment {

/// How much each room was liked, and when it is to hear that: within a second
/// of a like, and at most once a second.
///
/// Thread safety: all functions may be called concurrently.
class LikeBoard {
public:
    static constexpr Instant spacing = std::chrono::seconds(1);
    /// Lets a burst of likes end before the first word of it.
    static constexpr Instant delay = std::chrono::milliseconds(100);

    /// Says when the room is due, if that has not been said before.
    std::optional<Instant> add(std::string_view room, std::uint64_t count, Instant now) {
        const std::lock_guard lock(mutex_);
        auto at = rooms_.find(room);
        if (at == rooms_.end()) at = rooms_.emplace(std::string(room), Room()).first;
        at->second.total += count;
        return owe(*at, count, now);
    }

    [[nodiscard]] std::uint64_t total(std::string_view room) const {
        const std::lock_guard lock(mutex_);
        const auto at = rooms_.find(room);
        return at == rooms_.end() ? 0 : at->second.total;
    }

    /// A room of that name begins at nothing.
    void forget(std::string_view room) {
        const std::lock_guard lock(mutex_);
        const auto at = rooms_.find(room);
        if (at != rooms_.end()) rooms_.erase(at);
    }

    struct News {
        std::string room;
        std::uint64_t delta = 0;  ///< since the last time
        std::uint64_t total = 0;
    };

    /// Takes what is to be told now.
    [[nodiscard]] std::vector<News> due(Instant now) {
        const std::lock_guard lock(mutex_);
        std::vector<News> news;
        while (!waiting_.empty() && waiting_.begin()->first <= now) {
            auto node = waiting_.extract(waiting_.begin());
            const auto at = rooms_.find(node.mapped());
            if (at == rooms_.end() || at->second.due != node.key()) continue;  // of a room before it
            at->second.due.reset();
            at->second.taken_at = now;
            news.push_back({std::move(node.mapped()), std::exchange(at->second.untold, 0), at->second.total});
        }
        return news;
    }

    /// The room could not be told; it will be with what comes until then.
    std::optional<Instant> put_back(const News& news, Instant now) {
        const std::lock_guard lock(mutex_);
        const auto at = rooms_.find(news.room);
        return at == rooms_.end() ? std::nullopt : owe(*at, news.delta, now);
    }

    [[nodiscard]] Instant next() const {
        const std::lock_guard lock(mutex_);
        return waiting_.empty() ? Instant::max() : waiting_.begin()->first;
    }

private:
    struct Room {
        std::uint64_t total = 0, untold = 0;
        Instant taken_at{-spacing};
        std::optional<Instant> due{};
    };
    // Ordered: clients choose these ids, and a tree has no bad ones.
    using Rooms = std::map<std::string, Room, std::less<>>;

    std::optional<Instant> owe(Rooms::value_type& room, std::uint64_t count, Instant now) {
        auto& [id, entry] = room;
        entry.untold += count;
        if (entry.due) return std::nullopt;
        entry.due = std::max(now + delay, entry.taken_at + spacing);
        waiting_.emplace(*entry.due, id);
        return entry.due;
    }

    mutable std::mutex mutex_;  // guards all below
    Rooms rooms_;
    std::multimap<Instant, std::string> waiting_;
};

}  // namespace live_comment
