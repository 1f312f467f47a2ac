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
#include "roomcast/detail/segments.hpp"

namespace roomcast::detail {

/// A record's place among those of its pool, half as long as its address; 0: none.
using Ref = std::uint32_t;

/// What a record in a pool derives from, or else has of its own; room for small
/// members is left behind it.
struct Pooled {
    std::uint16_t place = 0;  ///< in its slab; the pool's own
};

/// A place in a slab that no record is in.
struct FreePlace {
    FreePlace* next;
    std::uint16_t place;
};

/// What a slab begins with; its places follow.
struct Slab : Link<Slab> {
    FreePlace* free = nullptr;
    const std::uint32_t number;
    std::uint16_t begun = 0;  ///< places before it have been used
    std::uint16_t used = 0;   ///< of them in use now

    explicit Slab(std::uint32_t n) noexcept : number(n) {}
    [[nodiscard]] std::byte* places() noexcept { return reinterpret_cast<std::byte*>(this + 1); }
};

/// The slabs of a pool by their numbers, which those that are given back leave to
/// others. It keeps 8 bytes for each of the most slabs that there were, until it is
/// cleared.
class SlabTable {
public:
    /// Where the first place of the slab is.
    [[nodiscard]] std::byte* operator[](std::uint32_t number) const noexcept { return entries_[number].places; }

    /// The number of a slab to come: one that is free, or a new one, from 1 on. Throws
    /// std::bad_alloc, also where there are 2^24 - 1 slabs.
    [[nodiscard]] std::uint32_t reserve() {
        if (free_ != 0) return free_;
        if (end_ == most) throw std::bad_alloc();
        if (end_ >= entries_.capacity()) entries_.grow();
        return end_;
    }
    /// After `reserve`.
    void insert(Slab& slab) noexcept {
        if (slab.number == end_) ++end_;
        else free_ = entries_[slab.number].next_free;
        entries_[slab.number].places = slab.places();
    }
    void erase(const Slab& slab) noexcept {
        entries_[slab.number].next_free = free_;
        free_ = slab.number;
    }
    /// Once all are erased.
    void clear() noexcept {
        entries_.clear();
        end_ = 1;
        free_ = 0;
    }

private:
    union Entry {
        std::byte* places;
        std::uint32_t next_free;
    };
    static constexpr std::uint32_t most = 1u << 24;

    Segments<Entry> entries_;
    std::uint32_t end_ = 1;   // numbers before it have been used
    std::uint32_t free_ = 0;  // the first of those that are free again
};

/// Memory for records of one type, which come in great numbers: a slab at a
/// time, without a header for each. A slab in which no record is left is given
/// back, but for one while there are records. All is O(1), but for `reserve`, and for
/// the last record, with which the table of slabs goes.
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
        void* const at = slab.places() + place * sizeof(Record);
        Record* const record = ::new (at) Record(std::forward<Arguments>(arguments)...);
        record->place = place;
        return *record;
    }

    void free(Record& record) noexcept { put(*bury(record, nullptr)); }

    /// Null for 0.
    [[nodiscard]] Record* at(Ref ref) const noexcept {
        if (ref == 0) return nullptr;
        return reinterpret_cast<Record*>(slabs_[ref >> place_bits]) + (ref & ((1u << place_bits) - 1));
    }
    [[nodiscard]] static Ref ref(const Record& record) noexcept {
        return slab_of(&record, record.place).number << place_bits | record.place;
    }

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
    static constexpr unsigned place_bits = 8;  // of a Ref

    // The header ends where the first record begins.
    static constexpr std::size_t first = (sizeof(Slab) + alignof(Record) - 1) / alignof(Record) * alignof(Record);
    static constexpr std::size_t around = first + 16;  // with what the allocator adds
    static constexpr std::size_t bytes = greatest<std::size_t>(ROOMCAST_SLAB_BYTES, around + sizeof(Record)) - around;
    static constexpr std::size_t places = least<std::size_t>(bytes / sizeof(Record), 1u << place_bits);
    static constexpr std::align_val_t alignment{greatest(alignof(Slab), alignof(Record))};
    static_assert(sizeof(Record) >= sizeof(FreePlace) && alignof(Record) >= alignof(FreePlace));

    /// Of what lies at a place: a record, or what is left of one.
    static Slab& slab_of(const void* at, std::size_t place) noexcept {
        auto* const begin = static_cast<const std::byte*>(at) - place * sizeof(Record);
        return const_cast<Slab*>(reinterpret_cast<const Slab*>(begin))[-1];
    }
    static bool full(const Slab& slab) noexcept { return !slab.free && slab.begun == places; }

    static FreePlace* bury(Record& record, FreePlace* next) noexcept {
        const std::uint16_t place = record.place;
        std::destroy_at(&record);
        return ::new (static_cast<void*>(&record)) FreePlace{next, place};
    }

    void put(FreePlace& place) noexcept {
        Slab& slab = slab_of(&place, place.place);
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
        slabs_.clear();
    }

    [[nodiscard]] Slab* make_slab() {
        auto* const memory = static_cast<std::byte*>(::operator new(first + places * sizeof(Record), alignment));
        try {
            auto* const slab = ::new (memory + first - sizeof(Slab)) Slab(slabs_.reserve());
            slabs_.insert(*slab);
            return slab;
        } catch (...) {
            ::operator delete(memory, alignment);
            throw;
        }
    }
    void give_back(Slab& slab) noexcept {
        Slabs::unlink(slab);
        slabs_.erase(slab);
        ::operator delete(slab.places() - first, alignment);
    }

    SlabTable slabs_;
    Slabs open_;  // with free places
    Slab* spare_ = nullptr;
    std::size_t records_ = 0;
};

}  // namespace roomcast::detail
