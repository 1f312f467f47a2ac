// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstddef>
#include <memory>
#include <optional>
#include <queue>
#include <utility>
#include <vector>

#include "roomcast/detail/engine.hpp"
#include "roomcast/detail/least.hpp"
#include "roomcast/message.hpp"
#include "roomcast/results.hpp"

namespace roomcast {

/// A user in a room, as a question is answered.
template <class T>
struct BasicMemberEntry {
    typename T::user_id user;
    std::shared_ptr<const typename T::member_info> info;  ///< null when member_info is None
    std::size_t connection_count = 0;
    std::vector<typename T::connection_type> connections{};  ///< when handles can be copied
};

template <class T>
struct BasicMembersPage {
    std::vector<BasicMemberEntry<T>> members;
    /// What to ask for next; 0: that was all.
    std::size_t next = 0;
};

template <class T>
struct BasicRoomCount {
    typename T::room_id room;
    std::size_t users = 0;
    std::size_t connections = 0;
    friend bool operator==(const BasicRoomCount&, const BasicRoomCount&) = default;
};

/// What a registry can be asked. Every answer is of one moment, which may be
/// past when it is read. Questions may throw std::bad_alloc.
///
/// Thread safety: as RoomRegistry, of which this is a part.
template <class T>
class Questions {
protected:
    using Record = detail::RoomRecord<T>;
    using Call = typename detail::Engine<T>::Call;

public:
    using user_id = typename T::user_id;
    using room_id = typename T::room_id;
    using user_view = typename T::user_view;
    using room_view = typename T::room_view;
    using member_info = typename T::member_info;
    using MemberEntry = BasicMemberEntry<T>;
    using MembersPage = BasicMembersPage<T>;
    using RoomCount = BasicRoomCount<T>;

    Questions(const Questions&) = delete;
    Questions& operator=(const Questions&) = delete;

    /// The room of a user under `one_room_per_user`; otherwise one of them.
    [[nodiscard]] std::optional<room_id> room_of(user_view user) const {
        const auto lock = engine_.lock();
        const auto* record = directory().find_user(user);
        if (!record) return std::nullopt;
        const auto* m = memberships().find(*record, [](const auto& one) { return !ended(*one.room); });
        return m ? std::optional(m->room->id) : std::nullopt;
    }

    /// O(rooms of the user).
    [[nodiscard]] std::vector<room_id> rooms_of_user(user_view user) const {
        std::vector<room_id> rooms;
        const auto lock = engine_.lock();
        const auto* record = directory().find_user(user);
        if (!record) return rooms;
        memberships().for_each(*record, [&](const auto& m) {
            if (!ended(*m.room)) rooms.push_back(m.room->id);
        });
        return rooms;
    }

    /// O(rooms of the connection).
    [[nodiscard]] std::vector<room_id> rooms_of(const typename T::connection_type& c) const {
        const auto lock = engine_.lock();
        std::vector<room_id> rooms;
        const auto* record = directory().find_connection(c);
        if (!record) return rooms;
        memberships().for_each(*record, [&](const auto& m) {
            if (!ended(*m.room)) rooms.push_back(m.room->id);
        });
        return rooms;
    }

    [[nodiscard]] std::optional<user_id> user_of(const typename T::connection_type& c) const {
        const auto lock = engine_.lock();
        const auto* record = directory().find_connection(c);
        if (!record || !record->user || record->step != detail::Step::open) return std::nullopt;
        return user_id(detail::view_of(record->user->id));
    }

    [[nodiscard]] bool is_member(const typename T::connection_type& c, room_view room) const {
        const auto lock = engine_.lock();
        const auto* record = directory().find_connection(c);
        return record && directory().membership(*record, room);
    }

    [[nodiscard]] bool has_member(room_view room, user_view user) const {
        const auto lock = engine_.lock();
        return find_member(room, user) != nullptr;
    }

    /// Users and connections in a room. O(1): they are kept.
    [[nodiscard]] std::optional<Counts> count(room_view room) const {
        const auto lock = engine_.lock();
        const auto* record = directory().find_room(room);
        if (!record) return std::nullopt;
        return Counts{record->user_count, record->connection_count};
    }

    /// Users and connections known, in rooms or not. Removed connections that
    /// wait for their close do not count: see Statistics::closing.
    [[nodiscard]] Counts count() const {
        const auto lock = engine_.lock();
        return directory().counts();
    }

    [[nodiscard]] std::size_t room_count() const {
        const auto lock = engine_.lock();
        return directory().room_count();
    }

    /// Whose join made the room; none when the host made it.
    [[nodiscard]] std::optional<user_id> creator(room_view room) const {
        const auto lock = engine_.lock();
        const auto* record = directory().find_room(room);
        return record ? record->creator : std::nullopt;
    }

