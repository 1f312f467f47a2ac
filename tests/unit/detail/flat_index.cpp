// SPDX-License-Identifier: MIT
#include "roomcast/detail/flat_index.hpp"

#include <map>
#include <memory>
#include <random>
#include <vector>

#include "support/catch.hpp"
#include "unit/allocations.hpp"

namespace {
struct Entry {
    int key;
    std::size_t hash;
};
using Index = roomcast::detail::FlatIndex<Entry>;

Entry* find(const Index& index, int key, std::size_t hash) {
    return index.find(hash, [&](const Entry& r) { return r.key == key; });
}
void insert(Index& index, Entry& record) {
    index.reserve();
    index.insert(record, record.hash);
}
}  // namespace

TEST_CASE("an index erases by identity: an equal record stays", "[invariant-12]") {
    Index index;
    Entry old{1, 77}, young{1, 77};
    insert(index, old);
    insert(index, young);
    index.erase(old, old.hash);
    CHECK(index.size() == 1);
    CHECK(find(index, 1, 77) == &young);
    insert(index, old);
    index.erase(old, old.hash);
    CHECK(find(index, 1, 77) == &young);
}

TEST_CASE("an index with nothing in it holds no memory", "[invariant-11]") {
    const auto before = unit::allocations::live_bytes();
    Index index;
    CHECK(find(index, 1, 1) == nullptr);
    std::size_t from = 5;
    CHECK(index.any(&from) == nullptr);
    Entry record{1, 5};
    insert(index, record);
    CHECK(unit::allocations::live_bytes() > before);
    index.erase(record, record.hash);
    CHECK(unit::allocations::live_bytes() == before);
}

TEST_CASE("an index does what a map does, also when many records share few places") {
    std::mt19937 random(7);
    for (const std::size_t places : {3U, 50U, 100'000U}) {
        Index index;
        std::map<int, std::unique_ptr<Entry>> reference;
        for (int step = 0; step < 5000; ++step) {
            const int key = static_cast<int>(random() % 300);
            auto& slot = reference[key];
            if (slot) {
                index.erase(*slot, slot->hash);
                slot.reset();
            } else {
                // The last places, so that runs wrap around.
                slot = std::make_unique<Entry>(Entry{key, static_cast<std::size_t>(-1) - random() % places});
                insert(index, *slot);
            }
            if (step % 50 != 0) continue;
            std::size_t size = 0;
            for (const auto& [k, record] : reference)
                if (record) {
                    ++size;
                    REQUIRE(find(index, k, record->hash) == record.get());
                }
            REQUIRE(index.size() == size);
            REQUIRE(find(index, -1, 0) == nullptr);
        }
    }
}

TEST_CASE("any finds every record in the end") {
    Index index;
    std::vector<std::unique_ptr<Entry>> records;
    for (int i = 0; i < 100; ++i) {
        records.push_back(std::make_unique<Entry>(Entry{i, static_cast<std::size_t>(i) * 31}));
        insert(index, *records.back());
    }
    std::size_t from = 0, found = 0;
    while (Entry* r = index.any(&from)) {
        index.erase(*r, r->hash);
        ++found;
    }
    CHECK(found == 100);
    CHECK(index.size() == 0);
}

TEST_CASE("an index that cannot grow is as before", "[invariant-9]") {
    Index index;
    std::vector<Entry> records;
    for (int i = 0; i < 6; ++i) records.push_back({i, static_cast<std::size_t>(i)});
    for (Entry& r : records) insert(index, r);
    bool thrown = false;
    {
        const unit::allocations::Failure failure(1);
        try {
            index.reserve();
        } catch (const std::bad_alloc&) {
            thrown = true;
        }
    }
    CHECK(thrown);
    for (Entry& r : records) CHECK(find(index, r.key, r.hash) == &r);
}

TEST_CASE("an index that is shrunk fits those that are left, and loses none", "[invariant-11]") {
    const auto before = unit::allocations::live_bytes();
    std::vector<std::unique_ptr<Entry>> records;
    for (int i = 0; i < 10'000; ++i)
        records.push_back(std::make_unique<Entry>(Entry{i, static_cast<std::size_t>(i) * 0x9e3779b97f4a7c15}));
    const auto with_records = unit::allocations::live_bytes();
    Index index;
    for (const auto& r : records) insert(index, *r);
    const auto full = unit::allocations::live_bytes() - with_records;
    index.shrink();
    CHECK(unit::allocations::live_bytes() - with_records == full);
    for (int i = 100; i < 10'000; ++i) {
        const Entry& r = *records[static_cast<std::size_t>(i)];
        index.erase(r, r.hash);
        index.shrink();
    }
    CHECK(unit::allocations::live_bytes() - with_records < full / 10);
    {
        const unit::allocations::Failure failure(1, true);
        for (int i = 10; i < 100; ++i) {
            const Entry& r = *records[static_cast<std::size_t>(i)];
            index.erase(r, r.hash);
            index.shrink();
        }
    }
    for (int i = 0; i < 10; ++i) {
        const Entry& r = *records[static_cast<std::size_t>(i)];
        CHECK(find(index, i, r.hash) == &r);
        index.erase(r, r.hash);
        index.shrink();
    }
    CHECK(unit::allocations::live_bytes() == with_records);
    CHECK(with_records > before);
}
