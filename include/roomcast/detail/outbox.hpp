// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <utility>

#include "roomcast/detail/records.hpp"

namespace roomcast::detail {

/// What waits for a busy connection: frames in order, and in place of dropped
/// ones a mark for each room that becomes `gap`. Guarded by the lock.
template <class T>
struct Outbox : Link<FlushTag> {
    struct Entry {
        Frame frame{};
        // Whose traffic it is; null for what is the connection's own. Entries
        // go when their membership is reaped, so the pointer is good.
        Membership<T>* membership = nullptr;
        bool control = false;
        std::uint64_t seq = 0;      // of a numbered message; first missed, of a gap
        std::uint64_t last = 0;     // last missed
        std::uint64_t missed = 0;   // more than 0: this is a gap
    };

    ConnectionRecord<T>* connection;
    std::deque<Entry> entries;
    std::size_t data_count = 0, data_bytes = 0;
    std::size_t control_count = 0, control_bytes = 0;
    bool flushing = false;   // one thread is emptying it
    bool writable = false;   // `writable` came while it was

    explicit Outbox(ConnectionRecord<T>& c) noexcept : connection(&c) {}

    /// Throws std::bad_alloc; then nothing changed.
    void push_back(const Entry& entry) {
        entries.push_back(entry);
        count(entries.back(), 1);
    }
    /// Back where `pop_front` took it from. A gap that opened meanwhile in the
    /// same room becomes part of this one.
    void push_front(const Entry& entry) {
        entries.push_front(entry);
        count(entries.front(), 1);
        if (entry.missed == 0) return;
        const auto later = std::find_if(entries.begin() + 1, entries.end(), [&](const Entry& other) {
            return other.missed != 0 && other.membership == entry.membership;
        });
        if (later == entries.end()) return;
        Entry& gap = entries.front();
        gap.missed += later->missed;
        gap.last = later->last;
        entries.erase(later);
    }
    Entry pop_front() noexcept {
        Entry entry = std::move(entries.front());
        entries.pop_front();
        count(entry, -1);
        return entry;
    }

    /// Forgets a membership's traffic. O(entries).
    void drop(const Membership<T>& membership) noexcept {
        std::erase_if(entries, [&](const Entry& entry) {
            const bool its = entry.membership == &membership;
            if (its) count(entry, -1);
            return its;
        });
    }

    /// Drops the oldest data until the bounds hold; returns how many went.
    /// What is missed is marked in the place of the first. O(dropped x rooms).
    std::size_t shed(std::size_t most_messages, std::size_t most_bytes) noexcept {
        std::size_t dropped = 0;
        while (data_count > most_messages || data_bytes > most_bytes) {
            auto oldest = entries.begin();
            while (oldest->control || oldest->missed != 0) ++oldest;
            count(*oldest, -1);
            ++dropped;
            mark_missed(oldest);
        }
        return dropped;
    }

private:
    void count(const Entry& entry, int by) noexcept {
        if (entry.missed != 0) return;
        const auto n = static_cast<std::size_t>(by);
        const auto bytes = n * entry.frame.size();
        (entry.control ? control_count : data_count) += n;
        (entry.control ? control_bytes : data_bytes) += bytes;
    }

    /// Turns a message into its room's gap, or adds it to the one that is
    /// there (nothing of the room lies between), or forgets it when it had no
    /// number.
    void mark_missed(typename std::deque<Entry>::iterator entry) noexcept {
        if (entry->membership == nullptr || entry->seq == 0) {
            entries.erase(entry);
            return;
        }
        for (auto other = entries.begin(); other != entries.end(); ++other) {
            if (other->missed == 0 || other->membership != entry->membership) continue;
            other->missed += 1;
            other->seq = std::min(other->seq, entry->seq);
            other->last = std::max(other->last, entry->seq);
            entries.erase(entry);
            return;
        }
        entry->frame = Frame();
        entry->last = entry->seq;
        entry->missed = 1;
    }
};

}  // namespace roomcast::detail
