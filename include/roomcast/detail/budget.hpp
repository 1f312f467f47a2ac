// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>

#include "roomcast/detail/core.hpp"
#include "roomcast/detail/least.hpp"

namespace roomcast::detail {

/// How much one turn may do before others come first. The clock is read every
/// 64 sends at first, and more rarely while sends are cheap; never in a turn
/// of fewer.
template <class T>
class Budget {
public:
    explicit Budget(const Core<T>& core) noexcept
        : core_(core), left_(core.options.turn_sends ? core.options.turn_sends : static_cast<std::size_t>(-1)) {}

    /// Sends until the next `spend`, at most.
    [[nodiscard]] std::size_t batch() const noexcept { return least(left_, interval_); }
    [[nodiscard]] bool exhausted() const noexcept { return left_ == 0; }

    void spend(std::size_t sends) noexcept {
        if (core_.options.turn_sends == 0) return;
        left_ -= least(left_, sends);
        unmeasured_ += sends;
        if (unmeasured_ < interval_) return;
        unmeasured_ = 0;
        const auto now = core_.clock.now();
        if (!measuring_) began_ = now;
        else if (now - began_ >= core_.options.turn_time) left_ = 0;
        else if (now - last_ < core_.options.turn_time / 16) interval_ = least(interval_ * 2, std::size_t{1024});
        measuring_ = true;
        last_ = now;
    }

private:
    const Core<T>& core_;
    std::size_t left_;
    std::size_t interval_ = 64;
    std::size_t unmeasured_ = 0;
    bool measuring_ = false;
    typename T::time_point began_{}, last_{};
};

}  // namespace roomcast::detail
