// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>

#include "roomcast/detail/deadline_heap.hpp"
#include "roomcast/detail/work.hpp"

namespace roomcast::detail {

/// What is kept for later, outboxes and logs: how many bytes it is, and who
/// has waited longest. Guarded by the lock.
template <class T>
class Storage {
    using Room = RoomRecord<T>;
    using time_point = typename T::time_point;

public:
    [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }

    // Outboxes, by since when something has waited in each.

    /// Throws std::bad_alloc; then nothing changed.
    [[nodiscard]] Owner<Outbox<T>> make_outbox(ConnectionRecord<T>& c, const SeededHash& hash) {
        waiting_.reserve(outboxes_ + 1);
        return Owner(new Outbox<T>(c, bytes_, hash));
    }
    void insert(Outbox<T>& outbox) noexcept {
        ++outboxes_;
        outbox.order = ++made_;
        waiting_.set(outbox, outbox.front()->since);
    }
    /// Something went out: what waits now is younger. What was dropped counts
    /// as if it waited still.
    void progressed(Outbox<T>& outbox) noexcept {
        if (outbox.heap_place != outbox.none && !outbox.empty() && outbox.front()->since > outbox.due)
            waiting_.set(outbox, outbox.front()->since);
    }
    /// It is not asked for by `longest_waiting` any more.
    void give_up(Outbox<T>& outbox) noexcept { waiting_.clear(outbox); }
    void remove(Outbox<T>& outbox) noexcept {
        outbox.write_off();
        give_up(outbox);
        if (--outboxes_ == 0) waiting_.release();
    }
    [[nodiscard]] Outbox<T>* longest_waiting() const noexcept { return static_cast<Outbox<T>*>(waiting_.front()); }

    // Logs, by how long their rooms have been silent.

    /// A room's log has changed; `spoke`: since something was said.
    void account(Room& room, bool spoke) noexcept {
        Log<T>& log = *room.log;
        bytes_ += log.store.bytes() - log.accounted;
        log.accounted = log.store.bytes();
        const bool listed = List<Room, QuietTag>::linked(room);
        if (listed && (spoke || log.accounted == 0)) List<Room, QuietTag>::unlink(room);
        if (log.accounted != 0 && (spoke || !listed)) quiet_.push_back(room);
    }
    /// The log is freed without the lock.
    void remove_log(Room& room, Work<T>& work) noexcept {
        if (!room.log) return;
        bytes_ -= room.log->accounted;
        List<Room, QuietTag>::unlink(room);
        work.trash.logs.push_back(*room.log.release());
    }
    [[nodiscard]] const List<Room, QuietTag>& silent_rooms() const noexcept { return quiet_; }

private:
    std::size_t bytes_ = 0;
    std::size_t outboxes_ = 0;
    std::uint64_t made_ = 0;  // so many so far
    DeadlineHeap<time_point> waiting_;
    List<Room, QuietTag> quiet_;  // that keep messages, the longest silent first
};

}  // namespace roomcast::detail
