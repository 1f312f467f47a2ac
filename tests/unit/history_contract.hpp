// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "support/seed.hpp"
#include "roomcast/history.hpp"
#include "support/catch.hpp"
#include "support/scale.hpp"
#include "unit/allocations.hpp"

/// What every store does that satisfies `roomcast::history_store`:
///
///     TEMPLATE_TEST_CASE("a history store keeps its contract", "", MyStore) {
///         unit::history_contract<TestType>();
///     }
///
/// A store that keeps nothing passes what is left then.
namespace unit {

using namespace std::chrono_literals;
using roomcast::Frame;
using roomcast::HistoryBounds;
using roomcast::HistoryEntry;
using roomcast::Instant;

/// A store's whole meaning, written down as simply as can be.
struct HistoryReference {
    struct Kept {
        std::uint64_t seq;
        std::string payload;
        Instant appended;
        bool deleted = false;
    };
    HistoryBounds bounds;
    std::size_t overhead;  // of an entry
    std::vector<Kept> kept{};

    void append(std::uint64_t seq, const std::string& payload, Instant now) {
        kept.push_back({seq, payload, now});
        while (kept.size() > bounds.messages) drop();
        while (bounds.bytes != 0 && payloads() > bounds.bytes) drop();
    }
    bool erase(std::uint64_t seq) {
        for (Kept& k : kept)
            if (k.seq == seq) {
                k.payload.clear();
                return k.deleted = true;
            }
        return false;
    }
    void expire(Instant now) {
        while (bounds.age > 0ms && !kept.empty() && kept.front().appended + bounds.age <= now) drop();
    }
    std::size_t shrink(std::size_t wanted) {
        const std::size_t before = bytes();
        while (!kept.empty() && before - bytes() < wanted) drop();
        return before - bytes();
    }
    [[nodiscard]] std::uint64_t first() const { return kept.empty() ? 0 : kept.front().seq; }
    [[nodiscard]] std::size_t bytes() const { return payloads() + kept.size() * overhead; }
    [[nodiscard]] std::vector<std::string> read(std::uint64_t after, std::size_t most,
                                                std::size_t most_bytes) const {
        std::vector<Kept> wanted;
        for (const Kept& k : kept)
            if (k.seq > after) wanted.push_back(k);
        const auto size = [&] {
            std::size_t sum = 0;
            for (const Kept& k : wanted) sum += k.payload.size();
            return sum;
        };
        while (wanted.size() > most || size() > most_bytes) wanted.erase(wanted.begin());
        std::vector<std::string> texts;
        for (const Kept& k : wanted)
            texts.push_back(std::to_string(k.seq) + (k.deleted ? " deleted" : "=" + k.payload));
        return texts;
    }

private:
    void drop() { kept.erase(kept.begin()); }
    [[nodiscard]] std::size_t payloads() const {
        std::size_t sum = 0;
        for (const Kept& k : kept) sum += k.payload.size();
        return sum;
    }
};

template <roomcast::history_store Store>
std::vector<std::string> read(const Store& store, std::uint64_t after = 0, std::size_t most = 1'000'000,
                              std::size_t most_bytes = 1'000'000) {
    std::vector<HistoryEntry> entries;
    store.read(after, most, most_bytes, entries);
    std::vector<std::string> texts;
    for (const HistoryEntry& e : entries) {
        if (e.deleted) CHECK(e.payload.empty());
        texts.push_back(std::to_string(e.seq) + (e.deleted ? " deleted" : "=" + std::string(e.payload)));
    }
    return texts;
}

/// What one entry counts beside its payload; 0: the store keeps nothing.
template <roomcast::history_store Store>
std::size_t entry_overhead() {
    Store store(HistoryBounds{.messages = 1});
    store.append(1, Frame(), Instant(0));
    return store.bytes();
}

template <roomcast::history_store Store>
void store_follows_the_reference(std::uint64_t seed) {
    INFO("as the first: ROOMCAST_SEED=" << seed);
    std::mt19937_64 random(seed);
    const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random() % n); };
    const bool keeps = entry_overhead<Store>() != 0;
    const std::size_t bound_of_bytes[]{0, 10, 100};
    const HistoryBounds bounds{.messages = below(25),
                               .bytes = bound_of_bytes[below(3)],
                               .age = std::chrono::milliseconds(below(2) * below(20))};
    CAPTURE(bounds.messages, bounds.bytes, bounds.age.count());
    Store store(bounds);
    HistoryReference reference{bounds, entry_overhead<Store>()};
    if (!keeps) reference.bounds.messages = 0;
    std::uint64_t last = below(5);
    Instant now{0};
    std::vector<HistoryEntry> room_to_read;
    room_to_read.reserve(100);
    for (int step = 0; step < 300; ++step) {
        if (bounds.age > 0ms) now += std::chrono::microseconds(below(2'000));
        const std::uint64_t some = last > 20 ? last - below(30) % last : below(20);
        switch (below(12)) {
            case 0: REQUIRE(store.erase(some) == reference.erase(some)); break;
            case 1:
                store.expire(now);
                reference.expire(now);
                break;
            case 2: {
                const std::size_t bytes = below(10) == 0 ? 100'000 : below(100);
                REQUIRE(store.shrink(bytes) == reference.shrink(bytes));
                break;
            }
            case 3:
                if (below(5) != 0) break;
                store.clear();
                reference.kept.clear();
                last = below(1'000);
                break;
            case 4: {
                const Frame payload("lost?");
                bool lost = false;
                {
                    const allocations::Failure failure(1);
                    store.append(++last, payload, now);
                    lost = failure.happened();
                }
                reference.append(last, "lost?", now);
                if (lost) reference.kept.clear();
                break;
            }
            default: {
                const std::string payload(below(12), 'a');
                store.append(++last, payload, now);
                reference.append(last, payload, now);
            }
        }
        REQUIRE(store.size() == reference.kept.size());
        REQUIRE(store.first() == reference.first());
        REQUIRE(store.bytes() == reference.bytes());
        REQUIRE(read(store) == reference.read(0, 1'000'000, 1'000'000));
        const std::size_t most = below(20), most_bytes = below(100);
        REQUIRE(read(store, some, most, most_bytes) == reference.read(some, most, most_bytes));
    }
}

template <roomcast::history_store Store>
void history_contract() {
    using Texts = std::vector<std::string>;
    const auto filled = [](Store& store, std::uint64_t count) {
        for (std::uint64_t seq = 1; seq <= count; ++seq)
            store.append(seq, "m" + std::to_string(seq), Instant(0));
    };
    const auto is_empty = [](const Store& store) {
        return store.size() == 0 && store.first() == 0 && store.bytes() == 0 && read(store).empty();
    };

    SECTION("an empty store may be asked for everything") {
        Store store(HistoryBounds{.messages = 10, .age = 1s});
        CHECK(is_empty(store));
        CHECK_FALSE(store.erase(0));
        CHECK_FALSE(store.erase(1));
        CHECK(store.shrink(100) == 0);
        store.expire(100s);
        store.clear();
        CHECK(is_empty(store));
    }
    SECTION("no messages is a bound too, and the one that holds by default") {
        Store store(HistoryBounds{});
        filled(store, 5);
        CHECK(is_empty(store));
        CHECK_FALSE(store.erase(5));
    }
    SECTION("does what a simple reference does, whatever comes", "[invariant-10]") {
        for (std::size_t i = 0; i < tests::scaled(100); ++i) store_follows_the_reference<Store>(tests::seed() + i);
    }

    if (entry_overhead<Store>() == 0) return;

    SECTION("the newest messages are kept, as many as the bound says") {
        Store store(HistoryBounds{.messages = 3});
        filled(store, 3);
        CHECK(read(store) == Texts{"1=m1", "2=m2", "3=m3"});
        store.append(4, "m4", Instant(0));
        CHECK(read(store) == Texts{"2=m2", "3=m3", "4=m4"});
        CHECK(store.first() == 2);
        CHECK(store.size() == 3);
    }
    SECTION("the newest messages are kept whose bytes fit; one that is too large leaves none") {
        Store store(HistoryBounds{.messages = 100, .bytes = 10});
        store.append(1, "12345", Instant(0));
        store.append(2, "67890", Instant(0));
        CHECK(read(store) == Texts{"1=12345", "2=67890"});
        store.append(3, "a", Instant(0));
        CHECK(read(store) == Texts{"2=67890", "3=a"});
        store.append(4, "longer than all", Instant(0));
        CHECK(is_empty(store));
        store.append(5, "b", Instant(0));
        CHECK(read(store) == Texts{"5=b"});
    }
    SECTION("no bound of bytes means none") {
        Store store(HistoryBounds{.messages = 3, .bytes = 0});
        const Frame large(std::string(3 << 20, 'x'));
        for (std::uint64_t seq = 1; seq <= 3; ++seq) store.append(seq, large, Instant(0));
        CHECK(store.size() == 3);
    }
    SECTION("a message goes when it is as old as the bound says, however it is asked") {
        Store store(HistoryBounds{.messages = 100, .age = 1s});
        store.append(1, "old", 10s);
        store.append(2, "young", 10s + 400ms);
        store.expire(11s - 1ns);
        CHECK(read(store) == Texts{"1=old", "2=young"});
        store.expire(11s);
        CHECK(read(store) == Texts{"2=young"});
        store.expire(100s);
        CHECK(is_empty(store));
    }
    SECTION("without a bound of age nothing grows old") {
        for (const auto age : {0ms, -5ms, std::chrono::milliseconds::max()}) {
            Store store(HistoryBounds{.messages = 100, .age = age});
            filled(store, 5);
            store.expire(24h * 365 * 100);
            CHECK(store.size() == 5);
        }
    }
    SECTION("an erased message leaves its number, and gives its bytes back") {
        Store store(HistoryBounds{.messages = 3, .bytes = 10});
        filled(store, 3);
        const std::size_t before = store.bytes();
        CHECK(store.erase(2));
        CHECK(store.bytes() == before - 2);
        CHECK(read(store) == Texts{"1=m1", "2 deleted", "3=m3"});
        CHECK(store.erase(2));
        CHECK(store.bytes() == before - 2);
        CHECK_FALSE(store.erase(0));
        CHECK_FALSE(store.erase(4));
        store.append(4, "m4", Instant(0));
        CHECK(read(store) == Texts{"2 deleted", "3=m3", "4=m4"});
        CHECK_FALSE(store.erase(1));
    }
    SECTION("an empty message is no erased one") {
        Store store(HistoryBounds{.messages = 3});
        store.append(1, Frame(), Instant(0));
        CHECK(read(store) == Texts{"1="});
        CHECK(store.erase(1));
        CHECK(read(store) == Texts{"1 deleted"});
    }
    SECTION("what is read is the newest after a number, so many, and so many bytes") {
        Store store(HistoryBounds{.messages = 100});
        filled(store, 5);
        CHECK(read(store, 3) == Texts{"4=m4", "5=m5"});
        CHECK(read(store, 5).empty());
        CHECK(read(store, 100).empty());
        CHECK(read(store, 0, 2) == Texts{"4=m4", "5=m5"});
        CHECK(read(store, 0, 0).empty());
        CHECK(read(store, 0, 100, 6) == Texts{"3=m3", "4=m4", "5=m5"});
        CHECK(read(store, 0, 100, 5) == Texts{"4=m4", "5=m5"});
        CHECK(read(store, 0, 100, 1).empty());
        // An older one that would fit does not come instead of a newer one.
        store.append(6, "a long message", Instant(0));
        CHECK(read(store, 0, 100, 4).empty());
        CHECK(store.erase(6));
        CHECK(read(store, 0, 100, 4) == Texts{"4=m4", "5=m5", "6 deleted"});
    }
    SECTION("what is read comes behind what was there") {
        Store store(HistoryBounds{.messages = 100});
        filled(store, 2);
        std::vector<HistoryEntry> entries{{7, "mine"}};
        store.read(1, 10, 100, entries);
        REQUIRE(entries.size() == 2);
        CHECK(entries[0].payload == "mine");
        CHECK(entries[1].seq == 2);
    }
    SECTION("shrinking drops the oldest until it is enough, and says how much that was") {
        Store store(HistoryBounds{.messages = 100});
        filled(store, 9);
        const std::size_t each = entry_overhead<Store>() + 2;
        CHECK(store.bytes() == 9 * each);
        CHECK(store.shrink(0) == 0);
        CHECK(store.shrink(1) == each);
        CHECK(store.first() == 2);
        CHECK(store.shrink(each * 2) == each * 2);
        CHECK(store.first() == 4);
        CHECK(store.bytes() == 6 * each);
        CHECK(store.shrink(1'000'000) == 6 * each);
        CHECK(is_empty(store));
    }
    SECTION("a store that was cleared begins with any number") {
        Store store(HistoryBounds{.messages = 100});
        filled(store, 5);
        store.clear();
        CHECK(is_empty(store));
        store.append(3, "again", Instant(0));
        CHECK(read(store) == Texts{"3=again"});
    }
    SECTION("a message that finds no memory takes the older ones with it: no hole is left", "[invariant-10]") {
        for (std::size_t before = 0; before < 20; ++before) {
            Store store(HistoryBounds{.messages = 100});
            filled(store, before);
            const Frame payload("lost?"), next("next");
            bool failed = false;
            {
                const allocations::Failure failure(1);
                store.append(before + 1, payload, Instant(0));
                failed = failure.happened();
            }
            if (failed) CHECK(is_empty(store));
            else CHECK(store.size() == before + 1);
            store.append(before + 2, next, Instant(0));
            CHECK(store.first() == (failed ? before + 2 : 1));
            CHECK(read(store, before + 1) == Texts{std::to_string(before + 2) + "=next"});
        }
    }
    SECTION("who finds no memory to read has read nothing", "[invariant-9]") {
        Store store(HistoryBounds{.messages = 100});
        filled(store, 5);
        std::vector<HistoryEntry> entries{{7, "mine"}};
        bool failed = true;
        for (std::size_t n = 1; failed; ++n) {
            const std::size_t size = entries.size();
            const allocations::Failure failure(n);
            try {
                store.read(0, 10, 100, entries);
                failed = false;
            } catch (const std::bad_alloc&) {
                failed = entries.size() == size;
            }
            if (!failed) CHECK(failure.happened() == (n == 1 && entries.size() == size));
        }
        CHECK(entries.size() == 6);
    }
    SECTION("what it kept is given back, little by little and at the end", "[invariant-11]") {
        const auto before = allocations::live_bytes();
        {
            Store store(HistoryBounds{.messages = 10'000, .age = 1s});
            const auto idle = allocations::live_bytes();
            for (std::uint64_t seq = 1; seq <= 10'000; ++seq) store.append(seq, "some text", Instant(0));
            const auto full = allocations::live_bytes() - idle;
            CHECK(full <= store.bytes());
            store.shrink(store.bytes() - 100);
            CHECK(allocations::live_bytes() - idle < full / 100);
            store.expire(1s);
            CHECK(allocations::live_bytes() == idle);
            filled(store, 100);
        }
        CHECK(allocations::live_bytes() == before);
    }
}

}  // namespace unit
