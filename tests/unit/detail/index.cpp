// SPDX-License-Identifier: MIT
#include "roomcast/detail/index.hpp"

#include <algorithm>
#include <map>
#include <memory>
#include <random>
#include <vector>

#include "support/seed.hpp"
#include "support/catch.hpp"
#include "unit/allocations.hpp"

namespace {
struct Entry : roomcast::detail::Indexed {
    int key;
    Entry(int k, std::uint32_t h) : Indexed(h), key(k) {}
};
using Index = roomcast::detail::Index<Entry>;

Entry* find(const Index& index, int key, std::uint32_t hash) {
    return index.find(hash, [&](const Entry& r) { return r.key == key; });
}
void insert(Index& index, Entry& record) {
    index.reserve();
    index.insert(record);
}
/// As a good hash does.
std::uint32_t spread(int i) { return static_cast<std::uint32_t>(i) * 0x9e3779b9U; }
}  // namespace

TEST_CASE("an index erases by identity: an equal record stays", "[invariant-12]") {
    Index index;
    Entry old{1, 77}, young{1, 77};
    insert(index, old);
    insert(index, young);
    index.erase(old);
    CHECK(index.size() == 1);
    CHECK(find(index, 1, 77) == &young);
    insert(index, old);
    index.erase(old);
    CHECK(find(index, 1, 77) == &young);
}

TEST_CASE("an index with nothing in it holds no memory", "[invariant-11]") {
    const auto before = unit::allocations::live_bytes();
    Index index;
    CHECK(find(index, 1, 1) == nullptr);
    std::uint64_t from = 5;
    CHECK(index.any(&from) == nullptr);
    Entry record{1, 5};
    insert(index, record);
    CHECK(unit::allocations::live_bytes() > before);
    index.erase(record);
    CHECK(unit::allocations::live_bytes() == before);
}

