// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>

namespace roomcast::testing {

/// A clock policy whose time stands still until it is moved. Copies share one
/// time, so the copy that a registry holds and the test's own agree; clocks
/// made by default are independent and begin one day after the epoch, so that
/// deadlines in the past can be written.
///
/// Thread safety: all functions may be called concurrently.
class ManualClock {
public:
    using duration = std::chrono::nanoseconds;
    using rep = duration::rep;
    using period = duration::period;
    using time_point = std::chrono::time_point<ManualClock>;
    static constexpr bool is_steady = true;

    ManualClock() : ticks_(std::make_shared<std::atomic<rep>>(duration(std::chrono::hours(24)).count())) {}

    [[nodiscard]] time_point now() const noexcept { return time_point(duration(ticks_->load())); }

    void advance(duration by) noexcept { ticks_->fetch_add(by.count()); }

    /// Forward to `time`; a time that has passed changes nothing.
    void advance_to(time_point time) noexcept {
        const rep wanted = time.time_since_epoch().count();
        rep current = ticks_->load();
        while (current < wanted && !ticks_->compare_exchange_weak(current, wanted)) {}
    }

private:
    std::shared_ptr<std::atomic<rep>> ticks_;
};

}  // namespace roomcast::testing
