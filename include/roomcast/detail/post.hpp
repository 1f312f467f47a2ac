// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <utility>

#include "roomcast/config.hpp"
#include "roomcast/detail/engine.hpp"
#include "roomcast/detail/least.hpp"
#include "roomcast/requests.hpp"
#include "roomcast/results.hpp"

namespace roomcast::detail {

/// Takes messages: whether they may go into a room's queue, and into it, or past
/// it. `find` answers the room, or null; it runs under the lock.
template <class T>
class Post {
    using Room = RoomRecord<T>;
    using Call = typename Engine<T>::Call;
    using Message = Owner<MessageItem<T>>;

public:
    explicit Post(Engine<T>& engine) noexcept : engine_(engine) {}

    /// `membership_of(record)`: that of the connection in the room, or null; `find`
    /// is asked only without one.
    template <class FindMembership, class Find>
    PublishResult publish(const typename T::connection_type& c, FindMembership&& membership_of, Find&& find,
                          Frame payload, BasicPublish<T>&& how) {
        Message message = make(std::move(payload), how);
        message->own = std::move(how.own);
        message->echo = how.echo;
        message->context = std::move(how.context);
        Call call(engine_);
        auto* const record = directory().find_connection(c);
        if (record && record->step != Step::open) return {Delivery::closing};
        Membership<T>* const membership = record ? membership_of(*record) : nullptr;
        if (!membership) return {find() ? Delivery::not_in_room : Delivery::no_room};
        Room& room = *membership->room;
        if (is_full(room)) return {Delivery::overloaded};
        if (const auto taken = engine_.core.limit(*record, room, how.message_class); !taken) return taken;
        message->publisher = membership;
        return {put(room, message, nullptr, call)};
    }

    template <class Find>
    Delivery broadcast(Find&& find, const Frame& payload, const BasicBroadcast<T>& how) {
        Message message = is_for_all(how) ? Message() : make(payload, how);
        Call call(engine_);
        Room* const room = find();
        if (!room) return Delivery::no_room;
        if (!message && call.outermost() && engine_.begin_express(*room)) {
            ++engine_.core.statistics.messages;
            call.lock().unlock();
            return express(*room, payload, how, call);
        }
        if (!message) message = make(payload, how);
        return put(*room, message, how.except, call);
    }
    /// The same, where the room is known: `begin()` answers it with its express begun, or null
    /// where that cannot be. Without the lock.
    template <class Begin, class Find>
    Delivery broadcast(Begin&& begin, Find&& find, const Frame& payload, const BasicBroadcast<T>& how) {
        if (is_for_all(how)) {
            Call call(engine_, detail::Deferred{});
            if (Room* const room = call.outermost() ? begin() : nullptr) return express(*room, payload, how, call);
        }
        return broadcast(find, payload, how);
    }

    Delivery change_log(Change change, typename T::room_view id, std::uint64_t seq,
                        const typename T::connection_type* by) {
        Message message(new MessageItem<T>(Frame()));
        message->change = change;
        message->message_class = MessageClass::control;
        message->numbered = false;
        message->seq = seq;
        Call call(engine_);
        Room* const room = directory().find_room(id);
        if (!room) return Delivery::no_room;
        if (by) {
            auto* const acting = directory().find_connection(*by);
            if (!acting || !directory().membership(*acting, *room)) return Delivery::not_in_room;
        }
        if (change == Change::deletion && (seq == 0 || seq > room->seq.load(std::memory_order_relaxed)))
            return Delivery::no_message;
        message->epoch = room->epoch;
        return put(*room, message, nullptr, call);
    }

    template <class How>
    [[nodiscard]] Message make(Frame payload, const How& how) const {
        ROOMCAST_ASSERT(!(how.numbered && how.message_class == MessageClass::control));
        Message message(new MessageItem<T>(std::move(payload)));
        message->require = how.require;
        message->exclude = how.exclude;
        message->numbered = how.numbered;
        message->message_class = how.message_class;
        message->key = how.key;
        return message;
    }

    /// Lock held. Overloaded: the queue is full, and the message still the caller's.
    Delivery put(Room& room, Message& message, const typename T::connection_type* except, Work<T>& work) noexcept {
        if (is_full(room)) return Delivery::overloaded;
        if (message->publisher) ++message->publisher->references, ++message->publisher->messages_queued;
        if (except && (message->except = directory().find_connection(*except))) ++message->except->references;
        ++engine_.core.statistics.messages;
        ++room.queued_messages;
        room.active.store(true, std::memory_order_relaxed);
        room.queue.push_back(*message.release());
        return work.schedule(room) ? Delivery::sent : Delivery::queued;
    }

private:
    [[nodiscard]] Directory<T>& directory() noexcept { return engine_.core.directory; }

    [[nodiscard]] static bool is_for_all(const BasicBroadcast<T>& how) noexcept {
        return !how.except && !how.require && !how.exclude;
    }
    Delivery express(Room& room, const Frame& payload, const BasicBroadcast<T>& how, Call& call) noexcept {
        ROOMCAST_ASSERT(!(how.numbered && how.message_class == MessageClass::control));
        Express message{payload, how.message_class, how.key, how.numbered};
        engine_.express(room, message, call);
        return Delivery::sent;
    }

    bool is_full(const Room& room) noexcept {
        const std::size_t most = engine_.core.options.max_queued;
        const bool full = room.queued_messages >= least<std::size_t>(most, Membership<T>::most_messages_queued);
        if (full) ++engine_.core.statistics.overloaded;
        return full;
    }
    Delivery put(Room& room, Message& message, const typename T::connection_type* except, Call& call) noexcept {
        const Delivery delivery = put(room, message, except, call.work());
        return delivery == Delivery::sent && !call.outermost() ? Delivery::queued : delivery;
    }

    Engine<T>& engine_;
};

}  // namespace roomcast::detail
