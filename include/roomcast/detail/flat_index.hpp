// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <utility>

namespace roomcast::detail {

/// A hash index of up to a thousand million records that live elsewhere: an
/// array of pointers to them and one of their hashes, linear probing, at most
/// 13/16 full, erased without tombstones. Only `reserve` and `shrink` allocate;
/// an empty index holds no memory.
template <class Record>
class FlatIndex {
public:
    [[nodiscard]] std::size_t size() const noexcept { return size_; }

    /// The record with this hash for which `is_it(record)` holds, or null.
    template <class IsIt>
    [[nodiscard]] Record* find(std::size_t hash, IsIt&& is_it) const {
        if (size_ == 0) return nullptr;
        const std::uint32_t wanted = kept(hash);
        for (std::size_t i = hash & mask_; hashes_[i] != 0; i = (i + 1) & mask_)
            if (hashes_[i] == wanted && is_it(*records_[i])) return records_[i];
        return nullptr;
    }

    /// Makes room for one more. Throws std::bad_alloc; then nothing changed.
    void reserve() {
        if ((size_ + 1) * 16 <= capacity() * 13) return;
        move_to(capacity() ? capacity() * 2 : smallest);
    }

    /// Halves an index that is less than an eighth full, if there is memory to
    /// do so. For owners that see many come and go.
    void shrink() noexcept {
        if (size_ * 8 >= capacity() || capacity() == smallest) return;
        try {
            move_to(capacity() / 2);
        } catch (const std::bad_alloc&) {
            // The larger arrays do as well.
        }
    }

    /// After `reserve`.
    void insert(Record& record, std::size_t hash) noexcept {
        place(record, kept(hash));
        ++size_;
    }

    /// By identity: another record with an equal key stays.
    void erase(const Record& record, std::size_t hash) noexcept {
        std::size_t hole = hash & mask_;
        while (records_[hole] != &record) hole = (hole + 1) & mask_;
        for (std::size_t i = (hole + 1) & mask_; hashes_[i] != 0; i = (i + 1) & mask_) {
            // What may not lie before its home stays where it is.
            if (((i - hashes_[i]) & mask_) >= ((i - hole) & mask_)) {
                records_[hole] = records_[i];
                hashes_[hole] = hashes_[i];
                hole = i;
            }
        }
        records_[hole] = nullptr;
        hashes_[hole] = 0;
        if (--size_ == 0) *this = {};
    }

    /// Any record, looked for from `*from` on, which is advanced; null when
    /// empty.
    [[nodiscard]] Record* any(std::size_t* from) const noexcept {
        if (size_ == 0) return nullptr;
        std::size_t i = *from & mask_;
        while (hashes_[i] == 0) i = (i + 1) & mask_;
        *from = i;
        return records_[i];
    }

private:
    static constexpr std::size_t smallest = 8;

    /// What is kept of a hash: 31 bits, and one that tells it from no record.
    [[nodiscard]] static std::uint32_t kept(std::size_t hash) noexcept {
        return static_cast<std::uint32_t>(hash) | std::uint32_t{1} << 31;
    }

    [[nodiscard]] std::size_t capacity() const noexcept { return hashes_ ? mask_ + 1 : 0; }

    void move_to(std::size_t wanted) {
        const std::size_t before = capacity();
        auto records = std::make_unique<Record*[]>(wanted);
        auto hashes = std::make_unique<std::uint32_t[]>(wanted);
        records.swap(records_);
        hashes.swap(hashes_);
        mask_ = wanted - 1;
        for (std::size_t i = 0; i < before; ++i)
            if (hashes[i] != 0) place(*records[i], hashes[i]);
    }

    void place(Record& record, std::uint32_t hash) noexcept {
        std::size_t i = hash & mask_;
        while (hashes_[i] != 0) i = (i + 1) & mask_;
        records_[i] = &record;
        hashes_[i] = hash;
    }

    std::unique_ptr<Record*[]> records_;
    std::unique_ptr<std::uint32_t[]> hashes_;
    std::size_t mask_ = 0;
    std::size_t size_ = 0;
};

}  // namespace roomcast::detail
