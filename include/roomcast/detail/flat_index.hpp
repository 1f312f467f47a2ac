// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <utility>

namespace roomcast::detail {

/// A hash index of records that live elsewhere, for hashes whose bits are all
/// as good (SeededHash). Extendible hashing: the low bits of a hash choose one of
/// many small tables, the high bits a place in it. A table that is full grows by
/// itself, and splits when it is large, so that no call moves more records than
/// one table has, however many there are; the list of tables is copied when it
/// doubles, a pointer for some 500 records. Tables are probed linearly, at most
/// three quarters full, 12 bytes a place, and erased from without tombstones.
///
/// Only `reserve` needs memory. Tables get smaller as they empty, to about a
/// hundred bytes each; an index holds no memory once its last record is erased.
template <class Record>
class FlatIndex {
public:
    FlatIndex() noexcept = default;
    FlatIndex(const FlatIndex&) = delete;
    FlatIndex& operator=(const FlatIndex&) = delete;
    ~FlatIndex() { clear(); }

    [[nodiscard]] std::size_t size() const noexcept { return size_; }

    /// The record with this hash for which `is_it(record)` holds, or null.
    template <class IsIt>
    [[nodiscard]] Record* find(std::uint32_t hash, IsIt&& is_it) const {
        if (size_ == 0) return nullptr;
        const Table& table = table_of(hash);
        const std::uint32_t mark = marked(hash);
        for (std::uint32_t i = table.home(mark); table.marks()[i] != 0; i = table.after(i))
            if (table.marks()[i] == mark && is_it(*table.records()[i])) return table.records()[i];
        return nullptr;
    }

    /// Makes room for one more with this hash. Throws std::bad_alloc; then
    /// nothing changed that anyone can see.
    void reserve(std::uint32_t hash) {
        if (!tables_) {
            TablePointer first = make_table(0, 0);
            tables_ = std::make_unique<Table*[]>(1);
            tables_[0] = first.release();
        }
        while (!table_of(hash).takes_one_more()) {
            Table& full = table_of(hash);
            if (full.size >= largest && worth_splitting(full)) split(full, hash);
            else replace(full, hash, make_table(full.size, full.depth));
        }
    }

    /// After `reserve` of this hash.
    void insert(Record& record, std::uint32_t hash) noexcept {
        table_of(hash).place(record, marked(hash));
        ++size_;
    }

    /// By identity: another record with an equal key stays. It has to be there.
    void erase(const Record& record, std::uint32_t hash) noexcept {
        Table& table = table_of(hash);
        table.erase(record, marked(hash));
        if (--size_ == 0) return clear();
        if (table.size >= table.capacity / 8 || table.capacity == smallest) return;
        try {
            replace(table, hash, make_table(table.size, table.depth));
        } catch (const std::bad_alloc&) {
            // The larger one does as well.
        }
    }

    /// Any record, looked for from `*from` on, which is set to where it is; one
    /// more is behind it. Null when empty.
    [[nodiscard]] Record* any(std::uint64_t* from) const noexcept {
        if (size_ == 0) return nullptr;
        auto chosen = static_cast<std::uint32_t>(*from >> 32) & mask();
        auto place = static_cast<std::uint32_t>(*from);
        while (true) {
            const Table& table = *tables_[chosen];
            while (place < table.capacity && table.marks()[place] == 0) ++place;
            if (place < table.capacity) {
                *from = (std::uint64_t{chosen} << 32) | place;
                return table.records()[place];
            }
            chosen = (chosen + 1) & mask();
            place = 0;
        }
    }

private:
    static constexpr std::uint32_t smallest = 8;
    static constexpr std::uint32_t largest = 800;  // records of a table; more only where hashes are not spread

    /// Its records follow it, then their marks: the hash, or 0 for a free place.
    struct alignas(Record*) Table {
        std::uint32_t capacity;
        std::uint32_t depth;  // bits of the hash that all in it share
        std::uint32_t size = 0;

        Record** records() noexcept { return reinterpret_cast<Record**>(this + 1); }
        Record* const* records() const noexcept { return reinterpret_cast<Record* const*>(this + 1); }
        std::uint32_t* marks() noexcept { return reinterpret_cast<std::uint32_t*>(records() + capacity); }
        const std::uint32_t* marks() const noexcept {
            return reinterpret_cast<const std::uint32_t*>(records() + capacity);
        }

        [[nodiscard]] bool takes_one_more() const noexcept {
            return (std::uint64_t{size} + 1) * 4 <= std::uint64_t{capacity} * 3;
        }
        [[nodiscard]] std::uint32_t home(std::uint32_t mark) const noexcept {
            return static_cast<std::uint32_t>((std::uint64_t{mark} * capacity) >> 32);
        }
        [[nodiscard]] std::uint32_t after(std::uint32_t i) const noexcept { return i + 1 == capacity ? 0 : i + 1; }
        [[nodiscard]] std::uint32_t distance(std::uint32_t from, std::uint32_t to) const noexcept {
            return to >= from ? to - from : to + capacity - from;
        }

