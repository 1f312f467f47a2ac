// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <new>
#include <utility>

#include "roomcast/detail/hash.hpp"
#include "roomcast/detail/least.hpp"
#include "roomcast/detail/recent_map.hpp"
#include "roomcast/instant.hpp"
#include "roomcast/token_bucket.hpp"

namespace roomcast::detail {

/// What a room lets through above its cap: of each user as much as of any
/// other, of none more than it sends (max-min fairness), as near as messages
/// can be divided.
///
/// The cap is a bucket of tokens. Each user's *usage* is the count of what was
/// let through, fading away within seconds (time constant `memory`). The more
/// a user has of it beside the one who has most, and the nearer the room is to
/// its cap, the fuller the bucket has to be for one more message:
///
///     needed = 1 + (burst - 1) * (usage of all / usage at the cap)
///                              * (usage of the user / usage of whoever has most)
///
/// So who is alone may use the whole cap, the loud keep the bucket at a level
/// at which none of them is favoured, and who was silent finds below that level
/// tokens that the loud cannot take. Nobody is refused while the bucket is full.
///
/// Within t seconds at most per_second * t + burst are let through. The burst
/// is what fairness has to work with, so that it is at least a quarter of a
/// second's worth, and 2, whatever `cap` says. Of crowds who send at random,
/// each user's share of a minute then comes within about a quarter of what is
/// fair; with a whole second's worth, within a fifth.
///
/// Users are remembered until their usage is below 0.01, those only of whom
/// something was let through: some 46 s after a single message. Each offer
/// forgets up to two, so there is no need to sweep a room that is in use.
///
/// All is O(1) but `sweep`, and nothing throws: where there is no memory for a
/// user its usage is not counted, and the cap holds. If `now` goes back, time
/// stands still.
///
/// Thread safety: none; the room's owner locks.
template <class Id>
class FairSampler {
public:
    using view = typename RecentMap<Id, int>::view;

    /// A rate that limits nothing lets everything through, and remembers
    /// nothing. Many samplers do well to share a hash; see RecentMap.
    explicit FairSampler(Rate cap) : FairSampler(cap, SeededHash()) {}
    FairSampler(Rate cap, const SeededHash& hash) noexcept
        : limits_(cap.limits()),
          per_second_(bounded(limits_ ? cap.per_second : 1.0, 1e-9, 1e9)),
          burst_(bounded(cap.burst > 2 ? cap.burst : 2.0, per_second_ / 4, 1e9)),
          level_(burst_),
          users_(hash) {}

    /// A user's message. Zero: it goes out. Otherwise it is left out, and would
    /// pass after so long if nobody else sent.
    [[nodiscard]] Instant offer(view user, Instant now) noexcept {
        if (!limits_) return Instant(0);
        advance(now);
        forget(2);
        const User* known = users_.find(user);
        const double usage = known ? usage_of(*known) : 0;
        if (const double missing = needed(usage) - level_; missing > 0) {
            ++left_out_;
            return span_of_seconds(missing / per_second_) + Instant(1);
        }
        level_ -= 1;
        all_ += 1;
        most_ = greatest(most_, usage + 1);
        try {
            users_.at(user) = {usage + 1, now_};
        } catch (const std::bad_alloc&) {
            // Counted with all, though not with the user's own.
        }
        return Instant(0);
    }

    /// A message that goes out in any case: takes a token if there is one.
    void spend(Instant now) noexcept {
        advance(now);
        if (level_ >= 1) level_ -= 1;
    }

    /// How many were left out since this was last asked.
    [[nodiscard]] std::uint64_t take_left_out() noexcept { return std::exchange(left_out_, 0); }

    /// Looks at up to `most` users, going on where it stopped before. Returns
    /// whether any is left.
    bool sweep(Instant now, std::size_t most) noexcept {
        advance(now);
        return forget(most);
    }

    /// Users that are remembered.
    [[nodiscard]] std::size_t size() const noexcept { return users_.size(); }

private:
    static constexpr double memory = 10;  // seconds

    struct User {
        double usage = 0;  // at that time
        Instant at{};
    };

    [[nodiscard]] static double fading(Instant span) noexcept {
        return std::exp(-std::chrono::duration<double>(span).count() / memory);
    }
    [[nodiscard]] double usage_of(const User& user) const noexcept { return user.usage * fading(now_ - user.at); }

    [[nodiscard]] double needed(double usage) const noexcept {
        const double pressure = least(all_ / (per_second_ * memory), 1.0);
        const double share = usage > 0 ? least(usage / most_, 1.0) : 0;
        return least(1 + (burst_ - 1) * pressure * share, burst_);
    }

    void advance(Instant now) noexcept {
        if (now <= now_) return;
        const Instant span = now - now_;
        now_ = now;
        level_ = least(level_ + per_second_ * std::chrono::duration<double>(span).count(), burst_);
        all_ *= fading(span);
        most_ *= fading(span);
    }

    bool forget(std::size_t most) noexcept {
        return users_.sweep([&](const User& user) { return usage_of(user) < 0.01; }, most);
    }

    const bool limits_;
    const double per_second_, burst_;
    double level_;         // tokens in the bucket
    double all_ = 0;       // usage of all users
    double most_ = 0;      // usage of the user who has most: all fade alike, so it stays theirs
    Instant now_ = Instant::min() / 4;  // of all four
    std::uint64_t left_out_ = 0;
    RecentMap<Id, User> users_;
};

}  // namespace roomcast::detail
