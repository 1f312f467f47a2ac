// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "roomcast/detail/budget.hpp"
#include "roomcast/detail/courier.hpp"
#include "roomcast/detail/least.hpp"

namespace roomcast::detail {

/// A message that goes to all of a room past its queue; it is never stored.
struct Express {
    const Frame& payload;
    MessageClass message_class;
    std::uint64_t key;
    bool numbered;
    std::uint64_t seq = 0;          // once it is numbered
    const Frame* same = &payload;   // what all get; null: each gets the frame in its encoding
    const Frame* frames = nullptr;  // by encoding

    [[nodiscard]] const Frame& piece() const noexcept { return same ? *same : payload; }
    [[nodiscard]] bool selective() const noexcept { return !same; }
    [[nodiscard]] bool looks_at(const void*) const noexcept { return true; }
    template <class T>
    [[nodiscard]] const Frame* whole(const Membership<T>& m) const noexcept {
        return same ? same : &frames[m.connection->encoding];
    }
};

/// The walk of a message over a room's members: in place, and what they point
/// to is fetched ahead. By whoever works in the room, without the lock.
template <class T>
class FanOut {
    using Room = RoomRecord<T>;
    using Slot = typename Room::Places::Slot;
    using Target = typename T::target;

public:
    explicit FanOut(Courier<T>& courier) noexcept : courier_(courier) {}

    /// What the first members point to, before a message that waited for its turn is
    /// made ready: it may find few of them in the caches. Two lines of each: a session
    /// begins anywhere in its first.
    static void fetch_first(typename Room::Places::Cursor cursor) noexcept {
        for (std::size_t left = ahead; left != 0 && !cursor.done();) {
            const std::size_t count = cursor.run(left);
            for (Slot* slot = cursor.at(); slot != cursor.at() + count; ++slot) {
                fetch(*slot);
                if (Target* const target = slot->target.load(std::memory_order_relaxed))
                    __builtin_prefetch(reinterpret_cast<const char*>(target) + 64, 1);
            }
            cursor.advance(count);
            left -= count;
        }
    }

    /// Goes on from where the room's cursor is. Answers whether all have been
    /// reached; otherwise the budget is used up, somebody is to be reaped
    /// first, or the room has closed.
    bool go_on(Room& room, Budget<T>& budget, Work<T>& work) noexcept {
        const Audience audience(room.parcel);
        auto& cursor = room.cursor;
        while (!cursor.done()) {
            const std::size_t count = cursor.run(budget.batch());
            if (!reach(room, audience, cursor, count, work)) return false;
            budget.spend(count);
            if (budget.exhausted() || room.has_dead.load(std::memory_order_relaxed)) break;
        }
        return cursor.done();
    }

    /// All at one go, or until the room closes.
    void send(const Room& room, const Express& message, typename Room::Places::Cursor& cursor, Work<T>& work) noexcept {
        while (!cursor.done())
            if (!reach(room, message, cursor, cursor.run(cursor.readable()), work)) return;
    }

private:
    /// Who gets a parcel, and in which form.
    class Audience {
    public:
        explicit Audience(const Parcel<T>& parcel) noexcept
            : parcel_(&parcel), first_(static_cast<const MessageItem<T>*>(parcel.messages.front())) {
            const auto encoding = static_cast<std::size_t>(parcel.encodings ? std::countr_zero(parcel.encodings) : 0);
            piece_ = parcel.count == 1 ? &first_->frames[encoding] : &parcel.whole[encoding];
            const bool in_pieces = parcel.count > 1 && piece_->empty();
            if ((parcel.encodings & (parcel.encodings - 1)) || in_pieces || first_->require || first_->exclude)
                chosen_ = ~std::uint64_t{0};
            for_each([&](const MessageItem<T>& message) {
                if (message.except) chosen_ |= bit(T::direct::of(message.except->handle));
                if (is_apart(message)) chosen_ |= bit(T::direct::of(message.publisher->connection->handle));
            });
        }

        /// What all get at whom `looks_at` does not look.
        [[nodiscard]] const Frame& piece() const noexcept { return *piece_; }
        [[nodiscard]] bool selective() const noexcept { return chosen_ != 0; }
        /// Perhaps in vain.
        [[nodiscard]] bool looks_at(const Target* target) const noexcept { return (chosen_ & bit(target)) != 0; }

        /// The message in the form that is meant for `m`; null: it is not.
        [[nodiscard]] static const Frame* choose(const MessageItem<T>& message, const Membership<T>& m) noexcept {
            const std::uint64_t tags = m.tags.load(std::memory_order_relaxed);
            const ConnectionRecord<T>* c = m.connection;
            if (c == message.except || (tags & message.require) != message.require || (tags & message.exclude) != 0)
                return nullptr;
            return form(message, m);
        }
        /// The same, for one for whom it is.
        [[nodiscard]] static const Frame* form(const MessageItem<T>& message, const Membership<T>& m) noexcept {
            if (&m != message.publisher || !is_apart(message)) return &message.frames[m.connection->encoding];
            return message.echo ? &message.own_frame : nullptr;
        }
        /// The parcel in one piece, where `m` can have it so; otherwise null.
        [[nodiscard]] const Frame* whole(const Membership<T>& m) const noexcept {
            if (parcel_->count == 1) return choose(*first_, m);
            const Frame* whole = &parcel_->whole[m.connection->encoding];
            for_each([&](const MessageItem<T>& message) {
                if (&m == message.publisher && is_apart(message)) whole = nullptr;
            });
            return whole && !whole->empty() ? whole : nullptr;
        }
        template <class Visit>
        void for_each(Visit&& visit) const {
            const auto& messages = parcel_->messages;
            for (auto* item = messages.front(); item; item = messages.next(*item))
                visit(static_cast<const MessageItem<T>&>(*item));
        }

