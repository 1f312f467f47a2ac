// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <mutex>
#include <string_view>
#include <vector>

#include <roomcast/instant.hpp>
#include <roomcast/rate_limiter.hpp>
#include <roomcast/token_bucket.hpp>

namespace live_comment {

using roomcast::Instant;
using roomcast::Rate;
using roomcast::TokenBucket;

/// Counts what must not happen too often: `most` times within `window`.
class Strikes {
public:
    static constexpr std::size_t most = 20;
    static constexpr Instant window = std::chrono::seconds(10);

    /// One more; true when that was one too many.
    bool strike(Instant now) {
        std::erase_if(times_, [&](Instant time) { return time + window <= now; });
        times_.push_back(now);
        return times_.size() >= most;
    }

private:
    std::vector<Instant> times_;
};

/// The rates of each user, across devices and reconnects.
///
/// Thread safety: all functions may be called concurrently.
class UserRates {
public:
    UserRates(Rate comments, Rate commands) : comments_(comments), commands_(commands) {}

    [[nodiscard]] Rate commands() const noexcept { return commands_.rate(); }

    /// Zero, or how long the user has to wait.
    Instant comment(std::string_view user, Instant now) { return take(comments_, user, now); }
    Instant command(std::string_view user, Instant now) { return take(commands_, user, now); }

    /// Forgets users who may do everything again, if it is time to. Returns
    /// when to call it next; Instant::max(): nobody is known.
    Instant sweep(Instant now) {
        const std::lock_guard lock(mutex_);
        for (Limiter* limiter : {&comments_, &commands_})
            if (limiter->next_sweep() <= now) limiter->sweep(now);
        return std::min(comments_.next_sweep(), commands_.next_sweep());
    }

private:
    using Limiter = roomcast::RateLimiter<>;

    Instant take(Limiter& limiter, std::string_view user, Instant now) {
        const std::lock_guard lock(mutex_);
        return limiter.take(user, now);
    }

    std::mutex mutex_;  // guards both
    Limiter comments_, commands_;
};

}  // namespace live_comment
