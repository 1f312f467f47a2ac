// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <new>
#include <span>
#include <string>
#include <utility>

#include "roomcast/config.hpp"
#include "roomcast/detail/core.hpp"
#include "roomcast/detail/courier.hpp"
#include "roomcast/detail/later.hpp"
#include "roomcast/detail/least.hpp"
#include "roomcast/detail/strand.hpp"
#include "roomcast/events.hpp"

namespace roomcast::detail {

/// The calls of registries that this thread is in, innermost first.
struct CallLink {
    const void* engine;
    CallLink* outer;
};
inline thread_local constinit CallLink* innermost_call = nullptr;

/// Does what operations leave to be done: tells events, sends, closes, gives
/// rooms their turns, frees.
template <class T>
class Engine {
    using Connection = ConnectionRecord<T>;
    using Lock = typename Core<T>::Lock;
    using time_point = typename T::time_point;

public:
    Core<T> core;

    /// One public operation: holds the lock while it lives, unless it gives it
    /// back. The outermost one of a thread works off, at its end, what it and
    /// those within it left.
    class Call : CallLink {
    public:
        explicit Call(Engine& owner) : Call(owner, Deferred{}) { lock_.lock(); }
        /// One that begins without the lock, and takes it only where there is work to
        /// be noted or worked off.
        Call(Engine& owner, Deferred)
            : CallLink{&owner, innermost_call}, engine_(owner), lock_(owner.core.mutex, Deferred{}),
              own_(owner.core.pools) {
            for (CallLink* call = outer; call; call = call->outer)
                if (call->engine == &owner) work_ = &static_cast<Call*>(call)->own_;
            if (!outermost()) work_->owed = true;  // the outer one may not hold the lock, and this one leaves it work
            innermost_call = this;
        }
        ~Call() {
            if (outermost() && (lock_.held() || own_.owed)) {
                if (!lock_.held()) lock_.lock();
                if (engine_.has_work(own_)) engine_.work_off(lock_, own_);
            }
            innermost_call = outer;
        }
        Call(const Call&) = delete;
        Call& operator=(const Call&) = delete;

        [[nodiscard]] bool outermost() const noexcept { return work_ == &own_; }
        [[nodiscard]] Work<T>& work() noexcept { return *work_; }
        [[nodiscard]] Lock& lock() noexcept { return lock_; }

    private:
        Engine& engine_;
        Lock lock_;
        Work<T> own_;
        Work<T>* work_ = &own_;
    };

    template <class Options, class Policies>
    Engine(Options&& options, Policies&& policies)
        : core(std::forward<Options>(options), std::forward<Policies>(policies)) {}

    ~Engine() {
        for ([[maybe_unused]] CallLink* call = innermost_call; call; call = call->outer)
            ROOMCAST_ASSERT(call->engine != this && "a registry is destroyed in a callback of its own, or before its Cork");
        tear_down();
    }

    [[nodiscard]] Lock lock() const { return Lock(core.mutex); }

    /// Sends to connections that the caller found under the call's lock;
    /// answers to how many.
    std::size_t send(std::span<Connection* const> connections, const Frame& payload, MessageClass message_class,
                     Call& call) noexcept {
        for (Connection* c : connections) ++c->references, ++c->pending;
        std::size_t reached = 0;
        {
            Unlocked unlocked(call.lock());
            std::array<Frame, max_encodings> frames;
            for (Connection* c : connections) reached += send_one(*c, payload, message_class, frames, call.work());
        }
        for (Connection* c : connections) {
            core.directory.settled_one(*c, call.work());
            core.directory.release(*c, call.work());
        }
        return reached;
    }

    /// Enters the room for one message past its queue; `express` has to follow.
    /// False: the message has to wait for its turn. With or without the lock.
    [[nodiscard]] bool begin_express(RoomRecord<T>& room) noexcept {
        const std::size_t members = room.places.size();
        return room.plain && members != 0 && members <= most_expressed_ && room.occupancy.begin_express();
    }
    /// Sends a message to all of a room, after `begin_express`. Without the lock.
    void express(RoomRecord<T>& room, Express& message, Call& call) noexcept {
        room.active.store(true, std::memory_order_relaxed);
        if (!strand_.express(room, message, call.work())) {
            call.lock().lock();
            lose(room, call.work());
        }
        if (room.occupancy.end_express()) return;
        if (!call.lock().held()) call.lock().lock();
        call.work().rooms.push_back(room);
    }

