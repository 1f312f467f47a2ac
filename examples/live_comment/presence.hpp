// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <chrono>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <roomcast/instant.hpp>
#include <roomcast/results.hpp>

namespace live_comment {

using roomcast::Instant;

/// Which rooms are to hear their counts, and when: within a second of a
/// change, at most once a second, and only counts that they have not heard.
///
/// Thread safety: all functions may be called concurrently.
class PresenceBoard {
public:
    static constexpr Instant spacing = std::chrono::seconds(1);
    /// Lets a burst of joins end before the first word of it.
    static constexpr Instant delay = std::chrono::milliseconds(100);

    /// Says when the room is due, if that has not been said before.
    std::optional<Instant> changed(std::string_view room, Instant now) {
        const std::lock_guard lock(mutex_);
        auto at = rooms_.find(room);
        if (at == rooms_.end()) at = rooms_.emplace(std::string(room), Room()).first;
        Room& entry = at->second;
        if (entry.due) return std::nullopt;
        entry.due = std::max(now + delay, entry.taken_at + spacing);
        waiting_.emplace(*entry.due, at->first);
        return entry.due;
    }

    void closed(std::string_view room) {
        const std::lock_guard lock(mutex_);
        const auto at = rooms_.find(room);
        if (at != rooms_.end()) rooms_.erase(at);
    }

    /// Takes the rooms whose time has come.
    [[nodiscard]] std::vector<std::string> due(Instant now) {
        const std::lock_guard lock(mutex_);
        std::vector<std::string> rooms;
        while (!waiting_.empty() && waiting_.begin()->first <= now) {
            auto node = waiting_.extract(waiting_.begin());
            const auto at = rooms_.find(node.mapped());
            if (at == rooms_.end() || at->second.due != node.key()) continue;  // of a room before it
            at->second.due.reset();
            at->second.taken_at = now;  // who comes from now on is told a second later
            rooms.push_back(std::move(node.mapped()));
        }
        return rooms;
    }

    [[nodiscard]] bool is_news(std::string_view room, roomcast::Counts counts) const {
        const std::lock_guard lock(mutex_);
        const auto at = rooms_.find(room);
        return at != rooms_.end() && at->second.told != counts;
    }
    void told(std::string_view room, roomcast::Counts counts) {
        const std::lock_guard lock(mutex_);
        const auto at = rooms_.find(room);
        if (at != rooms_.end()) at->second.told = counts;
    }

    [[nodiscard]] Instant next() const {
        const std::lock_guard lock(mutex_);
        return waiting_.empty() ? Instant::max() : waiting_.begin()->first;
    }

private:
    struct Room {
        std::optional<roomcast::Counts> told{};
        Instant taken_at{-spacing};
        std::optional<Instant> due{};
    };

    mutable std::mutex mutex_;  // guards all below
    std::map<std::string, Room, std::less<>> rooms_;
    std::multimap<Instant, std::string> waiting_;
};

}  // namespace live_comment
