// SPDX-License-Identifier: MIT
#pragma once

#include "roomcast/detail/pool.hpp"
#include "roomcast/detail/records.hpp"

namespace roomcast::detail {

/// All memberships, and the lists that they are in, by places of 32 bits. Guarded
/// by the lock. What does not say otherwise is O(1), what visits O(visited).
template <class T>
class Memberships : public Pool<Membership<T>> {
    using Record = Membership<T>;
    using Connection = ConnectionRecord<T>;
    using Room = RoomRecord<T>;

public:
    // Those of a connection, oldest first.

    [[nodiscard]] Record* oldest(const Connection& c) const noexcept {
        return c.step == Step::open ? oldest<in_row>(c.open.memberships) : nullptr;
    }
    [[nodiscard]] Record* newest(const Connection& c) const noexcept {
        return c.step == Step::open ? this->at(c.open.memberships) : nullptr;
    }
    /// `visit(membership)`; the visited one, and no other, may leave meanwhile.
    template <class Visit>
    void for_each(const Connection& c, Visit&& visit) const {
        if (c.step == Step::open) for_each<in_row>(c.open.memberships, visit);
    }
    /// Any for which `is_it(membership)` holds, or null.
    template <class IsIt>
    [[nodiscard]] Record* find(const Connection& c, IsIt&& is_it) const {
        return c.step == Step::open ? find<in_row>(c.open.memberships, is_it) : nullptr;
    }
    void add(Connection& c, Record& m) noexcept {
        append<in_row>(c.open.memberships, m, this->ref(m));
        ++c.open.room_count;
    }
    /// O(those that are older).
    void remove(Connection& c, Record& m) noexcept {
        erase<in_row>(c.open.memberships, m);
        --c.open.room_count;
    }

    // Those that wait somewhere, once they are dead, oldest first.

    void push(Ref& row, Record& m) noexcept { append<in_row>(row, m, this->ref(m)); }
    Record* pop(Ref& row) noexcept {
        Record* const m = oldest<in_row>(row);
        if (m) erase<in_row>(row, *m);
        return m;
    }

    // Those of a user that lead, one in each room, in no order.

    [[nodiscard]] Record* any(const User<T>& user) const noexcept { return this->at(user.rooms); }
    template <class Visit>
    void for_each(const User<T>& user, Visit&& visit) const {
        for_each<among_rooms>(user.rooms, visit);
    }
    template <class IsIt>
    [[nodiscard]] Record* find(const User<T>& user, IsIt&& is_it) const {
        return find<among_rooms>(user.rooms, is_it);
    }
    /// Null: the user is not there. O(rooms of the user).
    [[nodiscard]] Record* leader(const User<T>& user, const Room& room) const noexcept {
        return find(user, [&](const Record& m) { return m.room == &room; });
    }

    // Those of a user's devices in one room: the oldest leads, the others are behind it.

    [[nodiscard]] static bool alone(const Record& m) noexcept { return m.leads && m.leading.behind == 0; }
    /// `visit(membership)` from the leader on; the visited one, and no other, may
    /// leave meanwhile, and the next one then leads.
    template <class Visit>
    void for_each_together(Record& leader, Visit&& visit) const {
        for (Record* m = &leader; m;) {
            Record* const next = behind(*m);
            visit(*m);
            m = next;
        }
    }
    /// What all of them know of their user; `other` keeps what it was alive. O(those).
    void swap_info(Record& leader, Info<T>& other) const noexcept {
        leader.info.swap(other);
        for (Record* m = behind(leader); m; m = behind(*m)) m->info = leader.info;
    }
    /// The user's first in its room.
    void lead(User<T>& user, Record& m) noexcept { lead(user, m, this->ref(m), 0); }
    /// Behind all others.
    void follow(Record& leader, Record& m) noexcept {
        const Ref ref = this->ref(m);
        m.following = {ref, this->ref(leader)};
        if (Record* const next = behind(leader)) {
            m.following.before = next->following.before;
            this->at(next->following.before)->following.behind = ref;
            next->following.before = ref;
        } else {
            leader.leading.behind = ref;
        }
    }
    /// It leaves the others; if it led, the one behind it leads now. Answers whether it
    /// was alone. O(1), or, if it led, O(rooms of the user).
    bool part(Record& m) noexcept {
        if (!m.leads) {
            part_follower(m);
            return false;
        }
        User<T>& user = m.user();
        // Nobody asks for the order: whoever parts next is looked for from here on. Who
        // goes from many rooms is found at once in all but the first.
        user.rooms = unlink<among_rooms>(user.rooms, m);
        const Ref heir_ref = m.leading.behind;
        if (heir_ref != 0) {
            Record& heir = *this->at(heir_ref);
            Record* const second = behind(heir);
            if (second) {
                this->at(heir.following.before)->following.behind = heir_ref;
                second->following.before = heir.following.before;
            }
            lead(user, heir, heir_ref, second ? heir.following.behind : 0);
        }
        m.leads = false;
        return heir_ref == 0;
    }

private:
    // A ring is known by its newest, whose next is the oldest.

