// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace bench {

/// A histogram of nanoseconds with 64 steps an octave, so that a quantile is
/// at most 1.6 % too high, whatever its size.
class Latencies {
public:
    void add(std::int64_t nanoseconds) {
        const auto value = static_cast<std::uint64_t>(std::max<std::int64_t>(nanoseconds, 0));
        largest_ = std::max(largest_, value);
        ++counts_[slot_of(value)];
        ++total_;
    }

    double quantile(double share) const {
        std::uint64_t below = 0;
        for (std::size_t slot = 0; slot < counts_.size(); ++slot) {
            below += counts_[slot];
            if (below != 0 && static_cast<double>(below) >= share * static_cast<double>(total_))
                return std::min(end_of(slot), largest());
        }
        return 0;
    }

    double largest() const { return static_cast<double>(largest_); }

private:
    static constexpr std::size_t steps = 64;

    static std::size_t slot_of(std::uint64_t value) {
        if (value < steps) return value;
        const auto octave = static_cast<std::size_t>(std::bit_width(value)) - 7;
        return (octave + 1) * steps + ((value >> octave) - steps);
    }
    static double end_of(std::size_t slot) {
        if (slot < steps) return static_cast<double>(slot);
        const std::size_t octave = slot / steps - 1;
        return static_cast<double>((slot % steps + steps + 1) << octave);
    }

    std::array<std::uint64_t, 58 * steps> counts_{};
    std::uint64_t largest_ = 0;
    std::uint64_t total_ = 0;
};

}  // namespace bench
