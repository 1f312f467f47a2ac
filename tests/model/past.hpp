// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "model/operation.hpp"
#include "model/words.hpp"

namespace model {

/// What a room keeps of its numbered messages.
class Past {
public:
    void append(std::uint64_t seq, const std::string& payload, Time now, const RoomOptions& bounds) {
        kept_.push_back({seq, payload, now});
        while (kept_.size() > bounds.history || (bounds.history_bytes != 0 && bytes() > bounds.history_bytes))
            kept_.pop_front();
    }
    void erase(std::uint64_t seq) {
        for (Entry& entry : kept_)
            if (entry.seq == seq) entry = {seq, {}, entry.appended, true};
    }
    void clear() { kept_.clear(); }

    /// The newest after a number: so many messages and bytes at most, and
    /// younger than `age` where that is not 0.
    [[nodiscard]] std::vector<std::pair<std::uint64_t, std::string>> read(std::uint64_t after, std::size_t most,
                                                                          std::size_t most_bytes, Time now,
                                                                          milliseconds age) const {
        std::vector<std::pair<std::uint64_t, std::string>> found;
        for (auto entry = kept_.rbegin(); entry != kept_.rend(); ++entry) {
            const bool too_old = age.count() > 0 && now - entry->appended >= age;
            if (too_old || entry->seq <= after || found.size() == most || entry->payload.size() > most_bytes) break;
            most_bytes -= entry->payload.size();
            found.emplace_back(entry->seq, entry->deleted ? deleted_payload : entry->payload);
        }
        std::reverse(found.begin(), found.end());
        return found;
    }

private:
    struct Entry {
        std::uint64_t seq;
        std::string payload;
        Time appended;
        bool deleted = false;
    };
    [[nodiscard]] std::size_t bytes() const {
        std::size_t sum = 0;
        for (const Entry& entry : kept_) sum += entry.payload.size();
        return sum;
    }

    std::deque<Entry> kept_;
};

}  // namespace model
