// SPDX-License-Identifier: MIT
#pragma once

#include "roomcast/config.hpp"

namespace roomcast::detail {

/// Not taken yet.
struct Deferred {};

/// Holds a mutex, and may give it back and take it again: std::unique_lock, but
/// that misuse is asserted against, not thrown about, so that it is all inlined.
template <class Mutex>
class Lock {
public:
    explicit Lock(Mutex& mutex) : mutex_(mutex) { lock(); }
    Lock(Mutex& mutex, Deferred) noexcept : mutex_(mutex) {}
    Lock(const Lock&) = delete;
    Lock& operator=(const Lock&) = delete;
    ~Lock() {
        if (held_) mutex_.unlock();
    }

    [[nodiscard]] bool held() const noexcept { return held_; }
    void lock() {
        ROOMCAST_ASSERT(!held_);
        mutex_.lock();
        held_ = true;
    }
    void unlock() {
        ROOMCAST_ASSERT(held_);
        mutex_.unlock();
        held_ = false;
    }

private:
    Mutex& mutex_;
    bool held_ = false;
};

/// The lock given back for as long as something of the host runs.
template <class Mutex>
class Unlocked {
public:
    explicit Unlocked(Lock<Mutex>& lock) : lock_(lock) { lock_.unlock(); }
    ~Unlocked() { lock_.lock(); }
    Unlocked(const Unlocked&) = delete;
    Unlocked& operator=(const Unlocked&) = delete;

private:
    Lock<Mutex>& lock_;
};

}  // namespace roomcast::detail
