// SPDX-License-Identifier: MIT
#include "unit/allocations.hpp"

#include <atomic>
#include <cstdlib>
#include <new>

#include "support/catch.hpp"

namespace {

constexpr std::size_t usual = __STDCPP_DEFAULT_NEW_ALIGNMENT__;

std::atomic<std::size_t> live{0};
thread_local std::size_t count = 0;
thread_local std::size_t fails_in = 0;  // 0: never
thread_local bool fails_on = false;     // every one after that too
thread_local bool failed = false;

// Before each block lies its size, in as many bytes as keep it aligned.
void* allocate(std::size_t size, std::size_t alignment = usual) {
    ++count;
    if (fails_in != 0 && --fails_in == 0) {
        failed = true;
        if (fails_on) fails_in = 1;
        throw std::bad_alloc();
    }
    void* memory = std::aligned_alloc(alignment, (1 + (size + alignment - 1) / alignment) * alignment);
    if (!memory) throw std::bad_alloc();
    *static_cast<std::size_t*>(memory) = size;
    live += size;
    return static_cast<char*>(memory) + alignment;
}

void release(void* block, std::size_t alignment = usual) noexcept {
    if (!block) return;
    void* memory = static_cast<char*>(block) - alignment;
    live -= *static_cast<std::size_t*>(memory);
    std::free(memory);
}

}  // namespace

void* operator new(std::size_t size) { return allocate(size); }
void* operator new[](std::size_t size) { return allocate(size); }
// AddressSanitizer has these of its own, which would not go by way of those.
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
    try {
        return allocate(size);
    } catch (const std::bad_alloc&) {
        return nullptr;
    }
}
void* operator new[](std::size_t size, const std::nothrow_t& nothrow) noexcept {
    return ::operator new(size, nothrow);
}
void operator delete(void* block, const std::nothrow_t&) noexcept { release(block); }
void operator delete[](void* block, const std::nothrow_t&) noexcept { release(block); }
void operator delete(void* block) noexcept { release(block); }
void operator delete[](void* block) noexcept { release(block); }
void operator delete(void* block, std::size_t) noexcept { release(block); }
void operator delete[](void* block, std::size_t) noexcept { release(block); }
void* operator new(std::size_t size, std::align_val_t alignment) {
    return allocate(size, static_cast<std::size_t>(alignment));
}
void operator delete(void* block, std::align_val_t alignment) noexcept {
    release(block, static_cast<std::size_t>(alignment));
}
void operator delete(void* block, std::size_t, std::align_val_t alignment) noexcept {
    release(block, static_cast<std::size_t>(alignment));
}

namespace unit::allocations {

std::size_t live_bytes() noexcept { return live; }
std::size_t made() noexcept { return count; }

Failure::Failure(std::size_t n, bool all) noexcept {
    fails_in = n;
    fails_on = all;
    failed = false;
}
Failure::~Failure() { fails_in = 0; }
bool Failure::happened() const noexcept { return failed; }

}  // namespace unit::allocations

TEST_CASE("allocations are counted, and fail on demand") {
    const auto before = unit::allocations::live_bytes();
    const auto made = unit::allocations::made();
    auto* block = ::operator new(100);
    CHECK(unit::allocations::live_bytes() == before + 100);
    ::operator delete(block);
    CHECK(unit::allocations::live_bytes() == before);
    CHECK(unit::allocations::made() == made + 1);
    bool thrown = false;
    bool happened = false;
    {
        const unit::allocations::Failure failure(2);
        ::operator delete(::operator new(1));
        try {
            ::operator delete(::operator new(1));
        } catch (const std::bad_alloc&) {
            thrown = true;
        }
        happened = failure.happened();
    }
    CHECK(thrown);
    CHECK(happened);
}
