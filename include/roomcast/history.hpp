// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <new>
#include <string_view>
#include <type_traits>
#include <vector>

#include "roomcast/config.hpp"
#include "roomcast/detail/ring.hpp"
#include "roomcast/frame.hpp"
#include "roomcast/instant.hpp"

namespace roomcast {

/// How much of its past a room keeps; whichever bound is met first counts.
struct HistoryBounds {
    /// Messages at most, erased ones among them; 0 keeps none.
    std::size_t messages = 0;
    /// Bytes of payload at most (1 MiB); a message that is larger is not kept,
    /// nor what came before it; 0: no limit.
    std::size_t bytes = std::size_t{1} << 20;
    /// Older messages go; 0 or less: they stay for ever.
    std::chrono::milliseconds age{0};
};

/// A numbered message as it was published. Of one that was erased only the
/// number is left, so that what is read has no holes.
struct HistoryEntry {
    std::uint64_t seq;
    std::string_view payload;
    bool deleted = false;
};

/// Where a room keeps its past: one store for each room. For a store `s`, or
/// `c` where it is const:
///
/// | expression | meaning | who calls it, when |
/// |---|---|---|
/// | `S(bounds)` | an empty store; may throw std::bad_alloc | whoever makes the room |
/// | `s.append(seq, frame, now)` | keeps one more message, then drops the oldest until `bounds.messages` and `bounds.bytes` hold. Numbers come without gaps, except after `clear` and into an empty store. Where memory runs out, everything up to this message is forgotten, itself included: a shorter history is honest, a hole is not | the room, once for each numbered message |
/// | `s.erase(seq) -> bool` | forgets the message's payload and leaves its number; true also when that had been done before; false: not kept | the room, when a message is deleted |
/// | `s.expire(now)` | drops what was appended `bounds.age` ago or earlier | the room before it reads, and now and then; only if `bounds.age` is above zero |
/// | `s.shrink(bytes) -> std::size_t` | drops the oldest until `c.bytes()` has fallen by so much or nothing is left; answers by how much it fell | whoever holds all rooms to a budget of memory |
/// | `s.clear()` | drops everything; the next number may be any | the room, when its numbers begin anew |
/// | `c.first() -> std::uint64_t` | the oldest number kept; 0: none | the room |
/// | `c.size() -> std::size_t` | how many are kept, erased ones among them | the room |
/// | `c.bytes() -> std::size_t` | what it all takes: payloads, and so much for each entry as the store states | whoever holds all rooms to a budget of memory |
/// | `c.read(after, most, most_bytes, out)` | appends to `out` the newest entries with a number above `after`, oldest first: at most `most`, and only as far back as the payloads fit in `most_bytes`. The views hold until the next call that changes the store. May throw std::bad_alloc; then `out` is as it was | the room, for a join and for whoever asks |
///
/// All but the constructor and `read` are noexcept, and so is the destructor.
///
/// Time: `now` never goes back, and is only looked at where `bounds.age` is
/// above zero: it may be zero otherwise, so that no clock need be read.
///
/// Threads: calls for one store come one at a time, from whichever thread has
/// the room; different stores are called at once. A store never calls back.
template <class S>
concept history_store = std::constructible_from<S, const HistoryBounds&> && std::is_nothrow_destructible_v<S> &&
                        requires(S& s, const S& c, std::uint64_t seq, const Frame& frame, Instant now,
                                 std::size_t n, std::vector<HistoryEntry>& out) {
                            { s.append(seq, frame, now) } noexcept;
                            { s.erase(seq) } noexcept -> std::same_as<bool>;
                            { s.expire(now) } noexcept;
                            { s.shrink(n) } noexcept -> std::same_as<std::size_t>;
                            { s.clear() } noexcept;
                            { c.first() } noexcept -> std::same_as<std::uint64_t>;
                            { c.size() } noexcept -> std::same_as<std::size_t>;
                            { c.bytes() } noexcept -> std::same_as<std::size_t>;
                            c.read(seq, n, n, out);
                        };

/// Keeps nothing, whatever the bounds say, and takes no room.
class NoHistory {
public:
    explicit NoHistory(const HistoryBounds&) noexcept {}

