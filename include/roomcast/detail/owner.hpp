// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <type_traits>

namespace roomcast::detail {

/// Owns what `new T` made, or, for an array `T[]`, `new T[n]`: std::unique_ptr, of
/// which a compiler has to write some forty functions for each type.
template <class T>
class Owner {
    using Owned = std::remove_extent_t<T>;

public:
    Owner() noexcept = default;
    explicit Owner(Owned* owned) noexcept : owned_(owned) {}
    Owner(Owner&& other) noexcept : owned_(other.release()) {}
    Owner& operator=(Owner&& other) noexcept {
        Owned* const owned = other.release();
        const Owner before(owned_);
        owned_ = owned;
        return *this;
    }
    ~Owner() {
        if constexpr (std::is_array_v<T>) delete[] owned_;
        else delete owned_;
    }

    [[nodiscard]] explicit operator bool() const noexcept { return owned_ != nullptr; }
    [[nodiscard]] Owned* get() const noexcept { return owned_; }
    [[nodiscard]] Owned& operator*() const noexcept { return *owned_; }
    [[nodiscard]] Owned* operator->() const noexcept { return owned_; }
    [[nodiscard]] Owned& operator[](std::size_t i) const noexcept { return owned_[i]; }
    Owned* release() noexcept {
        Owned* const owned = owned_;
        owned_ = nullptr;
        return owned;
    }

private:
    Owned* owned_ = nullptr;
};
template <class T>
Owner(T*) -> Owner<T>;

}  // namespace roomcast::detail