    void flush_soon(Outbox<T>& outbox, Work<T>& work) noexcept {
        if (outbox.flushing) outbox.writable = true;
        else if (!List<Outbox<T>, FlushTag>::linked(outbox)) work.flushes.push_back(outbox);
    }

    [[nodiscard]] bool shutting_down() const noexcept { return shutdown_.batch != 0; }
    void shut_down(const KeptReason& reason, std::size_t batch, std::chrono::milliseconds every) noexcept {
        shutdown_ = {reason, greatest<std::size_t>(batch, 1), every, core.clock.now()};
    }

    time_point poll() {
        Call call(*this);
        const auto now = core.clock.now();
        // Who works has the answer; whoever else asks may ask again, but not at once.
        if (polling_) return greatest(next_deadline(), now + std::chrono::milliseconds(1));
        polling_ = true;
        untold_left_ = false;  // they are told now, or by the operation that this one is part of
        core.timers.collect_due(now, most_due, call.work());
        expire_rooms(now, call.work());
        end_slow_readers(now, call.work());
        if (core.user_rates.next_sweep() <= instant_of(now)) core.user_rates.sweep(instant_of(now));
        remove_batch(now, call.work());
        core.timers.unpark_all(call.work());
        if (call.outermost()) work_off(call.lock(), call.work());
        polling_ = false;
        return promised_ = next_deadline();
    }

private:
    struct Shutdown {
        KeptReason reason{};
        std::size_t batch = 0;  // 0: nobody has asked for it
        std::chrono::milliseconds every{};
        time_point next{};
    };

    /// A message that went past the queue could not be encoded. The observer
    /// hears of it, if there is memory for that.
    void lose(RoomRecord<T>& room, Work<T>& work) noexcept {
        ++core.statistics.not_encoded;
        if constexpr (is_observed<T>)
            if (auto* lost = new (std::nothrow) MessageItem<T>(Frame())) core.directory.drop(*lost, room, work);
    }

    /// Lock held. False: a call may end as it is.
    [[nodiscard]] bool has_work(const Work<T>& work) const noexcept {
        if (!work.empty() || core.options.wake) return true;
        if constexpr (is_observed<T>) return untold_left_ || !core.directory.events().empty();
        else return false;
    }

    /// Lock held at the beginning and at the end, and not while anything of
    /// the host runs.
    void work_off(Lock& lock, Work<T>& work) noexcept {
        // Events come first, but neither they nor a slow observer hold up the
        // rest: what many threads cause, one of them need not tell for ever.
        for (int tellings = 0;;) {
            const bool told = tellings < most_tellings && tell(lock, work);
            if (told) ++tellings;
            if (do_next(lock, work) || told) continue;
            untold_left_ = has_untold();
            if (!wake(lock)) return;
        }
    }

    /// One piece of what is left to be done; false when nothing is.
    bool do_next(Lock& lock, Work<T>& work) noexcept {
        if (auto* c = work.connections.pop_front()) {
            go_on(*c, lock, work);
        } else if (auto* outbox = work.flushes.pop_front()) {
            courier_.flush(*outbox, lock, work);
        } else if (auto* room = work.rooms.pop_front()) {
            strand_.run_turn(*room, lock, work);
        } else if (!work.trash.empty()) {
            empty_out(work.trash, lock);
        } else {
            return false;
        }
        return true;
    }

    void empty_out(Trash<T>& trash, Lock& lock) noexcept {
        Trash<T> mine(std::move(trash));
        typename Pools<T>::Remains remains;
        {
            Unlocked unlocked(lock);
            remains = mine.empty_out();
        }
        while (core.pools.take_back(remains, 256)) {
            const Unlocked others_turn(lock);
        }
    }

    static constexpr int most_tellings = 1024;  // of at most 64 events