TEST_CASE("an index that goes with records in it gives its memory back", "[invariant-11]") {
    std::vector<Entry> records;
    for (int i = 0; i < 5'000; ++i) records.emplace_back(i, spread(i));
    const auto before = unit::allocations::live_bytes();
    {
        Index index;
        for (Entry& r : records) insert(index, r);
    }
    CHECK(unit::allocations::live_bytes() == before);
}

TEST_CASE("an index does what a map does, also when many records share few places") {
    INFO("ROOMCAST_SEED=" << tests::seed());
    std::mt19937_64 random(tests::seed());
    for (const std::size_t places : {3U, 50U, 100'000U}) {
        Index index;
        std::map<int, std::unique_ptr<Entry>> reference;
        for (int step = 0; step < 5000; ++step) {
            const int key = static_cast<int>(random() % 300);
            auto& slot = reference[key];
            if (slot) {
                index.erase(*slot);
                slot.reset();
            } else {
                // Many in one bucket, or all in their own.
                slot = std::make_unique<Entry>(key, static_cast<std::uint32_t>(~(random() % places)));
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

namespace {
struct alignas(8) Resident : roomcast::detail::PoolIndexed {
    int key;
    Resident(int k, std::uint32_t h) : PoolIndexed(h), key(k) {}
};
}  // namespace

TEST_CASE("an index of a pool's records does the same, with half as much memory", "[invariant-11]") {
    constexpr int most = 20'000;
    INFO("ROOMCAST_SEED=" << tests::seed());
    std::mt19937_64 random(tests::seed());
    roomcast::detail::Pool<Resident> pool;
    roomcast::detail::PoolIndex<Resident> index({&pool});
    std::vector<Resident*> records(most);
    const auto found = [&](int key) {
        return index.find(spread(key), [&](const Resident& r) { return r.key == key; });
    };
    const auto before = unit::allocations::live_bytes();
    std::size_t pooled = 0;
    for (int key = 0; key < most; ++key) {
        const auto old = unit::allocations::live_bytes();
        pool.reserve(1);
        pooled += unit::allocations::live_bytes() - old;
        index.reserve();
        auto& record = records[static_cast<std::size_t>(key)] = &pool.make(key, spread(key));
        index.insert(*record);
    }
    CHECK(unit::allocations::live_bytes() - before - pooled <= most * 9 / 2);
    for (int step = 0; step < most; ++step) {
        const int key = static_cast<int>(random() % most);
        auto& record = records[static_cast<std::size_t>(key)];
        REQUIRE(found(key) == record);
        if (record) {
            index.erase(*record);
            pool.free(*record);
            record = nullptr;
        } else {
            pool.reserve(1);
            index.reserve();
            record = &pool.make(key, spread(key));
            index.insert(*record);
        }
        REQUIRE(found(key) == record);
    }
    std::uint64_t from = 0;
    while (Resident* r = index.any(&from)) {
        records[static_cast<std::size_t>(r->key)] = nullptr;
        index.erase(*r);
        pool.free(*r);
    }
    for (const Resident* record : records) REQUIRE(record == nullptr);
    CHECK(unit::allocations::live_bytes() == before);
}

TEST_CASE("any finds every record in the end") {
    Index index;
    std::vector<std::unique_ptr<Entry>> records;
    for (int i = 0; i < 100; ++i) {
        records.push_back(std::make_unique<Entry>(i, spread(i)));
        insert(index, *records.back());
    }
    std::uint64_t from = 0;
    std::size_t found = 0;
    while (Entry* r = index.any(&from)) {
        index.erase(*r);
        ++found;
    }
    CHECK(found == 100);
    CHECK(index.size() == 0);
}

TEST_CASE("an index that cannot grow is as before", "[invariant-9]") {
    constexpr int most = 2'000;  // several segments by then
    std::vector<Entry> records;
    for (int i = 0; i < most; ++i) records.emplace_back(i, spread(i));
    Index index;
    std::size_t thrown = 0;
    for (int i = 0; i < most; ++i) {
        Entry& next = records[static_cast<std::size_t>(i)];
        for (std::size_t n = 1;; ++n) {
            const auto before = unit::allocations::live_bytes();
            const unit::allocations::Failure failure(n);
            try {
                index.reserve();
                break;
            } catch (const std::bad_alloc&) {
                ++thrown;
                if (unit::allocations::live_bytes() != before) FAIL("memory was kept");
            }
            for (int k = 0; k < i; ++k) {
                const Entry& r = records[static_cast<std::size_t>(k)];
                if (find(index, r.key, r.hash) != &r) FAIL("record " << k << " was lost");
            }
        }
        index.insert(next);
    }
    CHECK(thrown > 10);
}

TEST_CASE("an index has no long chains, neither while it grows nor while it gets smaller", "[invariant-15]") {
    std::vector<Entry> records;
    for (int i = 0; i < 5'000; ++i) records.emplace_back(i, spread(i));  // their low bits are all different
    const auto longest_chain = [](auto begin, auto end) {
        int longest = 0;
        for (; begin != end; ++begin) {
            int length = 0;
            for (const roomcast::detail::Indexed* r = &*begin; r; r = r->next_of_bucket) ++length;
            longest = std::max(longest, length);
        }
        return longest;
    };
    Index index;
    for (auto at = records.begin(); at != records.end(); ++at) {
        insert(index, *at);
        if (index.size() % 97 == 0) REQUIRE(longest_chain(records.begin(), at + 1) <= 2);
    }
    for (auto at = records.end(); at-- != records.begin();) {
        index.erase(*at);
        if (index.size() % 97 == 0) REQUIRE(longest_chain(records.begin(), at) <= 2);
    }
}

TEST_CASE("an index grows and gets smaller by small steps, however large it is, and loses nothing", "[invariant-15]") {
    constexpr int most = 60'000;
    std::vector<Entry> records;
    for (int i = 0; i < most; ++i) records.emplace_back(i, spread(i));
    Index index;
    const auto before = unit::allocations::live_bytes();
    const auto bytes = [&] { return unit::allocations::live_bytes() - before; };
    std::size_t largest_step = 0;
    const auto step = [&](auto&& change) {
        const auto old = bytes();
        change();
        const auto now = bytes();
        largest_step = std::max(largest_step, now > old ? now - old : old - now);
    };
    for (Entry& r : records) {
        step([&] { insert(index, r); });
        if (index.size() > 5'000) REQUIRE(bytes() <= index.size() * 9);
    }
    for (const Entry& r : records) REQUIRE(find(index, r.key, r.hash) == &r);
    const auto full = bytes();
    for (int i = most; i-- > 100;) {
        Entry& r = records[static_cast<std::size_t>(i)];
        step([&] { index.erase(r); });
        if (index.size() > 5'000) REQUIRE(bytes() <= index.size() * 18);
    }
    CHECK(bytes() < full / 50);
    CHECK(largest_step < 8 * 1024);
    for (int i = 0; i < 100; ++i) {
        Entry& r = records[static_cast<std::size_t>(i)];
        CHECK(find(index, i, r.hash) == &r);
        index.erase(r);
    }
    CHECK(bytes() == 0);
}
