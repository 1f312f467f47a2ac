// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include "roomcast/observer.hpp"
#include "roomcast/options.hpp"

namespace tests {

/// Who is where by what an observer is told.
template <class Id, class Connection>
class Whereabouts {
public:
    using Place = std::pair<Id, Id>;  // room, user
    using Places = std::map<Place, std::set<Connection>>;

    /// Of an observer's event what matters here.
    struct Told {
        roomcast::EventKind kind;
        std::uint64_t epoch;
        Id room;
        std::optional<Id> from{}, user{};
        Connection connection{};
        bool user_changed = false;
    };

    Whereabouts(roomcast::Membership membership, roomcast::OtherDevices others)
        : by_user_(membership == roomcast::Membership::one_room_per_user),
          follow_(others == roomcast::OtherDevices::follow) {}

    /// What is wrong with it; empty when nothing is.
    std::string_view hear(const Told& e) {
        fault_ = {};
        using roomcast::EventKind;
        switch (e.kind) {
            case EventKind::room_opened: expect(rooms_.insert(e.epoch).second, "a room opens twice"); break;
            case EventKind::room_closed: expect(rooms_.erase(e.epoch) == 1, "a room closes that is not open"); break;
            case EventKind::joined:
            case EventKind::migrated: enter(e, {e.room, *e.user}); break;
            case EventKind::left: leave(e, {e.room, *e.user}); break;
            case EventKind::message_dropped: break;
        }
        return fault_;
    }

    [[nodiscard]] const Places& places() const { return where_; }
    [[nodiscard]] std::size_t room_count() const { return rooms_.size(); }
    [[nodiscard]] bool empty() const { return where_.empty() && rooms_.empty(); }

private:
    void expect(bool holds, std::string_view what) {
        if (!holds) fault_ = what;
    }

    void enter(const Told& e, const Place& place) {
        auto& here = where_[place];
        expect(rooms_.count(e.epoch) == 1, "somebody enters a room that is not open");
        expect(e.user_changed == here.empty(), "a join tells wrongly whether its user is new");
        expect(here.insert(e.connection).second, "somebody enters where it is");
        behind_.erase(place);
        if (e.from) come_from({*e.from, *e.user}, here, e.connection);
        std::size_t rooms = 0;
        for (const auto& [at, connections] : where_) rooms += at.second == *e.user && !behind_.count(at);
        expect(!by_user_ || rooms <= 1, "a user is in two rooms");
    }
    void come_from(const Place& old, std::set<Connection>& here, const Connection& connection) {
        const auto at = where_.find(old);
        if (at == where_.end()) return expect(false, "somebody migrates from where it is not");
        auto& there = at->second;
        expect(there.erase(connection) == 1 || by_user_, "a connection migrates from where it is not");
        if (by_user_ && !there.empty()) behind_[old] = there;
        if (by_user_ && follow_) here.merge(there);
        if (there.empty()) where_.erase(at);
    }
    void leave(const Told& e, const Place& place) {
        if (const auto behind = behind_.find(place); behind != behind_.end()) {
            expect(behind->second.erase(e.connection) == 1 && !e.user_changed, "somebody was left behind wrongly");
            if (behind->second.empty()) behind_.erase(behind);
            for (auto& [at, connections] : where_)
                if (at.second == *e.user) connections.erase(e.connection);
            std::erase_if(where_, [](const auto& entry) { return entry.second.empty(); });
            return;
        }
        auto& here = where_[place];
        expect(here.erase(e.connection) == 1, "somebody leaves where it is not");
        expect(e.user_changed == here.empty(), "a leave tells wrongly whether its user is gone");
        if (here.empty()) where_.erase(place);
    }

    const bool by_user_, follow_;
    Places where_;
    Places behind_;  // by a migration: who does not follow is about to leave, and `left` says so
    std::set<std::uint64_t> rooms_;  // epochs of those that are open
    std::string_view fault_;
};

}  // namespace tests