    void append(std::uint64_t, const Frame&, Instant) noexcept {}
    bool erase(std::uint64_t) noexcept { return false; }
    void expire(Instant) noexcept {}
    std::size_t shrink(std::size_t) noexcept { return 0; }
    void clear() noexcept {}

    [[nodiscard]] std::uint64_t first() const noexcept { return 0; }
    [[nodiscard]] std::size_t size() const noexcept { return 0; }
    [[nodiscard]] std::size_t bytes() const noexcept { return 0; }
    void read(std::uint64_t, std::size_t, std::size_t, std::vector<HistoryEntry>&) const noexcept {}
};

/// Keeps the frames themselves, which it shares with whoever still sends them.
/// `append` and `erase` are O(1), `read` is O(what it reads), the others O(what
/// they drop). An empty store holds no memory.
///
/// Thread safety: none; see `history_store`.
class MemoryHistory {
public:
    /// Counted for each entry beside its payload: its place here, the frame's
    /// head, and what an allocator adds.
    static constexpr std::size_t entry_overhead = 64;

    explicit MemoryHistory(const HistoryBounds& bounds) noexcept : bounds_(bounds) {}

    void append(std::uint64_t seq, const Frame& payload, Instant now) noexcept {
        if (bounds_.messages == 0) return;
        ROOMCAST_ASSERT(entries_.empty() || seq == first_ + entries_.size());
        while (entries_.size() >= bounds_.messages) drop_oldest();
        try {
            entries_.push_back({payload, now});
        } catch (const std::bad_alloc&) {
            return clear();
        }
        payload_bytes_ += payload.size();
        first_ = seq + 1 - entries_.size();
        while (bounds_.bytes != 0 && payload_bytes_ > bounds_.bytes) drop_oldest();
    }

    bool erase(std::uint64_t seq) noexcept {
        if (seq < first_ || seq - first_ >= entries_.size()) return false;
        Entry& entry = entries_[static_cast<std::size_t>(seq - first_)];
        payload_bytes_ -= entry.payload.size();
        entry.payload = Frame();
        entry.deleted = true;
        return true;
    }

    void expire(Instant now) noexcept {
        if (bounds_.age.count() <= 0) return;
        // In milliseconds, of which any age is so many.
        const auto is_old = [&](const Entry& entry) {
            return std::chrono::floor<std::chrono::milliseconds>(now - entry.appended) >= bounds_.age;
        };
        while (!entries_.empty() && is_old(entries_[0])) drop_oldest();
    }

    std::size_t shrink(std::size_t wanted) noexcept {
        const std::size_t before = bytes();
        while (!entries_.empty() && before - bytes() < wanted) drop_oldest();
        return before - bytes();
    }

    void clear() noexcept {
        entries_.clear();
        payload_bytes_ = 0;
    }

    [[nodiscard]] std::uint64_t first() const noexcept { return entries_.empty() ? 0 : first_; }
    [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }
    [[nodiscard]] std::size_t bytes() const noexcept {
        return payload_bytes_ + entries_.size() * entry_overhead;
    }

    void read(std::uint64_t after, std::size_t most, std::size_t most_bytes,
              std::vector<HistoryEntry>& out) const {
        std::size_t begin = entries_.size();
        for (; begin > 0 && most > 0 && first_ + begin - 1 > after; --begin, --most) {
            const std::size_t size = entries_[begin - 1].payload.size();
            if (size > most_bytes) break;
            most_bytes -= size;
        }
        out.reserve(out.size() + (entries_.size() - begin));
        for (; begin < entries_.size(); ++begin)
            out.push_back({first_ + begin, entries_[begin].payload, entries_[begin].deleted});
    }

private:
    struct Entry {
        Frame payload{};
        Instant appended{};
        bool deleted = false;
    };

    void drop_oldest() noexcept {
        payload_bytes_ -= entries_[0].payload.size();
        entries_.pop_front();
        ++first_;
    }

    HistoryBounds bounds_;
    detail::Ring<Entry> entries_;
    std::uint64_t first_ = 0;  // the number of entries_[0]
    std::size_t payload_bytes_ = 0;
};

static_assert(history_store<NoHistory> && history_store<MemoryHistory>);

}  // namespace roomcast
