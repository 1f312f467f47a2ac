// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "roomcast/detail/owner.hpp"

namespace roomcast::detail {

/// What a record in a DeadlineHeap holds.
template <class TimePoint>
struct Deadline {
    static constexpr std::size_t none = static_cast<std::size_t>(-1);
    TimePoint due{};
    std::uint64_t order = 0;  ///< among those due at the same time
    std::size_t heap_place = none;
};

/// Records by the time they are due. Only `reserve` allocates, so that a
/// deadline can be set where nothing may fail.
template <class TimePoint>
class DeadlineHeap {
    using Record = Deadline<TimePoint>;
    static constexpr std::size_t none = Record::none;

public:
    /// Capacity for `count` records. Throws std::bad_alloc.
    void reserve(std::size_t count) {
        if (count <= capacity_) return;
        const std::size_t capacity = count < 8 ? 8 : count * 2;
        Owner<Record*[]> larger(new Record*[capacity]);
        for (std::size_t i = 0; i < size_; ++i) larger[i] = heap_[i];
        heap_ = std::move(larger);
        capacity_ = capacity;
    }

    [[nodiscard]] Record* front() const noexcept { return size_ == 0 ? nullptr : heap_[0]; }

    /// Sets or changes the deadline. O(log n).
    void set(Record& record, TimePoint due) noexcept {
        record.due = due;
        if (record.heap_place == none) {
            put(size_++, &record);
        }
        up(record.heap_place);
        down(record.heap_place);
    }

    void clear(Record& record) noexcept {
        const std::size_t place = record.heap_place;
        if (place == none) return;
        record.heap_place = none;
        Record* moved = heap_[--size_];
        if (moved != &record) {
            put(place, moved);
            up(place);
            down(moved->heap_place);
        }
    }

    /// Gives the memory back, when no record is left that may need it.
    void release() noexcept {
        heap_ = {};
        capacity_ = 0;
    }

private:
    void put(std::size_t place, Record* record) noexcept {
        heap_[place] = record;
        record->heap_place = place;
    }
    void up(std::size_t place) noexcept {
        for (; place > 0; place = (place - 1) / 2) {
            const std::size_t parent = (place - 1) / 2;
            if (!earlier(place, parent)) return;
            exchange(place, parent);
        }
    }
    void down(std::size_t place) noexcept {
        for (;;) {
            std::size_t least = place;
            for (std::size_t child = 2 * place + 1; child <= 2 * place + 2 && child < size_; ++child)
                if (earlier(child, least)) least = child;
            if (least == place) return;
            exchange(place, least);
            place = least;
        }
    }
    [[nodiscard]] bool earlier(std::size_t a, std::size_t b) const noexcept {
        return heap_[a]->due != heap_[b]->due ? heap_[a]->due < heap_[b]->due : heap_[a]->order < heap_[b]->order;
    }
    void exchange(std::size_t a, std::size_t b) noexcept {
        Record* record = heap_[a];
        put(a, heap_[b]);
        put(b, record);
    }

    Owner<Record*[]> heap_;
    std::size_t size_ = 0, capacity_ = 0;
};

}  // namespace roomcast::detail
