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

/// A rate for each user, across devices and reconnects.
///
/// Thread safety: all functions may be called concurrently.
class UserRate {
public:
    explicit UserRate(Rate rate) : limiter_(rate) {}

    [[nodiscard]] Rate rate() const noexcept { return limiter_.rate(); }

    /// Zero, or how long the user has to wait.
    [[nodiscard]] Instant take(std::string_view user, Instant now) {
        const std::lock_guard lock(mutex_);
        return limiter_.take(user, now);
    }

    /// Forgets users who have been quiet, if it is time to. Returns when to
    /// call it next; Instant::max(): nobody is known.
    Instant sweep(Instant now) {
        const std::lock_guard lock(mutex_);
        if (limiter_.next_sweep() <= now) limiter_.sweep(now);
        return limiter_.next_sweep();
    }

private:
    std::mutex mutex_;
    roomcast::RateLimiter<> limiter_;  // guarded by mutex_
};

}  // namespace live_comment
