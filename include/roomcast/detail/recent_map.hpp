// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <utility>

#include "roomcast/detail/hash.hpp"
#include "roomcast/detail/id_view.hpp"
#include "roomcast/detail/index.hpp"
#include "roomcast/detail/least.hpp"
#include "roomcast/detail/list.hpp"
#include "roomcast/detail/owner.hpp"

namespace roomcast::detail {

/// What is known of ids that acted lately. It forgets a few at a time, when
/// `sweep` is called: no call takes long, however many there are. Its size
/// follows the number of ids, and an empty map holds no memory.
///
/// Ids are those of Traits: std::string, integers or enums; peers may choose
/// them, for the hash is seeded. Values stay where they are until swept.
///
/// Thread safety: none.
template <class Id, class Value>
class RecentMap {
public:
    using view = typename id_view<Id>::type;

    RecentMap() = default;
    /// Maps that come in great numbers do well to share a hash: a new one asks
    /// the system for randomness.
    explicit RecentMap(const SeededHash& hash) noexcept : hash_(hash) {}
    RecentMap(const RecentMap&) = delete;
    RecentMap& operator=(const RecentMap&) = delete;
    ~RecentMap() {
        while (Entry* entry = entries_.pop_front()) delete entry;
    }

    [[nodiscard]] std::size_t size() const noexcept { return index_.size(); }

    /// Null: not known. O(1).
    [[nodiscard]] Value* find(view id) noexcept {
        Entry* entry = entry_of(id, hash_(id));
        return entry ? &entry->value : nullptr;
    }

    /// Found or made, Value() then. O(1) on average. Throws std::bad_alloc;
    /// then nothing changed.
    [[nodiscard]] Value& at(view id) {
        const std::uint32_t hash = hash_(id);
        if (Entry* known = entry_of(id, hash)) return known->value;
        Owner<Entry> entry(new Entry(id, hash));
        index_.reserve();
        index_.insert(*entry);
        entries_.push_back(*entry);
        return entry.release()->value;
    }

    /// Looks at up to `most` ids, those first that were made or looked at
    /// longest ago, and forgets those for which `is_stale(const Value&)` holds.
    /// Returns whether any is left.
    template <class IsStale>
    bool sweep(IsStale&& is_stale, std::size_t most) {
        for (most = least(most, size()); most > 0; --most) {
            Entry& entry = *entries_.front();
            List<Entry, RecentMap>::unlink(entry);
            if (!is_stale(std::as_const(entry.value))) {
                entries_.push_back(entry);
                continue;
            }
            index_.erase(entry);
            delete &entry;
        }
        return size() > 0;
    }

private:
    struct Entry : Link<RecentMap>, Indexed {
        Entry(view i, std::uint32_t h) : Indexed(h), id(i) {}
        const Id id;
        Value value{};
    };

    [[nodiscard]] Entry* entry_of(view id, std::uint32_t hash) const {
        return index_.find(hash, [&](const Entry& entry) { return entry.id == id; });
    }

    SeededHash hash_;
    Index<Entry> index_;
    List<Entry, RecentMap> entries_;  // owned; those looked at longest ago first
};

}  // namespace roomcast::detail
