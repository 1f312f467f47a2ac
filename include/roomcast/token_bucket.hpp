// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>

#include "roomcast/detail/least.hpp"
#include "roomcast/instant.hpp"

namespace roomcast {

/// So many a second, and so many at once. Not above 0 a second: no limit, as
/// there is none in effect above a thousand million.
struct Rate {
    double per_second = 0;
    /// Less than 1 is as 1.
    double burst = 1;

    [[nodiscard]] constexpr bool limits() const noexcept { return per_second > 0; }
};

namespace detail {

/// Rounded down; 36 years at most, and for what is no number: sums of a few
/// spans and of any clock's time do not overflow.
[[nodiscard]] constexpr Instant span_of_seconds(double seconds) noexcept {
    constexpr Instant longest{Instant::rep{1} << 60};
    constexpr double limit = std::chrono::duration<double>(longest).count();
    if (!(seconds < limit)) return longest;
    return std::chrono::duration_cast<Instant>(std::chrono::duration<double>(greatest(seconds, 0.0)));
}

}  // namespace detail

/// A token bucket, kept as the one moment when it will be full again (the
/// generic cell rate algorithm, ITU-T I.371). A new one is full.
///
/// The rate comes with each call, so that a bucket is 8 bytes; if it changes,
/// what is missing in the bucket keeps the time that it takes to fill. All
/// functions are O(1). No rate and no burst is too large or too small, but no
/// bucket takes longer to fill than 36 years. `now` lies within 146 years of
/// the clock's epoch; if it goes back, the wait is longer by as much.
///
/// Thread safety: none.
class TokenBucket {
public:
    /// Takes a token: zero. Or leaves all as it is, and says how long to wait.
    [[nodiscard]] constexpr Instant take(Rate rate, Instant now) noexcept {
        const Instant left = wait(rate, now);
        if (left == Instant(0) && rate.limits())
            full_at_ = detail::greatest(full_at_, now) + detail::span_of_seconds(1 / rate.per_second);
        return left;
    }

    /// How long until there is a token; zero: there is one. Takes none.
    [[nodiscard]] constexpr Instant wait(Rate rate, Instant now) const noexcept {
        if (!rate.limits()) return Instant(0);
        const double others = rate.burst > 1 ? rate.burst - 1 : 0;
        const Instant earliest = full_at_ - detail::span_of_seconds(others / rate.per_second);
        return earliest > now ? earliest - now : Instant(0);
    }

    [[nodiscard]] constexpr bool is_full(Instant now) const noexcept { return full_at_ <= now; }
    /// In the past: it is full.
    [[nodiscard]] constexpr Instant full_at() const noexcept { return full_at_; }

private:
    Instant full_at_ = Instant::min() / 2;
};

static_assert(sizeof(TokenBucket) == 8);

}  // namespace roomcast
