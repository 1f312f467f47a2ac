// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <cstddef>
#include <new>

#include "roomcast/config.hpp"
#include "roomcast/detail/least.hpp"

namespace roomcast::detail {

/// The places of a room's memberships, in segments that never move, so that
/// one thread walks them without the lock while others append past the end.
///
/// `target` is what a broadcast reads: whom to send to. It is null until the
/// room has told the join, again from the removal on, and while the connection
/// is congested. Everything else is guarded by the lock; slots that exist are
/// rearranged only by whoever works in the room, or while nobody does.
template <class Target, class Membership>
class Slots {
public:
    struct Slot {
        ROOMCAST_ATOMIC<Target*> target{nullptr};
        Membership* membership = nullptr;
    };

private:
    struct Segment {
        Segment* next = nullptr;
        Segment* previous = nullptr;
        std::size_t capacity;
        Slot* slots() noexcept { return reinterpret_cast<Slot*>(this + 1); }
    };

public:
    /// A walk over the slots that existed when it began.
    class Cursor {
    public:
        [[nodiscard]] bool done() const noexcept { return remaining_ == 0; }

        /// The slots from here to the end of the segment, of the walk, or of
        /// `most`, whichever comes first; never none before `done`.
        [[nodiscard]] std::size_t run(std::size_t most) const noexcept {
            return least(least(most, remaining_), readable());
        }
        [[nodiscard]] Slot* at() const noexcept { return at_; }
        /// Slots from here on that may be read, though perhaps not yet in use.
        [[nodiscard]] std::size_t readable() const noexcept { return static_cast<std::size_t>(end_ - at_); }

        void advance(std::size_t count) noexcept {
            at_ += count;
            remaining_ -= count;
            if (at_ == end_ && remaining_ != 0) enter(segment_->next);
        }

    private:
        friend class Slots;
        void enter(Segment* segment) noexcept {
            segment_ = segment;
            at_ = segment->slots();
            end_ = at_ + segment->capacity;
        }

        Segment* segment_ = nullptr;
        Slot* at_ = nullptr;
        Slot* end_ = nullptr;
        std::size_t remaining_ = 0;
    };

    Slots() noexcept = default;
    Slots(const Slots&) = delete;
    Slots& operator=(const Slots&) = delete;
    ~Slots() { release(first_); }

    /// May be called without the lock.
    [[nodiscard]] std::size_t size() const noexcept { return size_.load(std::memory_order_acquire); }

    /// Room for `count` more. Throws std::bad_alloc; then nothing changed
    /// that anyone can see.
    void reserve(std::size_t count) {
        std::size_t free = last_ ? last_->capacity - fill_ : 0;
        if (free >= count) [[likely]]
            return;
        add_segments(count, free);
    }

    /// After `reserve`.
    Slot& append(Membership& membership) noexcept {
        if (!last_) {
            last_ = first_;
            fill_ = 0;
        } else if (fill_ == last_->capacity) {
            last_ = last_->next;
            fill_ = 0;
        }
        Slot& slot = last_->slots()[fill_++];
        slot.membership = &membership;
        // Release: a walk that counts it finds it.
        size_.store(size() + 1, std::memory_order_release);
        return slot;
    }

    /// The last slot; not to be called when empty.
    [[nodiscard]] Slot& back() noexcept { return last_->slots()[fill_ - 1]; }

    void pop_back() noexcept {
        Slot& slot = back();
        slot.target.store(nullptr, std::memory_order_relaxed);
        slot.membership = nullptr;
        size_.store(size() - 1, std::memory_order_relaxed);
        if (--fill_ != 0) return;
        // One spare segment stays, so that a room at a border does not thrash.
        release(last_->next);
        last_->next = nullptr;
        if (last_->previous) {
            last_ = last_->previous;
            fill_ = last_->capacity;
        } else {
            release(first_);
            first_ = last_ = nullptr;
        }
    }

    /// The last one takes its place.
    void erase(Slot& slot) noexcept {
        Slot& last = back();
        if (&slot != &last) {
            slot.membership = last.membership;
            slot.membership->slot = &slot;
            slot.target.store(last.target.load(std::memory_order_relaxed), std::memory_order_relaxed);
        }
        pop_back();
    }

    [[nodiscard]] Cursor walk() const noexcept {
        Cursor cursor;
        cursor.remaining_ = size();
        if (cursor.remaining_ != 0) cursor.enter(first_);
        return cursor;
    }

    /// `visit(slot)` for the slots below `position`, downwards, until it
    /// answers false; returns the position reached. O(visited + segments).
    template <class Visit>
    std::size_t walk_down(std::size_t position, Visit&& visit) const {
        if (size() == 0) return 0;
        position = least(position, size());
        Segment* segment = last_;
        std::size_t begin = size() - fill_;
        while (position > 0) {
            while (position <= begin) {
                segment = segment->previous;
                begin -= segment->capacity;
            }
            --position;
            if (!visit(segment->slots()[position - begin])) break;
        }
        return position;
    }

private:
    static constexpr std::size_t smallest = 4;
    static constexpr std::size_t largest = 4096;

    void add_segments(std::size_t count, std::size_t free) {
        for (Segment* s = last_ ? last_->next : first_; s && free < count; s = s->next) free += s->capacity;
        while (free < count) {
            Segment* end = last_ ? last_ : first_;
            while (end && end->next) end = end->next;
            const std::size_t capacity = end ? least(end->capacity * 2, largest) : smallest;
            Segment* segment = make(capacity);
            segment->previous = end;
            (end ? end->next : first_) = segment;
            free += capacity;
        }
    }

    static Segment* make(std::size_t capacity) {
        void* memory = ::operator new(sizeof(Segment) + capacity * sizeof(Slot));
        auto* segment = ::new (memory) Segment{.capacity = capacity};
        for (std::size_t i = 0; i < capacity; ++i) ::new (segment->slots() + i) Slot;
        return segment;
    }

    static void release(Segment* segment) noexcept {
        while (segment) {
            Segment* next = segment->next;
            ::operator delete(segment);
            segment = next;
        }
    }

    Segment* first_ = nullptr;
    Segment* last_ = nullptr;   // the one that holds the last slot
    std::size_t fill_ = 0;      // slots in use in it
    ROOMCAST_ATOMIC<std::size_t> size_{0};
};

}  // namespace roomcast::detail
