// SPDX-License-Identifier: MIT
#pragma once

#include <mutex>
#include <utility>

#include "roomcast/detail/directory.hpp"
#include "roomcast/detail/timers.hpp"
#include "roomcast/detail/work.hpp"
#include "roomcast/options.hpp"
#include "roomcast/results.hpp"

namespace roomcast {

/// The policies that have a state of their own; each is copied or moved into
/// the registry.
template <class Traits>
struct Policies {
    typename Traits::observer observer{};
    typename Traits::events events{};
    typename Traits::clock clock{};
};

namespace detail {

/// What the parts of a registry share.
template <class T>
struct Core {
    using Options = BasicOptions<typename T::time_point>;
    using Lock = std::unique_lock<typename T::mutex>;

    const Options options;
    typename T::observer observer;
    typename T::events events;
    typename T::clock clock;

    mutable typename T::mutex mutex;  // guards all that follows
    Directory<T> directory{options};
    Timers<T> timers;
    Statistics statistics;

    template <class Policies>
    Core(Options&& o, Policies&& p)
        : options(std::move(o)), observer(std::move(p.observer)), events(std::move(p.events)),
          clock(std::move(p.clock)) {}

    /// A room leaves the index.
    void unindex(RoomRecord<T>& room, Work<T>& work) noexcept {
        timers.forget(room);
        directory.unindex(room, work);
        if (directory.room_count() == 0) timers.release();
    }

    /// All of a room's memberships end at once; its drainer takes them apart.
    void close_room(RoomRecord<T>& room, const KeptReason& reason, Work<T>& work) noexcept {
        room.close_reason = reason;
        room.closed.store(true, std::memory_order_relaxed);
        work.schedule(room);  // keeps it alive, which the index did
        unindex(room, work);
    }
};

/// The lock given back for as long as something of the host runs.
template <class Lock>
class Unlocked {
public:
    explicit Unlocked(Lock& lock) : lock_(lock) { lock_.unlock(); }
    ~Unlocked() { lock_.lock(); }
    Unlocked(const Unlocked&) = delete;
    Unlocked& operator=(const Unlocked&) = delete;

private:
    Lock& lock_;
};

}  // namespace detail
}  // namespace roomcast