    private:
        /// Whether its publisher gets it in another form, or not at all.
        static bool is_apart(const MessageItem<T>& message) noexcept {
            return message.publisher && (!message.echo || !message.own_frame.empty());
        }
        static std::uint64_t bit(const Target* target) noexcept {
            const std::uint64_t address = reinterpret_cast<std::uintptr_t>(target);
            return std::uint64_t{1} << (address * 0x9e3779b97f4a7c15 >> 58);
        }

        const Parcel<T>* parcel_;
        const MessageItem<T>* first_;
        const Frame* piece_;
        std::uint64_t chosen_ = 0;  // a bit for each target that may get something else
    };

    /// Sends to the next `count` members of a walk, of an Audience or an Express.
    /// False: the room closed.
    template <class Who>
    bool reach(const Room& room, const Who& audience, typename Room::Places::Cursor& cursor, std::size_t count,
               Work<T>& work) noexcept {
        const bool open = audience.selective() ? reach<true>(room, audience, cursor, count, work)
                                               : reach<false>(room, audience, cursor, count, work);
        if (open) cursor.advance(count);
        return open;
    }
    template <bool selective, class Who>
    bool reach(const Room& room, const Who& audience, const typename Room::Places::Cursor& cursor, std::size_t count,
               Work<T>& work) noexcept {
        const std::size_t readable = cursor.readable();
        const std::size_t fetching = least(count, readable > ahead ? readable - ahead : 0);
        Slot* const slot = cursor.at();
        Slot* const last = slot + fetching;  // behind the last for which another is fetched
        const bool reached = room.places.size() < many
                                 ? reach<selective, Fetching::to_stay>(room, audience, slot, last, work)
                                 : reach<selective, Fetching::to_pass>(room, audience, slot, last, work);
        return reached && reach<selective, Fetching::nothing>(room, audience, last, slot + count, work);
    }
    /// Those of many members are gone from the caches before the next message comes:
    /// what is fetched to pass through pushes nothing else out.
    enum class Fetching : std::uint8_t { nothing, to_stay, to_pass };
    template <bool selective, Fetching fetching, class Who>
    bool reach(const Room& room, const Who& audience, Slot* slot, Slot* end, Work<T>& work) noexcept {
        PieceFor piece(audience.piece(), static_cast<std::size_t>(end - slot));
        for (; slot != end; ++slot) {
            if (room.closed.load(std::memory_order_relaxed)) [[unlikely]] return false;
            if constexpr (fetching != Fetching::nothing) fetch<fetching>(slot[ahead]);
            Target* const target = slot->target.load(std::memory_order_acquire);
            if (!target || (selective && audience.looks_at(target))) [[unlikely]] {
                reach_one(audience, *slot, target, work);
                continue;
            }
            const SendStatus answer = Courier<T>::try_send(*target, piece.take());
            if (answer != SendStatus::accepted) [[unlikely]] hand_over(audience, *slot, answer, work);
        }
        return true;
    }

    template <Fetching fetching = Fetching::to_stay>
    static void fetch(const Slot& slot) noexcept {
        const Target* const target = slot.target.load(std::memory_order_relaxed);
        if constexpr (fetching == Fetching::to_pass) __builtin_prefetch(target, 1, 0);
        else __builtin_prefetch(target, 1);
    }

    /// One whose membership has to be looked at.
    template <class Who>
    void reach_one(const Who& audience, const Slot& slot, Target* target, Work<T>& work) noexcept {
        const Membership<T>& m = *slot.membership;
        if (!m.told) return;
        SendStatus answer = unasked;
        if (const Frame* const whole = target ? audience.whole(m) : nullptr) {
            answer = Courier<T>::try_send(*target, *whole);
            if (answer == SendStatus::accepted) return;
        }
        hand_over(audience, slot, answer, work);
    }

    /// Message by message, behind what waits already. `answer`: to a piece
    /// that holds them all.
    void hand_over(const Audience& audience, const Slot& slot, SendStatus answer, Work<T>& work) noexcept {
        audience.for_each([&](const MessageItem<T>& message) {
            Membership<T>& m = *slot.membership;
            if (m.room->closed.load(std::memory_order_relaxed)) return;
            // What was answered was meant for it, whatever its tags are by now.
            const Frame* const frame = answer != unasked ? Audience::form(message, m) : Audience::choose(message, m);
            if (!frame) return;
            // Looked at anew each time: who was removed meanwhile gets no more.
            Target* const target = answer != unasked ? nullptr : slot.target.load(std::memory_order_acquire);
            if (target) answer = Courier<T>::try_send(*target, *frame);
            if (answer != SendStatus::accepted)
                courier_.deliver_to_member({*frame, &m, message.message_class, message.seq, message.key}, answer, work);
            answer = unasked;
        });
    }

    void hand_over(const Express& message, const Slot& slot, SendStatus answer, Work<T>& work) noexcept {
        Membership<T>& m = *slot.membership;
        courier_.deliver_to_member({*message.whole(m), &m, message.message_class, message.seq, message.key}, answer, work);
    }

    /// Where nobody keeps frames, no copy is made.
    struct Lent {
        const Frame& frame;
        Lent(const Frame& piece, std::size_t) noexcept : frame(piece) {}
        [[nodiscard]] const Frame& take() const noexcept { return frame; }
    };
    using PieceFor = std::conditional_t<T::direct::keeps_frames, FrameCopies, Lent>;

    static constexpr std::size_t ahead = 32;     // slots; by measurement, see tests/bench
    static constexpr std::size_t many = 16'384;  // members: a line of each fills 1 MiB of a cache

    Courier<T>& courier_;
};

}  // namespace roomcast::detail