    /// The members of a room, in pages of `limit` looked-at connections (at
    /// most 256). Begin with 0 and go on with `next`. Who is there all the time
    /// with the same devices comes at least once; others may come twice or not
    /// at all. O(limit + devices of those shown).
    [[nodiscard]] MembersPage members(room_view room, std::size_t from = 0, std::size_t limit = 256) const {
        MembersPage page;
        const auto lock = engine_.lock();
        const auto* record = directory().find_room(room);
        if (!record) return page;
        limit = detail::bounded<std::size_t>(limit, 1, 256);
        std::size_t seen = 0;
        page.next = record->places.walk_down(from ? from : record->places.size(), [&](const auto& slot) {
            auto& m = *slot.membership;
            // A member is shown with its first device there.
            if (m.leads) page.members.push_back(entry(m));
            return ++seen < limit;
        });
        return page;
    }

    /// The `most` largest rooms by users, then by id; with `after`, those that
    /// come after it in this order. O(rooms x log most), in steps; as an
    /// operation it also works off what is left to be done.
    [[nodiscard]] std::vector<RoomCount> top_rooms(std::size_t most, const RoomCount* after = nullptr) {
        if (most == 0) return {};
        // On top the one that comes last.
        std::priority_queue<RoomCount, std::vector<RoomCount>, decltype(&comes_first)> top(&comes_first);
        for_each_room([&](Record& record, detail::Work<T>&) {
            if (after && !larger(after->users, after->room, record.user_count, record.id)) return;
            if (top.size() == most) {
                if (!larger(record.user_count, record.id, top.top().users, top.top().room)) return;
                top.pop();
            }
            top.push({record.id, record.user_count, record.connection_count});
        });
        std::vector<RoomCount> rooms(top.size());
        for (std::size_t left = rooms.size(); left > 0; top.pop()) rooms[--left] = top.top();
        return rooms;
    }

    /// What the host keeps about a user in a room; null when there is none.
    [[nodiscard]] std::shared_ptr<const member_info> info(room_view room, user_view user) const {
        const auto lock = engine_.lock();
        const auto* oldest = find_member(room, user);
        return oldest ? std::shared_ptr<const member_info>(oldest->info) : nullptr;
    }

    /// The number of the room's last message, and its epoch.
    [[nodiscard]] std::optional<Position> position(room_view room) const {
        const auto lock = engine_.lock();
        const auto* record = directory().find_room(room);
        if (!record) return std::nullopt;
        return Position{record->epoch, record->seq.load(std::memory_order_relaxed)};
    }

    [[nodiscard]] Statistics statistics() const {
        const auto lock = engine_.lock();
        Statistics statistics = engine_.core.statistics;
        statistics.messages += engine_.core.handles.count();
        statistics.memory = engine_.core.storage.bytes();
        statistics.closing = directory().closing_connections();
        return statistics;
    }

protected:
    template <class Options, class Policies>
    Questions(Options&& options, Policies&& policies)
        : engine_(std::forward<Options>(options), std::forward<Policies>(policies)) {}
    ~Questions() = default;

    [[nodiscard]] detail::Directory<T>& directory() noexcept { return engine_.core.directory; }
    [[nodiscard]] const detail::Directory<T>& directory() const noexcept { return engine_.core.directory; }
    [[nodiscard]] const detail::Memberships<T>& memberships() const noexcept { return engine_.core.pools.memberships; }

    /// `visit(record, work)` for every room, under the lock, which is given
    /// back after each 256.
    template <class Visit>
    void for_each_room(Visit&& visit) {
        Record* at = nullptr;
        do {
            Call call(engine_);
            const auto& rooms = directory().all_rooms();
            Record* next = at ? rooms.next(*at) : rooms.front();
            if (at) directory().release(*at);
            for (int i = 0; next && i < 256; ++i) {
                at = next;
                next = rooms.next(*at);
                if (at->indexed) visit(*at, call.work());
            }
            // A pinned record keeps its place in the list.
            if (next) ++at->references;
            else at = nullptr;
        } while (at);
    }

    /// That of the user's oldest device there.
    [[nodiscard]] detail::Membership<T>* find_member(room_view room, user_view user) const {
        const auto* found = directory().find_room(room);
        const auto* record = found ? directory().find_user(user) : nullptr;
        return record ? memberships().leader(*record, *found) : nullptr;
    }

    detail::Engine<T> engine_;

private:
    static bool larger(std::size_t users, const room_id& room, std::size_t others, const room_id& other) noexcept {
        return users != others ? users > others : room < other;
    }
    static bool comes_first(const RoomCount& a, const RoomCount& b) noexcept {
        return larger(a.users, a.room, b.users, b.room);
    }

    static bool ended(const Record& room) noexcept { return room.closed.load(std::memory_order_relaxed); }

    MemberEntry entry(detail::Membership<T>& oldest) const {
        MemberEntry entry{user_id(detail::view_of(oldest.user().id)), oldest.info, 0};
        memberships().for_each_together(oldest, [&](const auto& m) {
            ++entry.connection_count;
            if constexpr (std::copy_constructible<typename T::connection_type>)
                entry.connections.push_back(m.connection->handle);
        });
        return entry;
    }
};

}  // namespace roomcast
