// SPDX-License-Identifier: MIT
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <utility>

#include "roomcast/config.hpp"
#include "roomcast/detail/list.hpp"

namespace roomcast::detail {

/// Memory for records of one type, which come in great numbers: a slab at a
/// time, without a header for each. A slab in which no record is left is given
/// back. All is O(1), but for a new slab.
///
/// Thread safety: none. Records may be destroyed elsewhere, their remains come
/// back by `take_back`.
template <class Record>
class Pool {
    struct Free {
        Free* next;
    };

public:
    /// Frees what is not released.
    struct Deleter {
        Pool* pool = nullptr;
        void operator()(Record* record) const noexcept { pool->free(*record); }
    };
    using Made = std::unique_ptr<Record, Deleter>;

    /// The memory of records that were destroyed.
    class Remains {
    public:
        void destroy(Record& record) noexcept {
            std::destroy_at(&record);
            first_ = ::new (static_cast<void*>(&record)) Free{first_};
        }

    private:
        friend class Pool;
        Free* first_ = nullptr;
    };

    Pool() noexcept = default;
    Pool(const Pool&) = delete;
    Pool& operator=(const Pool&) = delete;

    /// Throws std::bad_alloc, or what the constructor throws; then nothing
    /// changed.
    template <class... Arguments>
    [[nodiscard]] Made make(Arguments&&... arguments) {
        void* const memory = take();
        try {
            return Made(::new (memory) Record(std::forward<Arguments>(arguments)...), Deleter{this});
        } catch (...) {
            put(memory);
            throw;
        }
    }

    void free(Record& record) noexcept {
        std::destroy_at(&record);
        put(&record);
    }
    void take_back(Remains& remains) noexcept {
        while (Free* place = remains.first_) {
            remains.first_ = place->next;
            put(place);
        }
    }

private:
    struct Slab : Link<Pool> {
        Free* free = nullptr;
        std::size_t used = 0;
    };
    using Slabs = List<Slab, Pool>;

    // A slab is rather less than a power of two: what the allocator adds fits in, too.
    static constexpr std::size_t first = (sizeof(Slab) + alignof(Record) - 1) / alignof(Record) * alignof(Record);
    static constexpr std::size_t beside = first + 64;
    static constexpr std::size_t places =
        ROOMCAST_SLAB_BYTES > beside + sizeof(Record) ? (ROOMCAST_SLAB_BYTES - beside) / sizeof(Record) : 1;
    static constexpr std::size_t bytes = first + places * sizeof(Record);
    static constexpr std::align_val_t alignment{std::bit_ceil(bytes)};
    static_assert(sizeof(Record) >= sizeof(Free) && alignof(Record) >= alignof(Free));

    [[nodiscard]] void* take() {
        if (open_.empty()) open_.push_back(*make_slab());
        Slab& slab = *open_.front();
        Free* const place = slab.free;
        slab.free = place->next;
        if (!slab.free) Slabs::unlink(slab);
        ++slab.used;
        return place;
    }
    void put(void* memory) noexcept {
        // A slab begins at a multiple of its alignment, and is not longer.
        const auto inside = reinterpret_cast<std::uintptr_t>(memory) % static_cast<std::size_t>(alignment);
        Slab& slab = *std::launder(reinterpret_cast<Slab*>(static_cast<std::byte*>(memory) - inside));
        if (!slab.free) open_.push_front(slab);
        slab.free = ::new (memory) Free{slab.free};
        if (--slab.used != 0) return;
        Slabs::unlink(slab);
        ::operator delete(&slab, alignment);
    }

    [[nodiscard]] static Slab* make_slab() {
        void* const memory = ::operator new(bytes, alignment);
        Slab* const slab = ::new (memory) Slab;
        std::byte* const begin = static_cast<std::byte*>(memory) + first;
        for (std::size_t i = places; i-- > 0;) slab->free = ::new (begin + i * sizeof(Record)) Free{slab->free};
        return slab;
    }

    Slabs open_;  // with free places
};

}  // namespace roomcast::detail
