// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <utility>

#include "roomcast/config.hpp"
#include "roomcast/detail/least.hpp"
#include "roomcast/detail/list.hpp"

namespace roomcast::detail {

/// What a record in a pool begins with, or has beside its other bases: room for
/// small members is left behind it.
struct Pooled {
    std::uint16_t place = 0;  ///< in its slab; the pool's own
};

/// A place in a slab that no record is in.
struct FreePlace {
    FreePlace* next;
    std::uint16_t place;
};

/// What a slab begins with.
struct Slab : Link<Slab> {
    FreePlace* free = nullptr;
    std::uint16_t begun = 0;  ///< places before it have been used
    std::uint16_t used = 0;   ///< of them in use now
};

/// Memory for records of one type, which come in great numbers: a slab at a
/// time, without a header for each. A slab in which no record is left is given
/// back, but for one while there are records. All is O(1).
///
/// Thread safety: none. Records may be destroyed elsewhere, their remains come
/// back by `take_back`.
template <class Record>
class Pool {
    using Slabs = List<Slab, Slab>;

public:
    /// The memory of records that were destroyed.
    class Remains {
    public:
        void destroy(Record& record) noexcept { first_ = bury(record, first_); }

    private:
        friend class Pool;
        FreePlace* first_ = nullptr;
    };

    Pool() noexcept = default;
    Pool(const Pool&) = delete;
    Pool& operator=(const Pool&) = delete;
    ~Pool() {
        ROOMCAST_ASSERT(records_ == 0);
        release();
    }

    /// Room for `count` more. Throws std::bad_alloc; then nothing changed that
    /// anyone can see. O(count).
    void reserve(std::size_t count) {
        if (count == 1 && !open_.empty()) return;
        std::size_t free = 0;
        for (Slab* slab = open_.front(); slab && free < count; slab = open_.next(*slab)) free += places - slab->used;
        for (; free < count; free += places) open_.push_back(*make_slab());
    }

    /// After `reserve`, and before anything is freed.
    template <class... Arguments>
    Record& make(Arguments&&... arguments) noexcept {
        ROOMCAST_ASSERT(!open_.empty());
        Slab& slab = *open_.front();
        std::uint16_t place = slab.begun;
        if (FreePlace* const free = slab.free) {
            place = free->place;
            slab.free = free->next;
        } else {
            ++slab.begun;
        }
        ++slab.used;
        ++records_;
        if (spare_ == &slab) spare_ = nullptr;
        if (full(slab)) Slabs::unlink(slab);
        void* const at = reinterpret_cast<std::byte*>(&slab) + first + place * sizeof(Record);
        Record* const record = ::new (at) Record(std::forward<Arguments>(arguments)...);
        record->place = place;
        return *record;
    }

    void free(Record& record) noexcept { put(*bury(record, nullptr)); }

    /// Up to `most` of them; answers whether any is left.
    bool take_back(Remains& remains, std::size_t most) noexcept {
        for (; remains.first_ && most > 0; --most) {
            FreePlace& place = *remains.first_;
            remains.first_ = place.next;
            put(place);
        }
        return remains.first_;
    }

private:
    static constexpr std::size_t first = (sizeof(Slab) + alignof(Record) - 1) / alignof(Record) * alignof(Record);
    static constexpr std::size_t around = first + 16;  // with what the allocator adds
    static constexpr std::size_t places =
        (greatest<std::size_t>(ROOMCAST_SLAB_BYTES, around + sizeof(Record)) - around) / sizeof(Record);
    static constexpr std::align_val_t alignment{greatest(alignof(Slab), alignof(Record))};
    static_assert(sizeof(Record) >= sizeof(FreePlace) && alignof(Record) >= alignof(FreePlace) && places <= UINT16_MAX);

    static bool full(const Slab& slab) noexcept { return !slab.free && slab.begun == places; }

    static FreePlace* bury(Record& record, FreePlace* next) noexcept {
        const std::uint16_t place = record.place;
        std::destroy_at(&record);
        return ::new (static_cast<void*>(&record)) FreePlace{next, place};
    }

    void put(FreePlace& place) noexcept {
        auto* const begin = reinterpret_cast<std::byte*>(&place) - place.place * sizeof(Record) - first;
        Slab& slab = *reinterpret_cast<Slab*>(begin);
        if (full(slab)) open_.push_front(slab);
        place.next = slab.free;
        slab.free = &place;
        --records_;
        if (--slab.used == 0) drop_empty(slab);
    }

    /// One stays, so that who comes and goes at a border does not take and give
    /// back a slab each time.
    void drop_empty(Slab& slab) noexcept {
        if (records_ == 0) return release();
        if (spare_) give_back(*spare_);
        spare_ = &slab;
    }
    /// When no record is left.
    void release() noexcept {
        spare_ = nullptr;
        while (Slab* slab = open_.front()) give_back(*slab);
    }

    [[nodiscard]] static Slab* make_slab() {
        return ::new (::operator new(first + places * sizeof(Record), alignment)) Slab;
    }
    static void give_back(Slab& slab) noexcept {
        Slabs::unlink(slab);
        ::operator delete(&slab, alignment);
    }

    Slabs open_;  // with free places
    Slab* spare_ = nullptr;
    std::size_t records_ = 0;
};

}  // namespace roomcast::detail
