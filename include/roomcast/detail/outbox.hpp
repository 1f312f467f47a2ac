// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "roomcast/detail/hash.hpp"
#include "roomcast/detail/index.hpp"
#include "roomcast/detail/least.hpp"
#include "roomcast/detail/records.hpp"

namespace roomcast::detail {

/// What is handed to one connection.
template <class T>
struct Letter {
    const Frame& frame;
    Membership<T>* membership = nullptr;  ///< whose traffic it is; null: the connection's own
    MessageClass message_class = MessageClass::control;
    std::uint64_t seq = 0;                ///< of a numbered message
    std::uint64_t key = 0;
    bool lasting = false;                 ///< it is told even when the membership has ended, where there is room
};

struct OrderTag;
struct ClassTag;
struct KeyTag;

/// A letter that waits, or, in the place of dropped ones, a gap.
template <class T>
struct Waiting : Link<OrderTag>, Link<ClassTag>, Indexed {
    Frame frame;
    // Entries go when their membership ends, or forget it, so the pointer is good.
    Membership<T>* membership;
    MessageClass message_class;
    std::uint64_t key;
    std::uint64_t seq;         // of a gap: the first that is missed
    std::uint64_t last = 0;    // of a gap
    std::uint64_t missed = 0;  // more than 0: a gap
    bool superseded = false;   // while it was being sent, by a newer one with its key
    bool lasting;
    typename T::time_point since;

    Waiting(const Letter<T>& letter, std::uint32_t key_hash, typename T::time_point now)
        : Indexed(key_hash), frame(letter.frame), membership(letter.membership),
          message_class(letter.message_class), key(letter.key), seq(letter.seq), lasting(letter.lasting), since(now) {
        outlive_dead();
    }

    /// What lasts is the connection's own from the end of its membership on, and
    /// worth least.
    void outlive() noexcept {
        membership = nullptr;
        message_class = MessageClass::bulk;
    }
    /// In no list.
    void outlive_dead() noexcept {
        if (lasting && membership && membership->dead) outlive();
    }

    [[nodiscard]] bool is_gap() const noexcept { return missed != 0; }
    /// What a memory budget counts.
    [[nodiscard]] std::size_t memory() const noexcept { return sizeof(Waiting) + frame.size(); }
};

/// What waits for a busy connection, in order, and by what it is worth.
/// Guarded by the lock. All but `take_in` is noexcept; what costs more than
/// O(1) says so.
template <class T>
class Outbox : public Link<FlushTag>, public Deadline<typename T::time_point> {
    using Order = List<Waiting<T>, OrderTag>;
    using Class = List<Waiting<T>, ClassTag>;

public:
    ConnectionRecord<T>* connection;
    std::size_t data_count = 0, data_bytes = 0;
    std::size_t control_count = 0, control_bytes = 0;
    bool flushing = false;   // one thread is emptying it
    bool writable = false;   // `writable` came while it was

    /// `memory` is where the bytes of all outboxes are added up.
    Outbox(ConnectionRecord<T>& c, std::size_t& memory, const SeededHash& hash) noexcept
        : connection(&c), memory_(&memory), hash_(&hash) {}
    Outbox(const Outbox&) = delete;
    Outbox& operator=(const Outbox&) = delete;
    ~Outbox() {
        while (Waiting<T>* entry = entries_.pop_front()) delete entry;
    }

    [[nodiscard]] bool empty() const noexcept { return entries_.empty(); }
    [[nodiscard]] const Waiting<T>* front() const noexcept { return entries_.front(); }
    [[nodiscard]] std::size_t memory() const noexcept { return own_memory_; }
    [[nodiscard]] const Waiting<T>& newest() const noexcept { return *entries_.back(); }
    /// It is to be freed: its bytes count no more.
    void write_off() noexcept {
        *memory_ -= own_memory_;
        own_memory_ = 0;
    }

    /// Behind what waits already. What waits with the same key gives way;
    /// answers whether anything did. Throws std::bad_alloc; then nothing
    /// changed.
    bool take_in(const Letter<T>& letter, typename T::time_point now) {
        if (letter.key != 0) keyed_.reserve();
        Waiting<T>& made = *new Waiting<T>(letter, letter.key != 0 ? hash_of(letter) : 0, now);
        Waiting<T>* const older = letter.key != 0 ? find(made) : nullptr;
        if (letter.key != 0) keyed_.insert(made);
        link(made, &Order::push_back, &Class::push_back);
        if (!older) return false;
        if (Order::linked(*older)) {
            give_up(*older);
            return true;
        }
        forget_key(*older);
        older->superseded = true;
        return false;
    }

    /// The oldest, to be sent; `finish` or `put_back` comes next.
    [[nodiscard]] Waiting<T>& take_out() noexcept {
        Waiting<T>& entry = *entries_.front();
        unlink(entry);
        return entry;
    }
    /// It went out, or nobody wants it any more.
    void finish(Waiting<T>& entry) noexcept {
        forget_key(entry);
        delete &entry;
    }
    /// Back where it was, unless a newer one with its key has come; answers
    /// whether one had.
    bool put_back(Waiting<T>& entry) noexcept {
        if (entry.superseded) {
            entries_.push_front(entry);
            add(entry, 1);
            leave_gap(entry);
            return true;
        }
        link(entry, &Order::push_front, &Class::push_front);
        if (entry.is_gap()) merge(entry);
        return false;
    }

