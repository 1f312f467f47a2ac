// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace live_comment {

/// A point in time, counted from the beginning of whichever clock is in use.
using Time = std::chrono::nanoseconds;

/// So many a second, and so many at once. Not above 0 a second: no limit.
struct Rate {
    double per_second = 0;
    double burst = 1;
};

/// A token bucket, kept as the one moment when it will be full again (the
/// generic cell rate algorithm, ITU-T I.371).
class TokenBucket {
public:
    /// Takes a token: zero. Or leaves all as it is, and says how long to wait.
    Time take(Rate rate, Time now) noexcept {
        if (!(rate.per_second > 0)) return Time(0);
        const auto of_tokens = [&](double n) {
            return std::chrono::duration_cast<Time>(std::chrono::duration<double>(n / rate.per_second));
        };
        const Time earliest = full_at_ - of_tokens(std::max(rate.burst, 1.0) - 1);
        if (earliest > now) return earliest - now;
        full_at_ = std::max(full_at_, now) + of_tokens(1);
        return Time(0);
    }
    [[nodiscard]] bool is_full(Time now) const noexcept { return full_at_ <= now; }

private:
    Time full_at_ = Time::min() / 2;
};

/// Counts what must not happen too often: `most` times within `window`.
class Strikes {
public:
    static constexpr std::size_t most = 20;
    static constexpr Time window = std::chrono::seconds(10);

    /// One more; true when that was one too many.
    bool strike(Time now) {
        std::erase_if(times_, [&](Time time) { return time + window <= now; });
        times_.push_back(now);
        return times_.size() >= most;
    }

private:
    std::vector<Time> times_;
};

/// The rates of each user, across devices and reconnects. Forgets a user whose
/// buckets are full, so it holds those only who acted lately.
///
/// Thread safety: all functions may be called concurrently.
class UserRates {
public:
    UserRates(Rate comments, Rate commands) : comments_(comments), commands_(commands) {}

    [[nodiscard]] Rate commands() const noexcept { return commands_; }

    /// Zero, or how long the user has to wait.
    Time comment(std::string_view user, Time now) { return take(user, &Buckets::comments, comments_, now); }
    Time command(std::string_view user, Time now) { return take(user, &Buckets::commands, commands_, now); }

    /// Looks at up to `users` of them, going on where it stopped before.
    /// Returns whether any is left.
    bool sweep(Time now, std::size_t users = 256) {
        const std::lock_guard lock(mutex_);
        auto at = users_.lower_bound(next_);
        for (; users > 0 && at != users_.end(); --users) {
            if (at->second.comments.is_full(now) && at->second.commands.is_full(now)) at = users_.erase(at);
            else ++at;
        }
        next_ = at == users_.end() ? std::string() : at->first;
        return !users_.empty();
    }

private:
    struct Buckets {
        TokenBucket comments, commands;
    };

    Time take(std::string_view user, TokenBucket Buckets::*bucket, Rate rate, Time now) {
        if (!(rate.per_second > 0)) return Time(0);
        const std::lock_guard lock(mutex_);
        auto at = users_.find(user);
        if (at == users_.end()) at = users_.emplace(std::string(user), Buckets()).first;
        return (at->second.*bucket).take(rate, now);
    }

    const Rate comments_, commands_;
    std::mutex mutex_;  // guards all below
    // Ordered: clients choose these ids, and a tree has no bad ones.
    std::map<std::string, Buckets, std::less<>> users_;
    std::string next_;
};

}  // namespace live_comment
