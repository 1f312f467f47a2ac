// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include "roomcast/detail/least.hpp"

namespace roomcast::detail {

/// An array of pointers or numbers that grows and gets smaller in small steps,
/// however large it is: by segments of 512, of which the first begins smaller. Only
/// the list of segments is copied when it doubles: a pointer for 512 words.
///
/// Thread safety: none.
template <class Word>
class Segments {
public:
    static constexpr std::uint32_t segment = 512, smallest = 8;

    Segments() noexcept = default;
    Segments(const Segments&) = delete;
    Segments& operator=(const Segments&) = delete;
    ~Segments() { clear(); }

    [[nodiscard]] std::uint32_t capacity() const noexcept { return capacity_; }
    [[nodiscard]] Word& operator[](std::uint32_t i) const noexcept { return segments_[i / segment][i % segment]; }

    /// New words are zero. Throws std::bad_alloc; then nothing changed.
    void grow() {
        const std::uint32_t whole = capacity_ / segment;
        const std::uint32_t words = whole != 0 ? segment : greatest(smallest, capacity_ * 2);
        Word* const made = new Word[words]();
        try {
            if (whole == most_segments_) lengthen();
        } catch (...) {
            delete[] made;
            throw;
        }
        if (whole == 0 && capacity_ != 0) {
            for (std::uint32_t i = 0; i < capacity_; ++i) made[i] = segments_[0][i];
            delete[] segments_[0];
        }
        segments_[whole] = made;
        capacity_ = whole * segment + words;
    }
    /// Gives back the last segment, not the first one.
    void shrink() noexcept {
        capacity_ -= segment;
        delete[] segments_[capacity_ / segment];
    }
    void clear() noexcept {
        for (std::uint32_t first = 0; first < capacity_; first += segment) delete[] segments_[first / segment];
        delete[] segments_;
        segments_ = nullptr;
        most_segments_ = capacity_ = 0;
    }

private:
    void lengthen() {
        const std::uint32_t most = greatest(1u, most_segments_ * 2);
        auto** const longer = new Word*[most];
        for (std::uint32_t i = 0; i < most_segments_; ++i) longer[i] = segments_[i];
        delete[] segments_;
        segments_ = longer;
        most_segments_ = most;
    }

    Word** segments_ = nullptr;
    std::uint32_t most_segments_ = 0;
    std::uint32_t capacity_ = 0;
};

}  // namespace roomcast::detail