    static Ref& in_row(Record& m) noexcept { return m.next; }
    static Ref& among_rooms(Record& m) noexcept { return m.leading.next; }

    template <auto next_of>
    [[nodiscard]] Record* oldest(Ref newest) const noexcept {
        Record* const m = this->at(newest);
        return m && next_of(*m) != newest ? this->at(next_of(*m)) : m;
    }
    template <auto next_of, class Visit>
    void for_each(Ref newest, Visit& visit) const {
        if (newest == 0) return;
        for (Ref ref = next_of(*this->at(newest));;) {
            Record& m = *this->at(ref);
            const Ref next = next_of(m);
            visit(m);
            if (ref == newest) return;
            ref = next;
        }
    }
    template <auto next_of, class IsIt>
    [[nodiscard]] Record* find(Ref newest, IsIt& is_it) const {
        for (Ref ref = newest; ref != 0;) {
            Record& m = *this->at(ref);
            if (is_it(m)) return &m;
            ref = next_of(m);
            if (ref == newest) break;
        }
        return nullptr;
    }
    template <auto next_of>
    void append(Ref& newest, Record& m, Ref ref) noexcept {
        if (Record* const before = this->at(newest)) {
            next_of(m) = next_of(*before);
            next_of(*before) = ref;
        } else {
            next_of(m) = ref;
        }
        newest = ref;
    }
    /// O(those that are older).
    template <auto next_of>
    void erase(Ref& newest, Record& m) noexcept {
        const Ref before = unlink<next_of>(newest, m);
        if (newest == this->ref(m)) newest = before;
    }
    /// Answers which was before it; 0: it was alone.
    template <auto next_of>
    Ref unlink(Ref newest, Record& m) noexcept {
        const Ref ref = this->ref(m);
        if (next_of(m) == ref) return 0;
        Ref before = newest;
        Record* r = this->at(before);
        for (; next_of(*r) != ref; r = this->at(before)) before = next_of(*r);
        next_of(*r) = next_of(m);
        return before;
    }

    // Behind the leader is the first of the others, behind their last the leader; before
    // their first is their last.

    [[nodiscard]] Record* behind(const Record& m) const noexcept {
        Record* const other = this->at(m.leads ? m.leading.behind : m.following.behind);
        return other && !other->leads ? other : nullptr;
    }
    void part_follower(Record& m) noexcept {
        Record& before = *this->at(m.following.before);
        Record& after = *this->at(m.following.behind);
        const bool is_first = before.following.behind != this->ref(m), is_last = after.leads;
        if (is_first) this->at(before.following.behind)->leading.behind = is_last ? 0 : m.following.behind;
        else before.following.behind = m.following.behind;
        if (!is_last) after.following.before = m.following.before;
        else if (!is_first) this->at(after.leading.behind)->following.before = m.following.before;
    }
    void lead(User<T>& user, Record& m, Ref ref, Ref others) noexcept {
        m.leads = true;
        m.leading = {0, others};
        append<among_rooms>(user.rooms, m, ref);
    }
};

}  // namespace roomcast::detail
