// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <new>
#include <utility>

#include "roomcast/detail/owner.hpp"

namespace roomcast::detail {

/// A queue in one block of memory: values come at the end, go from the front,
/// and are looked at anywhere. The block holds at most twice what is in it
/// while it grows, and four times while it shrinks; an empty ring holds none.
///
/// Values are nothrow default constructible and movable. `push_back` and
/// `pop_front` are O(1) on average.
template <class T>
class Ring {
public:
    [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
    [[nodiscard]] std::size_t size() const noexcept { return size_; }

    /// The front is 0.
    [[nodiscard]] T& operator[](std::size_t i) noexcept { return values_[(first_ + i) & (capacity_ - 1)]; }
    [[nodiscard]] const T& operator[](std::size_t i) const noexcept {
        return values_[(first_ + i) & (capacity_ - 1)];
    }

    /// Throws std::bad_alloc; then nothing changed.
    void push_back(T value) {
        if (size_ == capacity_) move_to(capacity_ ? capacity_ * 2 : smallest);
        (*this)[size_++] = std::move(value);
    }

    void pop_front() noexcept {
        (*this)[0] = T();
        ++first_;
        if (--size_ == 0) return clear();
        if (capacity_ == smallest || size_ * 4 > capacity_) return;
        try {
            move_to(capacity_ / 2);
        } catch (const std::bad_alloc&) {
            // The larger block does as well.
        }
    }

    void clear() noexcept {
        values_ = {};
        capacity_ = first_ = size_ = 0;
    }

private:
    static constexpr std::size_t smallest = 8;

    void move_to(std::size_t capacity) {
        Owner<T[]> values(new T[capacity]);
        for (std::size_t i = 0; i < size_; ++i) values[i] = std::move((*this)[i]);
        values_ = std::move(values);
        capacity_ = capacity;
        first_ = 0;
    }

    Owner<T[]> values_;
    std::size_t capacity_ = 0;  // a power of two, or 0
    std::size_t first_ = 0;     // counts on; its place is that modulo the capacity
    std::size_t size_ = 0;
};

}  // namespace roomcast::detail
