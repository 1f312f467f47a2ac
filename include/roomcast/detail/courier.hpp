// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <utility>

#include "roomcast/detail/core.hpp"
#include "roomcast/events.hpp"

namespace roomcast::detail {

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
    using Entry = typename Outbox<T>::Entry;

public:
    explicit Courier(Core<T>& core) noexcept : core_(core) {}

    /// Without the lock. The connection is kept alive by the caller. Answers
    /// false when the frame neither went out nor waits.
    bool deliver(Connection& c, Membership<T>* membership, const Frame& frame, std::uint64_t seq, bool control,
                 Work<T>& work) noexcept {
        std::optional<SendStatus> answer;
        if (!c.congested.load(std::memory_order_acquire)) [[likely]] {
            answer = try_send(*T::direct::of(c.handle), frame);
            if (*answer == SendStatus::accepted) [[likely]] return true;
        }
        return deliver_slowly(c, {frame, membership, control, seq}, answer, work);
    }

    /// A room's message to one of its members whose slot is null (`answer` is
    /// empty then), or who did not accept it. Without the lock, by the
    /// room's drainer.
    void deliver_to_member(Membership<T>& m, const Frame& frame, std::uint64_t seq, std::optional<SendStatus> answer,
                           Work<T>& work) noexcept {
        deliver_slowly(*m.connection, {frame, &m, false, seq}, answer, work);
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
        while (c.step < Step::terminate && !outbox.entries.empty()) {
            outbox.writable = false;
            Entry entry = outbox.pop_front();
            if (ended(entry)) continue;
            if (entry.membership) ++entry.membership->references;
            SendStatus status;
            {
                Unlocked unlocked(lock);
                status = send_entry(c, entry);
            }
            const bool stale = ended(entry);
            if (status == SendStatus::busy && c.step < Step::terminate && !stale) put_back(outbox, entry, work);
            if (entry.membership) core_.directory.release(*entry.membership, work);
            if (status == SendStatus::closed && !stale) {
                broken(c, work);
                break;
            }
            if (status == SendStatus::busy && !outbox.writable) {
                outbox.flushing = false;
                break;
            }
        }
        if (outbox.flushing || outbox.entries.empty() || c.step >= Step::terminate) core_.directory.drop_outbox(c, work);
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
    [[nodiscard]] static SendStatus try_send(typename T::target& target, const Frame& frame) noexcept {
        try {
            return T::direct::send(target, frame);
        } catch (...) {
            return SendStatus::closed;
        }
    }

private:
    /// `answer` is that of a send of this very frame; none while congested.
    bool deliver_slowly(Connection& c, Entry entry, std::optional<SendStatus> answer, Work<T>& work) noexcept {
        for (;;) {
            Lock lock(core_.mutex);
            if (c.step >= Step::terminate || ended(entry)) return false;
            if (answer == SendStatus::closed) {
                broken(c, work);
                return false;
            }
            if (answer || c.outbox) return store(c, entry, answer.has_value(), work);
            // The outbox was emptied since it was seen.
            lock.unlock();
            answer = try_send(*T::direct::of(c.handle), entry.frame);
            if (*answer == SendStatus::accepted) return true;
        }
    }

    /// Lock held. Behind what waits already.
    bool store(Connection& c, const Entry& entry, bool was_busy, Work<T>& work) noexcept {
        try {
            auto made = c.outbox ? nullptr : std::make_unique<Outbox<T>>(c);
            (made ? *made : *c.outbox).push_back(entry);
            if (made) core_.directory.set_outbox(c, std::move(made));
        } catch (const std::bad_alloc&) {
            end(c, {CloseCode::overloaded, "out of memory"}, work);
            return false;
        }
        Outbox<T>& outbox = *c.outbox;
        if (was_busy && !outbox.flushing && !List<Outbox<T>, FlushTag>::linked(outbox)) work.flushes.push_back(outbox);
        enforce_bounds(outbox, work);
        return true;
    }

    /// Lock held. What was taken out and not accepted is the oldest again.
    void put_back(Outbox<T>& outbox, const Entry& entry, Work<T>& work) noexcept {
        try {
            outbox.push_front(entry);
        } catch (const std::bad_alloc&) {
            end(*outbox.connection, {CloseCode::overloaded, "out of memory"}, work);
            return;
        }
        enforce_bounds(outbox, work);
    }

    void enforce_bounds(Outbox<T>& outbox, Work<T>& work) noexcept {
        core_.statistics.dropped += outbox.shed(core_.options.outbox_messages, core_.options.outbox_bytes);
        if (!has_too_much(outbox)) return;
        if (outbox.connection->step == Step::open) ++core_.statistics.slow_consumers;
        end(*outbox.connection, {CloseCode::slow_consumer, "read too slowly"}, work);
    }

    /// Of control, which is never shed.
    [[nodiscard]] bool has_too_much(const Outbox<T>& outbox) const noexcept {
        return outbox.control_count > core_.options.outbox_control_messages ||
               outbox.control_bytes > core_.options.outbox_control_bytes;
    }

    /// Without the lock.
    SendStatus send_entry(Connection& c, const Entry& entry) noexcept {
        if (entry.missed == 0) return try_send(*T::direct::of(c.handle), entry.frame);
        try {
            const GapEvent<T> gap{c.handle, entry.membership->room->id, entry.missed, entry.seq, entry.last};
            return try_send(*T::direct::of(c.handle), control_frame(c, core_.events.gap(gap)));
        } catch (...) {
            return SendStatus::closed;
        }
    }

    /// Whether it would come before its room's `joined`, or after the end.
    static bool ended(const Entry& entry) noexcept {
        const auto* m = entry.membership;
        return m && (!m->told || m->dead || m->room->closed.load(std::memory_order_relaxed));
    }

    /// Lock held. The connection has to go; its farewell is tried.
    void end(Connection& c, const CloseReason& reason, Work<T>& work) noexcept {
        if (c.step != Step::open) return;
        core_.directory.remove(c, KeptReason(reason), nullptr, LeaveCause::removed, work);
    }

    Core<T>& core_;
};

}  // namespace roomcast::detail
