// SPDX-License-Identifier: MIT
#pragma once

#ifdef ROOMCAST_VERSION
#error "simulation/hooks.hpp comes before anything of roomcast"
#endif

#include <atomic>
#include <cstdint>
#include <string_view>
#include <type_traits>
#include <utility>

/// Where one logical thread may stop and another go on: beside each lock and
/// unlock, each access to an atomic, each call into the host's code. They are
/// reached through the registry's mutex policy, ROOMCAST_ATOMIC, and the host's
/// own functions.
namespace simulation {

/// Another thread may run here; outside of a schedule nothing happens.
void hook(const char* what, std::uint64_t detail = ~std::uint64_t{0}) noexcept;

/// The same, in code of the host: the thread must hold no lock.
void host_code(const char* what, std::uint64_t detail = ~std::uint64_t{0}) noexcept;

/// What the running thread holds.
[[nodiscard]] bool holds_lock() noexcept;

/// The next of the schedule's random numbers.
[[nodiscard]] std::uint64_t next_random() noexcept;

/// Used as std::atomic is. Threads take turns, so the value needs no more; a
/// thread that holds the lock need not stop to read what only holders write.
/// Numbers (tags and sequence numbers) stop at stores alone: whether tags are
/// read at all depends on addresses, and there is a hook on either side.
template <class T>
class Atomic {
public:
    constexpr Atomic(T value = {}) noexcept : value_(value) {}
    Atomic(const Atomic&) = delete;
    Atomic& operator=(const Atomic&) = delete;

    T load(std::memory_order = std::memory_order_seq_cst) const noexcept {
        if constexpr (std::is_same_v<T, bool> || std::is_pointer_v<T>)
            if (!holds_lock()) hook("load");
        return value_;
    }
    void store(T value, std::memory_order = std::memory_order_seq_cst) noexcept {
        hook("store");
        value_ = value;
    }
    T exchange(T value, std::memory_order = std::memory_order_seq_cst) noexcept {
        hook("exchange");
        return std::exchange(value_, value);
    }
    bool compare_exchange_strong(T& expected, T wanted, std::memory_order = std::memory_order_seq_cst,
                                 std::memory_order = std::memory_order_seq_cst) noexcept {
        hook("exchange");
        const bool equal = value_ == expected;
        (equal ? value_ : expected) = equal ? wanted : value_;
        return equal;
    }

private:
    T value_;
};

/// A mutex policy: who finds it held waits until its holder has let go.
class Mutex {
public:
    void lock() noexcept;
    bool try_lock() noexcept;
    void unlock() noexcept;

private:
    int holder_ = -1;
};

/// The keys of hashes are the schedule's, too.
struct RandomDevice {
    std::uint32_t operator()() noexcept { return static_cast<std::uint32_t>(next_random()); }
};

}  // namespace simulation

#define ROOMCAST_ATOMIC ::simulation::Atomic
#define ROOMCAST_RANDOM_DEVICE ::simulation::RandomDevice
