// SPDX-License-Identifier: MIT
#pragma once

#include <new>
#include <string>
#include <utility>

#include "roomcast/detail/core.hpp"
#include "roomcast/events.hpp"

namespace roomcast::detail {

/// Instead of an answer: the connection has not been asked.
inline constexpr auto unasked = static_cast<SendStatus>(0xff);

/// Brings frames to connections: at once, or through the outbox of a busy one.
///
/// While an outbox exists everything goes behind it, and one thread at a time
/// empties it. A transport may say `writable` before its `busy` has returned;
/// therefore who stores a frame after `busy` tries once more, with the outbox
/// in place, and only a `busy` answered then waits for the next `writable`.
template <class T>
class Courier {
    using Connection = ConnectionRecord<T>;
    using Lock = typename Core<T>::Lock;

public:
    explicit Courier(Core<T>& core) noexcept : core_(core) {}

    /// Without the lock. The connection is kept alive by the caller. Answers
    /// false when the letter neither went out nor waits.
    bool deliver(Connection& c, const Letter<T>& letter, Work<T>& work) noexcept {
        SendStatus answer = unasked;
        if (!c.congested.load(std::memory_order_acquire)) [[likely]] {
            answer = try_send(*T::direct::of(c.handle), letter.frame);
            if (answer == SendStatus::accepted) [[likely]] return true;
        }
        return deliver_slowly(c, letter, answer, work);
    }

    /// A room's message to one of its members whose slot is null (`answer` is
    /// `unasked` then), or who answered otherwise than `accepted`, to this frame or
    /// to one that holds it. Without the lock, by whoever works in the room.
    void deliver_to_member(const Letter<T>& letter, SendStatus answer, Work<T>& work) noexcept {
        deliver_slowly(*letter.membership->connection, letter, answer, work);
    }

    /// Lock held. Whether it still hears how its memberships ended: its own
    /// farewell waits for that. Once removed, no more than its outbox holds.
    [[nodiscard]] bool hears(const Connection& c) const noexcept {
        return c.step == Step::open || (c.step == Step::farewell && !(c.outbox && has_too_much(*c.outbox)));
    }

    /// The wire's form of a control event.
    static Frame control_frame(const Connection& c, const std::string& text) {
        const Frame payload(text);
        return T::access::encode(Message{MessageClass::control, {}, payload}, c.encoding);
    }

    /// Empties an outbox as far as the connection takes it.
    void flush(Outbox<T>& outbox, Lock& lock, Work<T>& work) noexcept {
        Connection& c = *outbox.connection;
        ++c.references;
        outbox.flushing = true;
        while (c.step < Step::terminate && !outbox.empty()) {
            outbox.writable = false;
            Waiting<T>& entry = outbox.take_out();
            Membership<T>* const membership = entry.membership;
            if (is_over(entry)) {
                outbox.finish(entry);
                continue;
            }
            if (membership) ++membership->references;
            SendStatus status;
            {
                Unlocked unlocked(lock);
                status = send_entry(c, entry);
            }
            entry.outlive_dead();
            const bool stale = is_over(entry);
            if (status == SendStatus::busy && c.step < Step::terminate && !stale) {
                core_.statistics.replaced += outbox.put_back(entry);
                enforce_bounds(outbox, work);
            } else {
                outbox.finish(entry);
            }
            if (membership) core_.directory.release(*membership, work);
            if (status == SendStatus::closed && !stale) {
                broken(c, work);
                break;
            }
            if (status == SendStatus::accepted) core_.storage.progressed(outbox);
            if (status == SendStatus::busy && !outbox.writable) {
                outbox.flushing = false;
                break;
            }
        }
        if (outbox.flushing || outbox.empty() || c.step >= Step::terminate) core_.directory.drop_outbox(c, work);
        core_.directory.release(c, work);
    }

    /// The transport does not work: nothing more is said to it.
    void broken(Connection& c, Work<T>& work) noexcept {
        if (c.step != Step::open) return;  // its close comes in any case
        ++core_.statistics.broken_connections;
        core_.directory.remove(c, KeptReason({CloseCode::internal_error, "send failed"}), nullptr, LeaveCause::broken,
                               work);
    }

