// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <new>
#include <string_view>

#include "roomcast/close_code.hpp"
#include "roomcast/detail/least.hpp"

namespace roomcast::detail {

/// A CloseReason that is kept, in 8 bytes: its text is shared by all whom it
/// meets.
///
/// Thread safety: as a Frame's.
class KeptReason {
public:
    KeptReason() noexcept = default;

    /// Without memory for the text the reason goes without text: removing
    /// cannot fail.
    explicit KeptReason(const CloseReason& reason) noexcept : word_(numbers_of(reason)) {
        if (reason.text.empty()) return;
        void* const memory = ::operator new(sizeof(Shared) + reason.text.size(), std::nothrow);
        if (memory) word_ = reinterpret_cast<std::uintptr_t>(::new (memory) Shared(word_, reason.text));
    }

    KeptReason(const KeptReason& other) noexcept : word_(other.word_) {
        // Relaxed: a new reference is made from one that already exists.
        if (Shared* const s = shared()) s->references.fetch_add(1, std::memory_order_relaxed);
    }
    KeptReason& operator=(KeptReason other) noexcept {
        const std::uint64_t before = word_;
        word_ = other.word_;
        other.word_ = before;
        return *this;
    }
    ~KeptReason() {
        Shared* const s = shared();
        // Release, then acquire: the last holder sees every earlier use.
        if (!s || s->references.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
        s->~Shared();
        ::operator delete(s);
    }

    [[nodiscard]] CloseCode code() const noexcept { return view().code; }
    /// It would be kept as this one.
    [[nodiscard]] bool keeps(const CloseReason& reason) const noexcept {
        const Shared* const s = shared();
        return s ? s->numbers == numbers_of(reason) && s->text() == reason.text
                 : word_ == numbers_of(reason) && reason.text.empty();
    }
    /// While the reason lives.
    [[nodiscard]] CloseReason view() const noexcept {
        const Shared* const s = shared();
        const std::uint64_t numbers = s ? s->numbers : word_;
        return {static_cast<CloseCode>(numbers >> 16 & 0xffff), s ? s->text() : std::string_view(),
                std::chrono::milliseconds(numbers >> 32)};
    }

private:
    struct Shared {
        std::atomic<std::size_t> references{1};
        const std::uint64_t numbers;
        const std::size_t size;

        Shared(std::uint64_t n, std::string_view text) noexcept : numbers(n), size(text.size()) {
            std::memcpy(static_cast<void*>(this + 1), text.data(), size);
        }
        [[nodiscard]] std::string_view text() const noexcept {
            return {reinterpret_cast<const char*>(this + 1), size};
        }
    };

    /// Odd, which no address is.
    static constexpr std::uint64_t numbers_of(const CloseReason& reason) noexcept {
        const auto wait = bounded<std::chrono::milliseconds::rep>(reason.retry_after.count(), 0,
                                                                std::numeric_limits<std::uint32_t>::max());
        return static_cast<std::uint64_t>(wait) << 32 | static_cast<std::uint64_t>(reason.code) << 16 | 1;
    }
    [[nodiscard]] Shared* shared() const noexcept {
        return word_ & 1 ? nullptr : reinterpret_cast<Shared*>(static_cast<std::uintptr_t>(word_));
    }

    // The address of what is shared, or the numbers alone.
    std::uint64_t word_ = numbers_of({CloseCode::normal});
};

static_assert(sizeof(KeptReason) == 8);

}  // namespace roomcast::detail
