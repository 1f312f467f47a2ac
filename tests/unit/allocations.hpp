// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>

/// Counts what operator new gives and operator delete takes in this program,
/// and lets the nth allocation of the calling thread fail.
namespace unit::allocations {

[[nodiscard]] std::size_t live_bytes() noexcept;
/// By this thread.
[[nodiscard]] std::size_t made() noexcept;

/// While it lives, this thread's nth allocation from now on throws
/// std::bad_alloc, with `all` also every one after it.
class Failure {
public:
    explicit Failure(std::size_t n, bool all = false) noexcept;
    ~Failure();
    Failure(const Failure&) = delete;
    Failure& operator=(const Failure&) = delete;
    [[nodiscard]] bool happened() const noexcept;
};

}  // namespace unit::allocations
