// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <memory>

#include "roomcast/detail/engine.hpp"

namespace simulation {

/// A stack of its own, and what an operating system keeps for a thread: the
/// exceptions under way, and the library's one thread_local. A switch costs no
/// system call. The default one is that of the caller, for it to come back to.
class Fiber {
public:
    Fiber() noexcept = default;
    /// Runs `entry` when it is first switched to; that must not return.
    explicit Fiber(void (*entry)());
    Fiber(const Fiber&) = delete;
    Fiber& operator=(const Fiber&) = delete;

    /// From the one that runs (`from`) to `to`.
    static void change(Fiber& from, Fiber& to) noexcept;

private:
    struct Exceptions {  // as __cxa_eh_globals has it
        void* caught = nullptr;
        unsigned int uncaught = 0;
    };
    static void arrive() noexcept;
    static void start();

    static constexpr std::size_t stack_size = 256 * 1024;

    std::unique_ptr<std::byte[]> stack_;
    void* stack_pointer_ = nullptr;
    void (*entry_)() = nullptr;
    Exceptions exceptions_{};
    roomcast::detail::CallLink* innermost_call_ = nullptr;
    // Where AddressSanitizer has to know of the stacks.
    void* fake_stack_ = nullptr;
    const void* stack_bottom_ = nullptr;
    std::size_t stack_bytes_ = 0;
};

}  // namespace simulation