    /// Tells the observer what is linked, unless another thread does.
    bool tell(Lock& lock, Work<T>& work) noexcept {
        if constexpr (is_observed<T>) {
            auto& events = core.directory.events();
            if (telling_ || events.empty()) return false;
            telling_ = true;
            for (int i = 0; i < 64 && !events.empty(); ++i) {
                EventRecord<T>* event = events.pop_front();
                {
                    Unlocked unlocked(lock);
                    static_assert(noexcept(core.observer.on_event(view(*event))), "on_event must be noexcept");
                    core.observer.on_event(view(*event));
                }
                core.directory.release(*event, work);
            }
            telling_ = false;
            return true;
        } else {
            return false;
        }
    }
    [[nodiscard]] bool has_untold() const noexcept {
        if constexpr (is_observed<T>) return !telling_ && !core.directory.events().empty();
        else return false;
    }

    static auto view(const EventRecord<T>& e) noexcept {
        BasicEvent<typename T::connection_type, typename T::user_id, typename T::room_id> event{
            .kind = e.kind,
            .room = e.membership ? e.membership->room->id : e.room->id,
            .epoch = e.membership ? e.membership->room->order : e.room->order,
        };
        if (e.from) event.from = &e.from->id;
        if (e.membership) {
            event.user = view_of(e.membership->connection->user->id);
            event.connection = &e.membership->connection->handle;
        }
        event.cause = e.cause;
        event.code = e.code;
        event.moved = e.moved;
        event.user_changed = e.user_changed;
        event.left_from = e.left_from;
        return event;
    }

    /// A removed connection's next step.
    void go_on(Connection& c, Lock& lock, Work<T>& work) noexcept {
        ++c.references;
        const Step step = c.step;
        if (step == Step::farewell) {
            RoomRecord<T>* const named = std::exchange(c.removed.room, nullptr);
            const bool told = say_farewell(c, named, lock, work);
            if (named) core.directory.release(*named);
            if (c.step == step) {
                c.step = Step::close;
                if (told) wait(c, core.options.grace, core.timers.in_grace);
                else close(c, lock, work);
            }
        } else if (step == Step::close) {
            close(c, lock, work);
        } else if (step == Step::terminate) {
            ++core.statistics.terminated;
            {
                Unlocked unlocked(lock);
                const CloseReason reason = c.removed.reason.view();
                quietly([&] { T::access::terminate(c.handle, reason.code, reason.text); });
            }
            if (c.step == step) core.directory.forget(c, LeaveCause::removed, work);
        }
        core.directory.release(c, work);
    }

    void close(Connection& c, Lock& lock, Work<T>& work) noexcept {
        ++core.statistics.forced_closes;
        c.step = Step::terminate;
        core.directory.silence(c, work);
        {
            Unlocked unlocked(lock);
            const CloseReason reason = c.removed.reason.view();
            quietly([&] { T::access::close(c.handle, reason.code, reason.text); });
        }
        if (c.step == Step::terminate) wait(c, core.options.close_timeout, core.timers.closing);
    }

    void wait(Connection& c, std::chrono::milliseconds time, List<Connection, DeviceTag>& list) noexcept {
        ::new (&c.removed.due) time_point(later(core.clock.now(), time));
        list.push_back(c);
    }

    /// The farewell is the last that is sent; false when there is none.
    bool say_farewell(Connection& c, const RoomRecord<T>* named, Lock& lock, Work<T>& work) noexcept {
        if constexpr (!is_told<T>) return false;
        Unlocked unlocked(lock);
        try {
            const ForceDisconnectEvent<T> event{c.handle, named ? &named->id : nullptr,
                                                c.removed.reason.view()};
            const std::string text = core.events.force_disconnect(event);
            return !text.empty() && courier_.deliver(c, {Courier<T>::control_frame(c, text)}, work);
        } catch (...) {
            return false;
        }
    }

    template <class Action>
    static void quietly(Action&& action) noexcept {
        try {
            action();
        } catch (...) {
        }
    }

    bool send_one(Connection& c, const Frame& payload, MessageClass message_class,
                  std::array<Frame, max_encodings>& frames, Work<T>& work) noexcept {
        try {
            auto& frame = frames[c.encoding];
            if (frame.empty()) frame = T::access::encode(Message{message_class, {}, payload}, c.encoding);
            return courier_.deliver(c, {frame, nullptr, message_class}, work);
        } catch (...) {
            return false;
        }
    }

