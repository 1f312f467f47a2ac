// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>

#include "roomcast/detail/pool.hpp"
#include "roomcast/detail/segments.hpp"

namespace roomcast::detail {

/// What a record derives from that can be in an Index.
struct Indexed {
    Indexed* next_of_bucket = nullptr;  ///< the index's own
    const std::uint32_t hash;

    explicit Indexed(std::uint32_t h) noexcept : hash(h) {}
};
/// The same for a record of a pool.
struct PoolIndexed {
    const std::uint32_t hash;
    Ref next_of_bucket = 0;   ///< the index's own
    std::uint16_t place = 0;  ///< the pool's own, see Pooled; last, small members follow it in its padding

    explicit PoolIndexed(std::uint32_t h) noexcept : hash(h) {}
};

// How an index points to records: by their addresses, or by their places in a pool.

struct ByAddress {
    using Record = Indexed;
    using Pointer = Indexed*;

    [[nodiscard]] static Indexed* at(Pointer pointer) noexcept { return pointer; }
    [[nodiscard]] static Pointer pointer_to(Indexed& record) noexcept { return &record; }
};
template <class R>
struct ByPlace {
    using Record = R;
    using Pointer = Ref;

    [[nodiscard]] R* at(Pointer pointer) const noexcept { return pool->at(pointer); }
    [[nodiscard]] static Pointer pointer_to(R& record) noexcept { return Pool<R>::ref(record); }

    const Pool<R>* pool;
};

/// The buckets of an Index; those by address are compiled once for all. Linear
/// hashing (Litwin, 1980): a bucket is a chain through its records, and there is
/// a bucket for each record. Each that comes splits one bucket and each that
/// goes merges two at most, so no call moves more than a few records, however
/// many there are; see Segments for the buckets' heads.
///
/// Only `reserve` needs memory: a pointer for each record, at most twice that, or 512
/// pointers, while records go. There is none left once the last record is erased.
template <class Links>
class Buckets {
public:
    using Pointer = typename Links::Pointer;
    using Record = typename Links::Record;

    explicit Buckets(Links links = {}) noexcept : links_(links) {}
    Buckets(const Buckets&) = delete;
    Buckets& operator=(const Buckets&) = delete;

    [[nodiscard]] std::size_t size() const noexcept { return size_; }

    /// Through `next`: the records with this hash, and others.
    [[nodiscard]] Record* chain(std::uint32_t hash) const noexcept {
        return size_ == 0 ? nullptr : links_.at(heads_[bucket_of(hash)]);
    }
    [[nodiscard]] Record* next(const Record& record) const noexcept { return links_.at(record.next_of_bucket); }

    /// Makes room for one more. Throws std::bad_alloc; then nothing changed that
    /// anyone can see.
    void reserve() {
        if (size_ < buckets_ || buckets_ < heads_.capacity()) return;
        heads_.grow();
        if (buckets_ != 0) return;
        buckets_ = heads_.capacity();
        mask_ = buckets_ - 1;
    }

    /// After `reserve`.
    void insert(Record& record) noexcept {
        if (++size_ > buckets_) split();
        push(bucket_of(record.hash), links_.pointer_to(record), record);
    }

    /// By identity: another record with an equal key stays. It has to be there.
    void erase(Record& record) noexcept {
        const Pointer pointer = links_.pointer_to(record);
        Pointer* at = &heads_[bucket_of(record.hash)];
        while (*at != pointer) at = &links_.at(*at)->next_of_bucket;
        *at = record.next_of_bucket;
        if (--size_ < buckets_ / 2) shrink();
    }

    /// Any record, looked for from `*from` on, which is set to where it is; one
    /// more is behind it. Null when empty.
    [[nodiscard]] Record* any(std::uint64_t* from) const noexcept {
        if (size_ == 0) return nullptr;
        std::uint32_t bucket = static_cast<std::uint32_t>(*from >> 32) % buckets_;
        for (std::uint32_t place = static_cast<std::uint32_t>(*from);; place = 0) {
            Record* r = links_.at(heads_[bucket]);
            for (std::uint32_t i = 0; r && i < place; ++i) r = next(*r);
            if (r) {
                *from = (std::uint64_t{bucket} << 32) | place;
                return r;
            }
            if (++bucket == buckets_) bucket = 0;
        }
    }

private:
    [[nodiscard]] std::uint32_t bucket_of(std::uint32_t hash) const noexcept {
        const std::uint32_t bucket = hash & mask_;
        return bucket < buckets_ ? bucket : bucket & (mask_ >> 1);
    }
    void push(std::uint32_t bucket, Pointer pointer, Record& record) noexcept {
        record.next_of_bucket = heads_[bucket];
        heads_[bucket] = pointer;
    }

    /// The last bucket but half of them gives one more what belongs there.
    void split() noexcept {
        const std::uint32_t upper = buckets_++;
        if (upper > mask_) mask_ = mask_ * 2 + 1;
        const Pointer first = heads_[upper & (mask_ >> 1)];
        heads_[upper & (mask_ >> 1)] = heads_[upper] = Pointer();
        move_all(first, mask_);
    }
    void merge() noexcept {
        const std::uint32_t upper = --buckets_;
        move_all(heads_[upper], mask_ >> 1);
        if (upper == (mask_ >> 1) + 1) mask_ >>= 1;
        if (upper % heads_.segment == 0) heads_.shrink();
    }
    /// A chain's records go to where their hashes belong under `mask`.
    void move_all(Pointer pointer, std::uint32_t mask) noexcept {
        while (Record* const r = links_.at(pointer)) {
            const Pointer next = r->next_of_bucket;
            push(r->hash & mask, pointer, *r);
            pointer = next;
        }
    }

    void shrink() noexcept {
        if (size_ == 0) {
            heads_.clear();
            buckets_ = mask_ = 0;
        }
        for (int i = 0; i < 2 && size_ < buckets_ / 2 && buckets_ > heads_.smallest; ++i) merge();
    }

    const Links links_;
    Segments<Pointer> heads_;  // with room for more buckets
    std::uint32_t buckets_ = 0;
    std::uint32_t mask_ = 0;   // the smallest power of two that is no less than buckets_, less one
    std::size_t size_ = 0;
};

/// A hash index of records that live elsewhere, for hashes whose bits are all
/// as good (SeededHash).
template <class Record, class Links = ByAddress>
class Index : Buckets<Links> {
    using Base = Buckets<Links>;

public:
    using Base::Base, Base::reserve, Base::size;

    /// The record with this hash for which `is_it(record)` holds, or null.
    template <class IsIt>
    [[nodiscard]] Record* find(std::uint32_t hash, IsIt&& is_it) const {
        for (auto* r = Base::chain(hash); r; r = Base::next(*r))
            if (r->hash == hash && is_it(static_cast<Record&>(*r))) return static_cast<Record*>(r);
        return nullptr;
    }

    void insert(Record& record) noexcept { Base::insert(record); }
    void erase(Record& record) noexcept { Base::erase(record); }
    [[nodiscard]] Record* any(std::uint64_t* from) const noexcept {
        return static_cast<Record*>(Base::any(from));
    }
};

/// The same for the records of a pool: half as much for each.
template <class Record>
using PoolIndex = Index<Record, ByPlace<Record>>;

}  // namespace roomcast::detail
