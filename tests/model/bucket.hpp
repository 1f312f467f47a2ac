// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <optional>

#include "model/operation.hpp"

namespace model {

/// A token bucket by the book: it fills steadily up to its burst, and each
/// message takes a token. For rates of which a token takes whole milliseconds.
class Bucket {
public:
    /// How long to wait for a token; zero: there is one.
    [[nodiscard]] milliseconds wait(roomcast::Rate rate, Time now) {
        if (!rate.limits()) return milliseconds(0);
        const milliseconds token(static_cast<milliseconds::rep>(1000 / rate.per_second + 0.5));
        const milliseconds all = token * static_cast<milliseconds::rep>(rate.burst);
        const auto passed = at_ ? std::chrono::duration_cast<milliseconds>(now - *at_) : all;
        filled_ = std::min(filled_ + passed, all);
        at_ = now;
        return std::max(token - filled_, milliseconds(0));
    }
    void take(roomcast::Rate rate) {
        if (rate.limits()) filled_ -= milliseconds(static_cast<milliseconds::rep>(1000 / rate.per_second + 0.5));
    }

private:
    std::optional<Time> at_{};   // a new bucket is full
    milliseconds filled_{0};     // what is in it, in the time that it takes to come
};

}  // namespace model