    /// Without the lock; what throws is closed.
    template <class AnyFrame>
    [[nodiscard]] static SendStatus try_send(typename T::target& target, AnyFrame&& frame) noexcept {
        try {
            return T::direct::send(target, std::forward<AnyFrame>(frame));
        } catch (...) {
            return SendStatus::closed;
        }
    }

private:
    /// `answer` is that of a send of this very letter; `unasked` while congested.
    bool deliver_slowly(Connection& c, const Letter<T>& letter, SendStatus answer,
                        Work<T>& work) noexcept {
        work.owed = true;
        for (;;) {
            Lock lock(core_.mutex);
            if (c.step >= Step::terminate || is_over(letter)) return false;
            if (answer == SendStatus::closed) {
                broken(c, work);
                return false;
            }
            if (answer != unasked || c.outbox) return store(c, letter, answer != unasked, work);
            // The outbox was emptied since it was seen.
            lock.unlock();
            answer = try_send(*T::direct::of(c.handle), letter.frame);
            if (answer == SendStatus::accepted) return true;
        }
    }

    /// Lock held. Behind what waits already.
    bool store(Connection& c, const Letter<T>& letter, bool was_busy, Work<T>& work) noexcept {
        try {
            auto made = c.outbox ? Owner<Outbox<T>>() : core_.directory.make_outbox(c);
            Outbox<T>& outbox = made ? *made : *c.outbox;
            core_.statistics.replaced += outbox.take_in(letter, core_.clock.now());
            if (made) core_.directory.set_outbox(c, std::move(made));
        } catch (const std::bad_alloc&) {
            if (c.step == Step::open) core_.end(c, {CloseCode::overloaded, "out of memory"}, work);
            return false;
        }
        Outbox<T>& outbox = *c.outbox;
        if (was_busy && !outbox.flushing && !List<Outbox<T>, FlushTag>::linked(outbox)) work.flushes.push_back(outbox);
        enforce_bounds(outbox, work);
        core_.relieve(nullptr, work);
        return true;
    }

    void enforce_bounds(Outbox<T>& outbox, Work<T>& work) noexcept {
        const auto& options = core_.options;
        while (outbox.data_count > options.outbox_messages || outbox.data_bytes > options.outbox_bytes) {
            const SlowReaders policy = policy_of(outbox.newest());
            Waiting<T>& victim = *outbox.least_valuable(policy);
            if (policy == SlowReaders::disconnect || policy_of(victim) == SlowReaders::disconnect)
                return core_.end_slow_reader(outbox, work);
            ++core_.statistics.dropped;
            outbox.give_up(victim);
        }
        if (has_too_much(outbox)) core_.end_slow_reader(outbox, work);
    }
    /// Of control, which is never given up.
    [[nodiscard]] bool has_too_much(const Outbox<T>& outbox) const noexcept {
        return outbox.control_count > core_.options.outbox_control_messages ||
               outbox.control_bytes > core_.options.outbox_control_bytes;
    }

    /// What the room wants of which it is a message.
    [[nodiscard]] SlowReaders policy_of(const Waiting<T>& entry) const noexcept {
        return (entry.membership ? entry.membership->room->options : core_.options.room).slow_readers;
    }

    /// Without the lock.
    SendStatus send_entry(Connection& c, const Waiting<T>& entry) noexcept {
        if (!entry.is_gap()) return try_send(*T::direct::of(c.handle), entry.frame);
        try {
            const GapEvent<T> gap{c.handle, entry.membership->room->id, entry.missed, entry.seq, entry.last};
            const std::string text = core_.events.gap(gap);
            return text.empty() ? SendStatus::accepted : try_send(*T::direct::of(c.handle), control_frame(c, text));
        } catch (...) {
            return SendStatus::closed;
        }
    }

    /// Whether it would come before its room's `joined`, or after the end.
    static bool is_over(const auto& letter) noexcept {
        const Membership<T>* const m = letter.lasting ? nullptr : letter.membership;
        return m && (!m->told || m->dead || m->room->closed.load(std::memory_order_relaxed));
    }

    Core<T>& core_;
};

}  // namespace roomcast::detail
