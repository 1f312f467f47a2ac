// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <memory>
#include <new>
#include <utility>

namespace roomcast::detail {

/// A hash index of records that live elsewhere: one array of {record, hash},
/// linear probing, at most three quarters full, erased without tombstones.
/// Only `reserve` and `shrink` allocate; an empty index holds no memory.
template <class Record>
class FlatIndex {
public:
    [[nodiscard]] std::size_t size() const noexcept { return size_; }

    /// The record with this hash for which `is_it(record)` holds, or null.
    template <class IsIt>
    [[nodiscard]] Record* find(std::size_t hash, IsIt&& is_it) const {
        if (size_ == 0) return nullptr;
        for (std::size_t i = hash & mask_; entries_[i].record; i = (i + 1) & mask_)
            if (entries_[i].hash == hash && is_it(*entries_[i].record)) return entries_[i].record;
        return nullptr;
    }

    /// Makes room for one more. Throws std::bad_alloc; then nothing changed.
    void reserve() {
        if ((size_ + 1) * 4 <= capacity() * 3) return;
        move_to(capacity() ? capacity() * 2 : smallest);
    }

    /// Halves an index that is less than an eighth full, if there is memory to
    /// do so. For owners that see many come and go.
    void shrink() noexcept {
        if (size_ * 8 >= capacity() || capacity() == smallest) return;
        try {
            move_to(capacity() / 2);
        } catch (const std::bad_alloc&) {
            // The larger array does as well.
        }
    }

    /// After `reserve`.
    void insert(Record& record, std::size_t hash) noexcept {
        place({&record, hash});
        ++size_;
    }

    /// By identity: another record with an equal key stays.
    void erase(const Record& record, std::size_t hash) noexcept {
        std::size_t hole = hash & mask_;
        while (entries_[hole].record != &record) hole = (hole + 1) & mask_;
        for (std::size_t i = (hole + 1) & mask_; entries_[i].record; i = (i + 1) & mask_) {
            // What may not lie before its home stays where it is.
            const std::size_t home = entries_[i].hash & mask_;
            if (((i - home) & mask_) >= ((i - hole) & mask_)) {
                entries_[hole] = entries_[i];
                hole = i;
            }
        }
        entries_[hole] = {};
        if (--size_ == 0) entries_.reset();
    }

    /// Any record, looked for from `*from` on, which is advanced; null when
    /// empty.
    [[nodiscard]] Record* any(std::size_t* from) const noexcept {
        if (size_ == 0) return nullptr;
        std::size_t i = *from & mask_;
        while (!entries_[i].record) i = (i + 1) & mask_;
        *from = i;
        return entries_[i].record;
    }

private:
    static constexpr std::size_t smallest = 8;

    struct Entry {
        Record* record = nullptr;
        std::size_t hash = 0;
    };

    [[nodiscard]] std::size_t capacity() const noexcept { return entries_ ? mask_ + 1 : 0; }

    void move_to(std::size_t wanted) {
        const std::size_t before = capacity();
        auto old = std::exchange(entries_, std::make_unique<Entry[]>(wanted));
        mask_ = wanted - 1;
        for (std::size_t i = 0; i < before; ++i)
            if (old[i].record) place(old[i]);
    }

    void place(Entry entry) noexcept {
        std::size_t i = entry.hash & mask_;
        while (entries_[i].record) i = (i + 1) & mask_;
        entries_[i] = entry;
    }

    std::unique_ptr<Entry[]> entries_;
    std::size_t mask_ = 0;
    std::size_t size_ = 0;
};

}  // namespace roomcast::detail
