// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>

#include "roomcast/detail/records.hpp"

namespace roomcast::detail {

/// Why somebody goes.
struct Cause {
    LeaveCause cause = LeaveCause::left;
    CloseCode code = CloseCode::normal;
    bool told = true;  ///< to the observer; not when a migration tells it
};

/// What the observer has not been told yet, in the order of what happened.
/// Guarded by the lock. It keeps alive what it names; Directory::release lets
/// go of that. Where nobody observes, nothing is written down.
template <class T>
class Chronicle {
public:
    template <class Slot>
    void add(Slot& slot, Membership<T>& m, EventKind kind, Cause cause, bool user_changed,
             RoomRecord<T>* from = nullptr, bool left_from = false, std::size_t moved = 0) noexcept {
        if constexpr (is_observed<T>) {
            ++m.references;
            if (from) ++from->references;
            slot.kind = kind;
            slot.cause = cause.cause;
            slot.code = cause.code;
            slot.user_changed = user_changed;
            slot.left_from = left_from;
            slot.moved = moved;
            slot.membership = &m;
            slot.room = nullptr;
            slot.from = from;
            events_.push_back(slot);
        }
    }
    template <class Slot>
    void add(Slot& slot, RoomRecord<T>& room, EventKind kind) noexcept {
        if constexpr (is_observed<T>) {
            ++room.references;
            slot.kind = kind;
            slot.room = &room;
            events_.push_back(slot);
        }
    }

    [[nodiscard]] bool empty() const noexcept { return events_.empty(); }
    [[nodiscard]] EventRecord<T>* pop_front() noexcept { return events_.pop_front(); }

private:
    List<EventRecord<T>, EventTag> events_;
};

}  // namespace roomcast::detail
