// SPDX-License-Identifier: MIT
#include "roomcast/history.hpp"

#include "unit/history_contract.hpp"

using roomcast::MemoryHistory;
using roomcast::NoHistory;
using unit::Frame;
using unit::HistoryEntry;
using unit::Instant;

TEMPLATE_TEST_CASE("a history store keeps its contract", "[invariant-10]", NoHistory, MemoryHistory) {
    unit::history_contract<TestType>();
}

TEST_CASE("the history in memory keeps messages, no history keeps none") {
    CHECK(unit::entry_overhead<MemoryHistory>() == MemoryHistory::entry_overhead);
    CHECK(unit::entry_overhead<NoHistory>() == 0);
}

TEST_CASE("the history in memory shares a message's bytes with whoever sends it") {
    const Frame frame("bytes");
    MemoryHistory history({.messages = 5});
    history.append(1, frame, Instant(0));
    std::vector<HistoryEntry> entries;
    history.read(0, 1, 100, entries);
    REQUIRE(entries.size() == 1);
    CHECK(entries[0].payload.data() == frame.data());
}

TEST_CASE("a history that is full allocates nothing for one more message") {
    MemoryHistory history({.messages = 100});
    const Frame frame("bytes");
    for (std::uint64_t seq = 1; seq <= 200; ++seq) history.append(seq, frame, Instant(0));
    const auto made = unit::allocations::made();
    for (std::uint64_t seq = 201; seq <= 1000; ++seq) history.append(seq, frame, Instant(0));
    CHECK(unit::allocations::made() == made);
}