        void place(Record& record, std::uint32_t mark) noexcept {
            Record** const r = records();
            std::uint32_t* const m = marks();
            std::uint32_t i = home(mark);
            while (m[i] != 0) i = after(i);
            r[i] = &record;
            m[i] = mark;
            ++size;
        }
        void erase(const Record& record, std::uint32_t mark) noexcept {
            std::uint32_t hole = home(mark);
            while (marks()[hole] != mark || records()[hole] != &record) hole = after(hole);
            for (std::uint32_t i = after(hole); marks()[i] != 0; i = after(i)) {
                // What may not lie before its home stays where it is.
                if (distance(home(marks()[i]), i) < distance(hole, i)) continue;
                marks()[hole] = marks()[i];
                records()[hole] = records()[i];
                hole = i;
            }
            marks()[hole] = 0;
            --size;
        }
        template <class Visit>
        void for_each(Visit&& visit) const noexcept {
            Record* const* const r = records();
            const std::uint32_t* const m = marks();
            for (std::uint32_t i = 0, end = capacity; i < end; ++i)
                if (m[i] != 0) visit(*r[i], m[i]);
        }
    };
    struct Free {
        void operator()(Table* table) const noexcept { ::operator delete(table); }
    };
    using TablePointer = std::unique_ptr<Table, Free>;

    /// With twice as many places as `records` take.
    static TablePointer make_table(std::uint32_t records, std::uint32_t depth) {
        const std::uint32_t capacity = std::max(smallest, records * 2);
        void* memory = ::operator new(sizeof(Table) + capacity * (sizeof(Record*) + sizeof(std::uint32_t)));
        TablePointer table(::new (memory) Table{.capacity = capacity, .depth = depth});
        std::fill_n(table->marks(), capacity, 0U);
        return table;
    }

    static std::uint32_t marked(std::uint32_t hash) noexcept { return hash != 0 ? hash : 1U << 31; }
    [[nodiscard]] std::uint32_t mask() const noexcept { return (1U << depth_) - 1; }
    [[nodiscard]] Table& table_of(std::uint32_t hash) const noexcept { return *tables_[hash & mask()]; }

    /// Not where many have one hash, or nearly so. The highest bit chooses no
    /// table: it may be that of a mark alone.
    [[nodiscard]] bool worth_splitting(const Table& table) const noexcept {
        return (size_ >> table.depth) > largest / 4 && table.depth < 31;
    }

    void split(Table& full, std::uint32_t hash) {
        const std::uint32_t bit = 1U << full.depth;
        std::uint32_t upper_size = 0;
        full.for_each([&](const Record&, std::uint32_t mark) { upper_size += (mark & bit) != 0; });
        TablePointer lower = make_table(full.size - upper_size, full.depth + 1);
        TablePointer upper = make_table(upper_size, full.depth + 1);
        if (full.depth == depth_) {
            auto doubled = std::make_unique_for_overwrite<Table*[]>(std::size_t{2} << depth_);
            std::copy_n(tables_.get(), std::size_t{1} << depth_, doubled.get());
            std::copy_n(tables_.get(), std::size_t{1} << depth_, doubled.get() + (std::size_t{1} << depth_));
            tables_ = std::move(doubled);
            ++depth_;
        }
        full.for_each([&](Record& record, std::uint32_t mark) {
            ((mark & bit) != 0 ? upper : lower)->place(record, mark);
        });
        put(lower.release(), hash & (bit - 1));
        put(upper.release(), (hash & (bit - 1)) | bit);
        ::operator delete(&full);
    }

    void replace(Table& old, std::uint32_t hash, TablePointer made) noexcept {
        old.for_each([&](Record& record, std::uint32_t mark) { made->place(record, mark); });
        put(made.release(), hash & ((1U << old.depth) - 1));
        ::operator delete(&old);
    }

    /// In all places that share its `bits`.
    void put(Table* table, std::uint32_t bits) noexcept {
        for (std::size_t i = bits; i <= mask(); i += std::size_t{1} << table->depth) tables_[i] = table;
    }

    void clear() noexcept {
        if (!tables_) return;
        // From above, so that a table is met last where its own bits alone are set.
        for (std::size_t i = std::size_t{1} << depth_; i-- > 0;)
            if (i >> tables_[i]->depth == 0) ::operator delete(tables_[i]);
        tables_.reset();
        depth_ = 0;
        size_ = 0;
    }

    std::unique_ptr<Table*[]> tables_;
    std::uint32_t depth_ = 0;
    std::size_t size_ = 0;
};

}  // namespace roomcast::detail
