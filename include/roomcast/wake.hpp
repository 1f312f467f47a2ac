// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstddef>
#include <memory>
#include <utility>

namespace roomcast {

/// What Options::wake calls: any callable that takes a TimePoint, or nothing.
/// It is made of a lambda, of a function or of a std::function, which may be
/// empty. Copies share the callable, and its state with it.
///
/// Thread safety: as a std::shared_ptr's; calls are the callable's own.
template <class TimePoint>
class Wake {
public:
    Wake() noexcept = default;
    Wake(std::nullptr_t) noexcept {}
    /// Throws std::bad_alloc, and what moving the callable throws.
    template <class Callable>
        requires std::invocable<Callable&, TimePoint>
    Wake(Callable callable) {
        // A lambda without captures would compare as the function that it converts to.
        if constexpr (requires { Callable(nullptr) == nullptr; })
            if (callable == nullptr) return;
        callable_ = std::make_shared<Callable>(std::move(callable));
        call_ = [](void* f, TimePoint time) { (*static_cast<Callable*>(f))(time); };
    }

    [[nodiscard]] explicit operator bool() const noexcept { return callable_ != nullptr; }
    /// There must be a callable.
    void operator()(TimePoint time) const { call_(callable_.get(), time); }

private:
    std::shared_ptr<void> callable_;
    void (*call_)(void*, TimePoint) = nullptr;
};

}  // namespace roomcast