    /// Forgets the traffic of a membership that has ended, but for what lasts.
    /// O(entries).
    void drop(const Membership<T>& membership) noexcept {
        Class& bulk = classes_[static_cast<std::size_t>(MessageClass::bulk)];
        Waiting<T>* before = nullptr;  // the last of that class that is older
        drop_if([&](Waiting<T>& entry) {
            if (entry.membership == &membership && !entry.lasting) return true;
            if (entry.membership == &membership) {
                add(entry, -1);
                Class::unlink(entry);
                entry.outlive();
                bulk.insert_after(before, entry);
                add(entry, 1);
            }
            if (!entry.is_gap() && entry.message_class == MessageClass::bulk) before = &entry;
            return false;
        });
    }
    /// Forgets all but control. O(entries).
    void drop_data() noexcept {
        drop_if([](const Waiting<T>& entry) {
            return entry.is_gap() || entry.message_class != MessageClass::control;
        });
    }

    /// Data of the least valuable class there is, its oldest or its newest;
    /// null when there is none.
    [[nodiscard]] Waiting<T>* least_valuable(SlowReaders policy) const noexcept {
        for (std::size_t i = message_classes - 1; i > 0; --i)
            if (!classes_[i].empty()) return policy == SlowReaders::drop_newest ? classes_[i].back() : classes_[i].front();
        return nullptr;
    }

    /// Drops data; where it had a number, a gap stays.
    void give_up(Waiting<T>& entry) noexcept {
        Class::unlink(entry);
        forget_key(entry);
        leave_gap(entry);
    }

private:
    template <class Goes>
    void drop_if(Goes&& goes) noexcept {
        for (Waiting<T>* entry = entries_.front(); entry;) {
            Waiting<T>* const next = entries_.next(*entry);
            if (goes(*entry)) {
                unlink(*entry);
                finish(*entry);
            }
            entry = next;
        }
    }

    [[nodiscard]] std::uint32_t hash_of(const Letter<T>& letter) const noexcept {
        return hash_->mix(letter.key ^ hash_->mix(reinterpret_cast<std::uintptr_t>(letter.membership)));
    }
    [[nodiscard]] Waiting<T>* find(const Waiting<T>& like) const noexcept {
        return keyed_.find(like.hash, [&](const Waiting<T>& entry) {
            return entry.key == like.key && entry.membership == like.membership;
        });
    }

    void forget_key(Waiting<T>& entry) noexcept {
        if (entry.key != 0) keyed_.erase(entry);
        entry.key = 0;
    }

    void link(Waiting<T>& entry, void (Order::*in_order)(Waiting<T>&) noexcept,
              void (Class::*in_class)(Waiting<T>&) noexcept) noexcept {
        (entries_.*in_order)(entry);
        if (!entry.is_gap()) (classes_[static_cast<std::size_t>(entry.message_class)].*in_class)(entry);
        add(entry, 1);
    }
    void unlink(Waiting<T>& entry) noexcept {
        add(entry, -1);
        Order::unlink(entry);
        Class::unlink(entry);
    }

    void add(const Waiting<T>& entry, int times) noexcept {
        const auto n = static_cast<std::size_t>(times);
        own_memory_ += n * entry.memory();
        *memory_ += n * entry.memory();
        if (entry.is_gap()) return;
        const bool control = entry.message_class == MessageClass::control;
        (control ? control_count : data_count) += n;
        (control ? control_bytes : data_bytes) += n * entry.frame.size();
    }

    /// Turns a numbered message into a gap, and forgets another. It is in the
    /// order alone.
    void leave_gap(Waiting<T>& entry) noexcept {
        add(entry, -1);
        if (entry.membership == nullptr || entry.seq == 0) {
            Waiting<T>* const before = entry.membership ? neighbour(entry, &Order::previous) : nullptr;
            Order::unlink(entry);
            delete &entry;
            if (before && before->is_gap()) merge(*before);
            return;
        }
        entry.frame = Frame();
        entry.last = entry.seq;
        entry.missed = 1;
        add(entry, 1);
        merge(entry);
    }

    /// One gap out of those of a room between which nothing of it waits.
    /// O(entries of other rooms between).
    void merge(Waiting<T>& gap) noexcept {
        Waiting<T>* const before = neighbour(gap, &Order::previous);
        Waiting<T>* const after = neighbour(gap, &Order::next);
        if (after && after->is_gap()) absorb(gap, *after);
        if (before && before->is_gap()) absorb(*before, gap);
    }
    [[nodiscard]] Waiting<T>* neighbour(const Waiting<T>& entry,
                                        Waiting<T>* (Order::*towards)(const Waiting<T>&) const noexcept) const noexcept {
        Waiting<T>* other = (entries_.*towards)(entry);
        while (other && other->membership != entry.membership) other = (entries_.*towards)(*other);
        return other;
    }
    void absorb(Waiting<T>& gap, Waiting<T>& later) noexcept {
        gap.missed += later.missed;
        gap.seq = least(gap.seq, later.seq);
        gap.last = greatest(gap.last, later.last);
        gap.since = least(gap.since, later.since);
        add(later, -1);
        Order::unlink(later);
        delete &later;
    }

    Order entries_;
    std::array<Class, message_classes> classes_;
    Index<Waiting<T>> keyed_;
    std::size_t own_memory_ = 0;
    std::size_t* memory_;
    const SeededHash* hash_;
};

}  // namespace roomcast::detail