    void expire_rooms(time_point now, Work<T>& work) noexcept {
        for (int left = most_due; left > 0; --left) {
            RoomRecord<T>* room = core.timers.due_room(now);
            if (!room) return;
            if (room->linger_until <= now && room->occupancy.free()) {
                core.unindex(*room, work);
                continue;
            }
            if (room->look_again <= now) {
                room->look_again = time_point::max();
                core.timers.update(*room);
                work.schedule(*room);
                continue;
            }
            const bool idled = room->options.idle.count() > 0 && later(room->idle_since, room->options.idle) <= now;
            if (room->options.ends_at && *room->options.ends_at <= now) {
                core.close_room(*room, KeptReason({CloseCode::room_closed, "the room has ended"}), work);
            } else if (idled && !room->active.load(std::memory_order_relaxed)) {
                core.close_room(*room, KeptReason({CloseCode::room_closed, "the room was idle"}), work);
            } else if (idled) {
                room->active.store(false, std::memory_order_relaxed);
                room->idle_since = now;
                core.timers.update(*room);
            } else {
                // Somebody speaks into the empty room: it lingers anew.
                core.timers.stop_lingering(*room);
                core.timers.linger(*room, later(now, room->options.linger));
            }
        }
    }

    /// Whose outbox has waited for too long.
    void end_slow_readers(time_point now, Work<T>& work) noexcept {
        for (int left = most_due; left > 0; --left) {
            Outbox<T>* const outbox = core.storage.longest_waiting();
            if (!outbox || now < outbox_due(*outbox)) return;
            core.end_slow_reader(*outbox, work);
        }
    }
    [[nodiscard]] time_point outbox_due(const Outbox<T>& outbox) const noexcept {
        const auto age = core.options.outbox_age;
        return age.count() > 0 ? later(outbox.due, age) : time_point::max();
    }

    void remove_batch(time_point now, Work<T>& work) noexcept {
        if (!shutting_down() || now < shutdown_.next) return;
        shutdown_.next = later(now, shutdown_.every);
        for (std::size_t left = shutdown_.batch; left > 0 && core.directory.counts().connections > 0; ++sweep_) {
            Connection* c = core.directory.any_connection(&sweep_);
            if (c->step != Step::open) continue;
            core.directory.remove(*c, shutdown_.reason, nullptr, LeaveCause::removed, work);
            --left;
        }
    }

    static constexpr int most_due = 256;  // of each kind, for one poll

    [[nodiscard]] time_point next_deadline() const noexcept {
        if (untold_left_) return core.clock.now();
        time_point next = core.timers.next();
        if (const Outbox<T>* outbox = core.storage.longest_waiting()) next = least(next, outbox_due(*outbox));
        if (core.user_rates.size() != 0) {
            using duration = typename time_point::duration;
            next = least(next, time_point(std::chrono::duration_cast<duration>(core.user_rates.next_sweep())));
        }
        return shutting_down() && core.directory.counts().connections > 0 ? least(next, shutdown_.next) : next;
    }

    /// Asks for an earlier `poll` where one has become due.
    bool wake(Lock& lock) noexcept {
        if (polling_ || !core.options.wake) return false;  // its answer tells
        const time_point next = next_deadline();
        if (next >= promised_) return false;
        promised_ = next;
        Unlocked unlocked(lock);
        core.options.wake(next);
        return true;
    }

    /// Lets go of everything, in silence.
    void tear_down() noexcept {
        Work<T> work(core.pools);
        Lock lock(core.mutex);
        shut_down({}, 1, {});
        for (std::uint64_t from = 0; Connection* c = core.directory.any_connection(&from);)
            core.directory.forget(*c, LeaveCause::disconnected, work);
        while (RoomRecord<T>* room = core.directory.all_rooms().front()) strand_.tear_down(*room, lock, work);
        if constexpr (is_observed<T>)
            while (auto* event = core.directory.events().pop_front()) core.directory.release(*event, work);
        empty_out(work.trash, lock);
    }

    // Members that a message past the queue may reach: it cannot be stopped midway.
    const std::size_t most_expressed_ =
        core.options.turn_sends ? least<std::size_t>(core.options.turn_sends, 256) : 256;
    Courier<T> courier_{core};
    Strand<T> strand_{core, courier_};

    // Guarded by the lock.
    bool polling_ = false;
    bool telling_ = false;
    bool untold_left_ = false;  // events that an operation had to leave to `poll`
    time_point promised_ = time_point::max();
    Shutdown shutdown_;
    std::uint64_t sweep_ = 0;
};

}  // namespace roomcast::detail
