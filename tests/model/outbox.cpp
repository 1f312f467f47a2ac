// SPDX-License-Identifier: MIT
#include "model/outbox.hpp"

#include <algorithm>

namespace model {

Outbox::Size Outbox::size(bool control) const {
    Size sum;
    for (const Entry& entry : entries) {
        if (entry.is_gap() || entry.is_control() != control) continue;
        ++sum.messages;
        sum.bytes += entry.letter.text.size();
    }
    return sum;
}

bool Outbox::take_in(const Letter& letter, Time now) {
    const auto older = std::find_if(entries.begin(), entries.end(), [&](const Entry& entry) {
        return letter.key != 0 && !entry.is_gap() && entry.letter.stay == letter.stay && entry.letter.key == letter.key;
    });
    const bool replaces = older != entries.end();
    entries.push_back({letter, now});
    if (replaces) give_up(older);
    return replaces;
}

Outbox::Entries::iterator Outbox::least_valuable(roomcast::SlowReaders policy) {
    auto least = entries.end();
    for (auto entry = entries.begin(); entry != entries.end(); ++entry) {
        if (entry->is_gap() || entry->is_control()) continue;
        const bool less = least == entries.end() || entry->letter.message_class > least->letter.message_class;
        const bool same = least != entries.end() && entry->letter.message_class == least->letter.message_class;
        if (less || (same && policy == roomcast::SlowReaders::drop_newest)) least = entry;
    }
    return least;
}

void Outbox::give_up(Entries::iterator lost) {
    if (lost->letter.stay == 0 || lost->letter.seq == 0) {
        const auto stay = lost->letter.stay;
        const auto next = entries.erase(lost);
        if (stay == 0) return;
        // What it stood between are perhaps gaps.
        const auto before = std::find_if(std::make_reverse_iterator(next), entries.rend(),
                                         [&](const Entry& entry) { return entry.letter.stay == stay; });
        if (before != entries.rend() && before->is_gap()) merge(std::prev(before.base()));
        return;
    }
    lost->last = lost->letter.seq;
    lost->missed = 1;
    merge(lost);
}

void Outbox::merge(Entries::iterator gap) {
    const auto is_of_it = [&](const Entry& entry) { return entry.letter.stay == gap->letter.stay; };
    const auto join = [&](Entry& first, Entries::iterator later) {
        first.missed += later->missed;
        first.last = std::max(first.last, later->last);
        first.since = std::min(first.since, later->since);
        entries.erase(later);
    };
    const auto after = std::find_if(std::next(gap), entries.end(), is_of_it);
    if (after != entries.end() && after->is_gap()) join(*gap, after);
    const auto before = std::find_if(std::make_reverse_iterator(gap), entries.rend(), is_of_it);
    if (before != entries.rend() && before->is_gap()) join(*before, gap);
}

void Outbox::forget(std::uint64_t stay) {
    entries.remove_if([&](const Entry& entry) { return entry.letter.stay == stay && !entry.letter.lasting; });
    for (Entry& entry : entries) {
        if (entry.letter.stay != stay) continue;
        entry.letter.stay = 0;
        entry.letter.message_class = roomcast::MessageClass::bulk;
    }
}

void Outbox::forget_data() {
    entries.remove_if([](const Entry& entry) { return entry.is_gap() || !entry.is_control(); });
}

}  // namespace model
