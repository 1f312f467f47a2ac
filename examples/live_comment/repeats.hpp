// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <roomcast/instant.hpp>

namespace live_comment {

using roomcast::Instant;

/// Remembers for five minutes which comments and gifts with an id were taken,
/// so that a client that is not sure may say it once more. At most `most` in
/// all; the oldest are forgotten first.
///
/// Thread safety: all functions may be called concurrently.
class Repeats {
public:
    static constexpr Instant memory = std::chrono::minutes(5);
    static constexpr std::size_t most_asking = 16;

    explicit Repeats(std::size_t most = 65'536) : most_(most) {}

    /// What makes two the same. Room and user ids hold no NUL.
    [[nodiscard]] static std::string key(std::string_view room, std::string_view user, std::string_view event,
                                         std::string_view id) {
        std::string key;
        for (const auto part : {room, user, event}) (key += part) += '\0';
        return key += id;
    }

    struct Answer {
        bool repeated = false;
        std::uint64_t seq = 0;  ///< 0 with `repeated`: not numbered yet; `numbered` names who asked, up to `most_asking`
    };

    /// Asks and, when it is the first, remembers it.
    Answer take(std::string_view key, std::uint64_t connection, Instant now) {
        const std::lock_guard lock(mutex_);
        while (!order_.empty() && (order_.front()->second.until <= now || entries_.size() > most_))
            erase(order_.front());
        if (const auto at = entries_.find(key); at != entries_.end()) {
            if (at->second.seq == 0 && at->second.asking.size() < most_asking) at->second.asking.push_back(connection);
            return {true, at->second.seq};
        }
        const auto at = entries_.emplace(std::string(key), Entry()).first;
        at->second.until = now + memory;
        at->second.place = order_.insert(order_.end(), at);
        return {};
    }

    /// It has its number. Returns the connections that asked meanwhile.
    std::vector<std::uint64_t> numbered(std::string_view key, std::uint64_t seq) {
        const std::lock_guard lock(mutex_);
        const auto at = entries_.find(key);
        if (at == entries_.end()) return {};
        at->second.seq = seq;
        return std::exchange(at->second.asking, {});
    }

    /// It was refused after all. Returns the connections that asked meanwhile.
    std::vector<std::uint64_t> forget(std::string_view key) {
        const std::lock_guard lock(mutex_);
        const auto at = entries_.find(key);
        if (at == entries_.end()) return {};
        auto asking = std::move(at->second.asking);
        erase(at);
        return asking;
    }

private:
    struct Entry;
    using Entries = std::map<std::string, Entry, std::less<>>;
    struct Entry {
        std::uint64_t seq = 0;
        Instant until{0};
        std::vector<std::uint64_t> asking{};
        std::list<Entries::iterator>::iterator place{};
    };

    void erase(Entries::iterator at) {
        order_.erase(at->second.place);
        entries_.erase(at);
    }

    const std::size_t most_;
    std::mutex mutex_;  // guards all below
    Entries entries_;
    std::list<Entries::iterator> order_;  // by age
};

}  // namespace live_comment
