// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "model/words.hpp"
#include "roomcast/options.hpp"

namespace model {

/// Who is where, by what an observer is told.
class Whereabouts {
public:
    /// Room and user: connections.
    using Places = std::map<std::pair<std::string, std::string>, std::set<std::string>>;

    Whereabouts(roomcast::Membership membership, roomcast::OtherDevices others)
        : by_user_(membership == roomcast::Membership::one_room_per_user),
          follow_(others == roomcast::OtherDevices::follow) {}

    /// What is wrong with it; empty when nothing is.
    std::string hear(const EventText& e) {
        fault_.clear();
        using roomcast::EventKind;
        if (e.kind == EventKind::room_opened) expect(opened_.insert(e.epoch).second, "a room was opened twice");
        if (e.kind == EventKind::room_closed) expect(opened_.erase(e.epoch) == 1, "a room was closed that was not open");
        if (e.user.empty()) return fault_;
        if (e.kind == EventKind::left) leave(e);
        else enter(e);
        if (e.kind == EventKind::migrated) migrate(e);
        std::erase_if(where_, [](const auto& entry) { return entry.second.empty(); });
        const auto rooms = std::count_if(where_.begin(), where_.end(), [&](auto& entry) {
            return entry.first.second == e.user && !left_behind_.count(entry.first);
        });
        expect(!by_user_ || rooms <= 1, "a user was seen in two rooms");
        return fault_;
    }

    [[nodiscard]] const Places& places() const { return where_; }
    [[nodiscard]] std::size_t room_count() const { return opened_.size(); }

private:
    void expect(bool holds, const char* what) {
        if (!holds) fault_ = what;
    }

    void enter(const EventText& e) {
        auto& here = where_[{e.room, e.user}];
        expect(e.user_changed == here.empty(), "the user was there already, or was not");
        expect(here.insert(e.connection).second, "somebody entered twice");
        left_behind_.erase({e.room, e.user});
    }
    void leave(const EventText& e) {
        const auto behind = left_behind_.find({e.room, e.user});
        if (behind != left_behind_.end()) {
            expect(behind->second.erase(e.connection) == 1 && !e.user_changed, "somebody was left behind wrongly");
            if (behind->second.empty()) left_behind_.erase(behind);
            for (auto& [place, connections] : where_)
                if (place.second == e.user) connections.erase(e.connection);
            return;
        }
        auto& here = where_[{e.room, e.user}];
        expect(here.erase(e.connection) == 1, "somebody left who was not there");
        expect(e.user_changed == here.empty(), "the last one left, or did not");
    }
    void migrate(const EventText& e) {
        auto& here = where_[{e.room, e.user}];
        auto& there = where_[{e.from, e.user}];
        expect(!there.empty(), "a user migrated from where it was not");
        const bool was_there = there.erase(e.connection) == 1;
        expect(by_user_ || was_there, "a connection migrated from where it was not");
        if (!by_user_) return;
        // Who does not move is about to leave; `left` says so.
        if (!there.empty()) left_behind_[{e.from, e.user}] = there;
        if (follow_) here.merge(there);
    }

    const bool by_user_, follow_;
    Places where_, left_behind_;    // the latter by migrations
    std::set<std::uint64_t> opened_;  // epochs of rooms
    std::string fault_;
};

}  // namespace model
