// SPDX-License-Identifier: MIT
#include "simulation/hooks.hpp"

#include "simulation/fiber.hpp"

#include <cxxabi.h>

#include <cstdint>
#include <cstring>
#include <exception>

#include "simulation/sanitizer.hpp"

// Saves what a function must preserve on the stack, and the stack pointer in
// `*save`; then goes on where `stack_pointer` was saved.
extern "C" void simulation_switch(void** save, void* stack_pointer) noexcept;

#if defined(__x86_64__)
__asm__(R"(
    .text
    .globl simulation_switch
    .type simulation_switch, @function
simulation_switch:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
    .size simulation_switch, . - simulation_switch
)");
namespace {
/// Six registers, the return address, and an end for whoever unwinds.
void* first_frame(std::byte* top, void (*entry)()) {
    auto** frame = reinterpret_cast<void**>(top) - 8;
    std::memset(frame, 0, 8 * sizeof(void*));
    frame[6] = reinterpret_cast<void*>(entry);
    return frame;
}
}  // namespace
#elif defined(__aarch64__)
__asm__(R"(
    .text
    .globl simulation_switch
    .type simulation_switch, %function
simulation_switch:
    sub sp, sp, #160
    stp x19, x20, [sp, #0]
    stp x21, x22, [sp, #16]
    stp x23, x24, [sp, #32]
    stp x25, x26, [sp, #48]
    stp x27, x28, [sp, #64]
    stp x29, x30, [sp, #80]
    stp d8, d9, [sp, #96]
    stp d10, d11, [sp, #112]
    stp d12, d13, [sp, #128]
    stp d14, d15, [sp, #144]
    mov x9, sp
    str x9, [x0]
    mov sp, x1
    ldp x19, x20, [sp, #0]
    ldp x21, x22, [sp, #16]
    ldp x23, x24, [sp, #32]
    ldp x25, x26, [sp, #48]
    ldp x27, x28, [sp, #64]
    ldp x29, x30, [sp, #80]
    ldp d8, d9, [sp, #96]
    ldp d10, d11, [sp, #112]
    ldp d12, d13, [sp, #128]
    ldp d14, d15, [sp, #144]
    add sp, sp, #160
    ret
    .size simulation_switch, . - simulation_switch
)");
namespace {
void* first_frame(std::byte* top, void (*entry)()) {
    auto** frame = reinterpret_cast<void**>(top) - 20;
    std::memset(frame, 0, 20 * sizeof(void*));
    frame[11] = reinterpret_cast<void*>(entry);  // x30
    return frame;
}
}  // namespace
#else
#error "simulation_switch is written for x86-64 and arm64 alone"
#endif

namespace simulation {
namespace {
Fiber* running = nullptr;   // where a switch goes to
Fiber* came_from = nullptr;
}  // namespace

Fiber::Fiber(void (*entry)()) : stack_(new std::byte[stack_size]), entry_(entry) {
    std::byte* top = stack_.get() + stack_size;
    top -= reinterpret_cast<std::uintptr_t>(top) % 16;
    stack_pointer_ = first_frame(top, &Fiber::start);
    stack_bottom_ = stack_.get();
    stack_bytes_ = stack_size;
}

void Fiber::start() {
    arrive();
    running->entry_();
    std::terminate();
}

void Fiber::arrive() noexcept {
#ifdef SIMULATION_ASAN
    __sanitizer_finish_switch_fiber(running->fake_stack_, &came_from->stack_bottom_, &came_from->stack_bytes_);
#endif
    std::memcpy(static_cast<void*>(__cxxabiv1::__cxa_get_globals()), &running->exceptions_, sizeof(Exceptions));
    roomcast::detail::innermost_call = running->innermost_call_;
}

void Fiber::change(Fiber& from, Fiber& to) noexcept {
    std::memcpy(&from.exceptions_, static_cast<void*>(__cxxabiv1::__cxa_get_globals()), sizeof(Exceptions));
    from.innermost_call_ = roomcast::detail::innermost_call;
    running = &to;
    came_from = &from;
#ifdef SIMULATION_ASAN
    __sanitizer_start_switch_fiber(&from.fake_stack_, to.stack_bottom_, to.stack_bytes_);
#endif
    simulation_switch(&from.stack_pointer_, to.stack_pointer_);
    arrive();
}

}  // namespace simulation
