// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <string>

#include "roomcast/detail/least.hpp"
#include "roomcast/detail/recent_map.hpp"
#include "roomcast/instant.hpp"
#include "roomcast/token_bucket.hpp"

namespace roomcast {

/// One rate for each id: of a user it holds across devices and reconnects. It
/// forgets whose bucket is full again, so it holds those only who acted lately;
/// each `take` forgets up to two, thus memory is bounded also if nobody sweeps.
///
/// Thread safety: none; the owner locks.
template <class Id = std::string>
class RateLimiter {
public:
    using view = typename detail::id_view<Id>::type;

    explicit RateLimiter(Rate rate) : rate_(rate) {}

    [[nodiscard]] Rate rate() const noexcept { return rate_; }
    /// Ids that are remembered.
    [[nodiscard]] std::size_t size() const noexcept { return buckets_.size(); }

    /// Takes one of the id's tokens: zero. Or says how long to wait. Throws
    /// std::bad_alloc; then nothing was taken. O(1). Without a limit nothing is
    /// remembered.
    [[nodiscard]] Instant take(view id, Instant now) {
        if (!rate_.limits()) return Instant(0);
        forget(now, 2);
        if (size() == 0) next_sweep_ = now + spacing();
        return buckets_.at(id).take(rate_, now);
    }

    /// Looks at up to `most` ids, going on where it stopped before. Returns
    /// whether any is left.
    bool sweep(Instant now, std::size_t most = 256) {
        next_sweep_ = now + spacing();
        return forget(now, most);
    }

    /// When to sweep next: a token's time after the last sweep, but a second at
    /// least and a minute at most; Instant::max(): there is nothing to sweep.
    [[nodiscard]] Instant next_sweep() const noexcept { return size() == 0 ? Instant::max() : next_sweep_; }

private:
    bool forget(Instant now, std::size_t most) {
        return buckets_.sweep([&](const TokenBucket& bucket) { return bucket.is_full(now); }, most);
    }

    [[nodiscard]] Instant spacing() const noexcept {
        constexpr Instant least = std::chrono::seconds(1), most = std::chrono::minutes(1);
        return detail::bounded(detail::span_of_seconds(1 / rate_.per_second), least, most);
    }

    const Rate rate_;
    Instant next_sweep_ = Instant::max();
    detail::RecentMap<Id, TokenBucket> buckets_;
};

}  // namespace roomcast
