// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <concepts>
#include <cstddef>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

#include "roomcast/config.hpp"
#include "roomcast/connection.hpp"
#include "roomcast/detail/admission.hpp"
#include "roomcast/detail/engine.hpp"
#include "roomcast/detail/post.hpp"
#include "roomcast/message.hpp"
#include "roomcast/options.hpp"
#include "roomcast/questions.hpp"
#include "roomcast/requests.hpp"
#include "roomcast/results.hpp"
#include "roomcast/traits.hpp"

namespace roomcast {

template <connection Connection, class Traits>
class Room;
template <connection Connection, class Traits>
class Cork;

/// Knows who is in which room, and brings each room's messages to its members
/// in one order. It owns handles of connections, no socket and no thread.
///
/// All that it has to send, close or tell is done by the calling thread after
/// its lock is released, so every callback may call back. An operation called
/// from a callback takes effect at once; what follows from it (messages,
/// farewells, closes) is done by the outermost operation of that thread, or by
/// its Cork. Only `send` and `send_to_user` send at once, also there.
///
/// A join, leave or publish costs O(1) and the rooms of that connection or
/// user; removing costs that for each membership that it ends. In a room that names who comes and
/// goes a join or an end costs O(names that wait), too. Joining, attaching, creating,
/// publishing, sending and asking may throw std::bad_alloc; then nothing
/// changed, but that `broadcast_all` may have reached some rooms. Leaving,
/// disconnecting and removing never fail.
///
/// Thread safety: all functions may be called from any thread, concurrently,
/// when `Traits::mutex` is a mutex. Destruction needs that nobody else uses
/// the registry or a Room of it.
template <connection Connection, class Traits = DefaultTraits>
class RoomRegistry : public Questions<detail::Types<Connection, Traits>> {
    using T = detail::Types<Connection, Traits>;
    using Base = Questions<T>;
    using Base::directory;
    using Base::engine_;
    using Base::memberships;
    using typename Base::Call;
    using typename Base::Record;

public:
    using connection_type = Connection;
    using typename Base::member_info;
    using typename Base::room_id;
    using typename Base::room_view;
    using typename Base::user_id;
    using typename Base::user_view;
    using context = typename T::context;
    using time_point = typename T::time_point;

    using Options = BasicOptions<time_point>;
    using RoomOptions = BasicRoomOptions<time_point>;
    using Join = BasicJoin<T>;
    using Publish = BasicPublish<T>;
    using Broadcast = BasicBroadcast<T>;
    using Event = BasicEvent<Connection, user_id, room_id>;
    using room_type = Room<Connection, Traits>;

    explicit RoomRegistry(Options options = {}, Policies<Traits> policies = {})
        : Base(std::move(options), std::move(policies)) {}

    /// Lets go of all handles; sends and closes nothing. Must not run inside a
    /// callback of this registry.
    ~RoomRegistry() = default;

    // Who is where.

    /// Makes a connection known, nobody's yet: it can be sent to, removed, and
    /// counts as a connection.
    AttachResult attach(Connection c) { return attach_as(c, nullptr); }

    /// Makes a connection known as one of a user's, in no room. Under
    /// `newest_wins` the user's oldest may have to go.
    AttachResult attach(Connection c, user_view user) { return attach_as(c, &user); }

    /// Puts a connection into a room; implies `attach`. What the membership
    /// policy does not allow beside it ends in the same moment; refused, the
    /// user stays where it was. The room's drainer then tells the connection
    /// (`joined`), and from there on every message of the room reaches it.
    [[nodiscard]] JoinResult join(Connection c, Join join) {
        const int encoding = checked_encoding(c);
        auto info = make_info(std::move(join.info));
        Call call(engine_);
        if (shutting_down()) return {JoinStatus::refused, Refusal::shutting_down};
        return detail::Admission<T>(engine_.core, call.work()).join(c, encoding, join, std::move(info));
    }

    /// Ends one membership. The connection hears `left`, stays known, and is
    /// never closed by this.
    LeaveStatus leave(const Connection& c, room_view room, context answer = {}) {
        Call call(engine_);
        auto* record = open_connection(c, call);
        if (!record) return LeaveStatus::unknown_connection;
        auto* m = directory().membership(*record, room);
        if (!m) return LeaveStatus::not_in_room;
        end_membership(*m, std::move(answer), call);
        return LeaveStatus::left;
    }

    /// Ends all memberships of a connection, each with its own `left`; answers
    /// how many there were. Throws what copying the context throws; then
    /// nothing changed.
    std::size_t leave_all(const Connection& c, const context& answer = {})
        requires std::copy_constructible<context>
    {
        if constexpr (std::is_trivially_copyable_v<context>) {
            Call call(engine_);
            auto* record = open_connection(c, call);
            std::size_t ended = 0;
            if (!record) return 0;
            for (; auto* m = memberships().oldest(*record); ++ended) end_membership(*m, context(answer), call);
            return ended;
        }
        std::vector<context> answers;  // copied, and freed, without the lock
        for (std::size_t needed = 0;;) {
            {
                Call call(engine_);
                auto* record = open_connection(c, call);
                needed = record ? record->open.room_count : 0;
                if (needed <= answers.size()) {
                    for (std::size_t i = 0; i < needed; ++i)
                        end_membership(*memberships().oldest(*record), std::move(answers[i]), call);
                    return needed;
                }
            }
            answers.resize(needed, answer);
        }
    }

    /// The transport is gone: the connection leaves every index, nothing more
    /// is sent or asked of it, and its handle is released as soon as no
    /// thread uses it. False when it is not known (any more).
    bool disconnect(const Connection& c) {
        Call call(engine_);
        auto* record = directory().find_connection(c);
        if (record) directory().forget(*record, LeaveCause::disconnected, call.work());
        return record != nullptr;
    }

    /// The transport can take more after it answered `busy`. May come at any
    /// time, also before that `send` has returned, and needlessly.
    void writable(const Connection& c) {
        Call call(engine_);
        auto* record = directory().find_connection(c);
        if (record && record->outbox) engine_.flush_soon(*record->outbox, call.work());
    }

    // Messages.

    /// From a member to its room. Checked under the same lock that orders it:
    /// whoever is not in the room cannot speak in it.
    ///
    /// `normal` and `bulk` messages count against Options::user_rate and
    /// connection_rate and RoomOptions::rate; what is worth more does not.
    PublishResult publish(const Connection& c, room_view room, Frame payload, Publish how = {}) {
        return post_.publish(
            c, [&](const auto& record) { return directory().membership(record, room); },
            [&] { return directory().find_room(room); }, std::move(payload), std::move(how));
    }

    /// From the host to a room. It needs no place in the queue, and the lock only
    /// to find the room (by a Room not even that), when it is for all of at most
    /// 256 connections (or Options::turn_sends, if that is less), nobody works in
    /// the room, this is neither a callback nor under a Cork, and the room has neither
    /// history, batches, rate nor presence. O(1), and a send for each member.
    Delivery broadcast(room_view room, const Frame& payload, const Broadcast& how = {}) {
        return post_.broadcast([&] { return directory().find_room(room); }, payload, how);
    }

    /// Forgets a numbered message: history keeps its number alone, and all
    /// members hear `deleted`, in the room's order. With `by` (borrowed), only
    /// if that connection is in the room itself. `no_message`: the room has not
    /// numbered so far.
    Delivery delete_message(room_view room, std::uint64_t seq, const Connection* by = nullptr) {
        return post_.change_log(detail::Change::deletion, room, seq, by);
    }

    /// The room's numbers begin anew, in a new epoch, with an empty history; all
    /// members hear `reset`, in the room's order.
    Delivery reset(room_view room) { return post_.change_log(detail::Change::reset, room, 0, nullptr); }

    /// From the host to all rooms; answers how many took it. Rooms of which
    /// the queue is full are left out, and counted in `statistics`. O(rooms),
    /// in steps: rooms that come meanwhile may get it or not. Throws
    /// std::bad_alloc; then the rooms that had their turn have it.
    std::size_t broadcast_all(Frame payload, Broadcast how = {}) {
        std::size_t reached = 0;
        detail::Owner<detail::MessageItem<T>> message;
        this->for_each_room([&](Record& record, detail::Work<T>& work) {
            // What a full queue does not take is freed without the lock, or goes to the next room.
            if (!message) message = post_.make(payload, how);
            if (taken(post_.put(record, message, how.except, work))) ++reached;
        });
        return reached;
    }

    /// To all connections of a user, in a room or not; answers how many took
    /// it or have it waiting.
    std::size_t send_to_user(user_view user, Frame payload, MessageClass message_class = MessageClass::normal) {
        Call call(engine_);
        auto* record = directory().find_user(user);
        if (!record) return 0;
        std::vector<detail::ConnectionRecord<T>*> devices;
        devices.reserve(record->device_count);
        for (auto* c = record->devices.front(); c; c = record->devices.next(*c)) devices.push_back(c);
        return engine_.send(devices, payload, message_class, call);
    }

    /// To one connection. Frames that one thread sends keep their order;
    /// between this and the messages of rooms no order is promised. False
    /// when the connection is not known, was removed, or is broken. As control
    /// it is never shed: a connection that reads too slowly for it ends
    /// (4100); send data as MessageClass::normal.
    bool send(const Connection& c, Frame payload, MessageClass message_class = MessageClass::control) {
        Call call(engine_);
        auto* record = directory().find_connection(c);
        if (!record || record->step != detail::Step::open) return false;
        detail::ConnectionRecord<T>* const one[] = {record};
        return engine_.send(one, payload, message_class, call) != 0;
    }

    // Removal: out of every index first, then the farewell, last the close.
    //
    // A removed connection answers `closing` to everything until it is
    // forgotten: with `disconnect`, which the transport owes also after
    // `close`, or when `terminate` has run `close_timeout` after that. Then the
    // handle may join anew. After `disconnect` nothing is sent to it, but what it
    // published may still be told to the `events` policy by its handle: free by
    // the handle's own destruction (a shared_ptr), or do not look behind it there.

    /// Removes all connections of a user.
    Removal kick_user(user_view user, const CloseReason& reason) {
        Call call(engine_);
        Removal removal;
        auto* record = directory().find_user(user);
        if (!record) return removal;
        const detail::KeptReason kept = engine_.core.keep(reason);
        directory().settle(*record, call.work());
        for (auto* c = record->devices.front(); c; ++removal.connections) {
            auto* next = record->devices.next(*c);
            directory().remove(*c, kept, nullptr, LeaveCause::removed, call.work());
            c = next;
        }
        return removal;
    }

    /// Removes one connection. Its farewell names the room that it was in
    /// last.
    Removal kick_connection(const Connection& c, const CloseReason& reason) {
        Call call(engine_);
        auto* record = open_connection(c, call);
        if (!record) return {};
        directory().remove(*record, engine_.core.keep(reason), nullptr, LeaveCause::removed, call.work());
        return {1};
    }

    /// Removes a user from one room. Connections that lose their last room
    /// go altogether, or hear `removed` and stay: see LastRoom. With `by`
    /// (borrowed), only if that connection is in the room itself
    /// (`permitted`).
    Removal kick_from(room_view room, user_view user, const CloseReason& reason, const Connection* by = nullptr) {
        Call call(engine_);
        Removal removal;
        Record* record = directory().find_room(room);
        if (by) {
            auto* acting = open_connection(*by, call);
            removal.permitted = acting && record && directory().membership(*acting, *record);
        }
        auto* target = record ? directory().find_user(user) : nullptr;
        auto* oldest = target ? memberships().leader(*target, *record) : nullptr;
        if (!removal.permitted || !oldest) return removal;
        const detail::KeptReason kept = engine_.core.keep(reason);
        memberships().for_each_together(*oldest, [&](auto& m) {
            ++removal.connections;
            directory().expel(m, kept, nullptr, call.work());
        });
        return removal;
    }

    /// Ends a room: from now on nobody is in it, and its name is free. Its
    /// members are told and closed as after `kick_from`, in steps.
    bool close_room(room_view room, const CloseReason& reason = {CloseCode::room_closed, "room closed"}) {
        const detail::KeptReason kept(reason);
        Call call(engine_);
        Record* record = directory().find_room(room);
        if (record) engine_.core.close_room(*record, kept, call.work());
        return record != nullptr;
    }

    /// Refuses all newcomers from now on, and lets `poll` remove everybody,
    /// `batch` connections (at least 1) at a time, and `every` so often. All
    /// have gone when `count().connections` and `statistics().closing` are 0.
    void shutdown(const CloseReason& reason, std::size_t batch = 256, std::chrono::milliseconds every = {}) {
        const detail::KeptReason kept(reason);
        Call call(engine_);
        engine_.shut_down(kept, batch, every);
    }

    // Rooms.

    /// Makes a room ahead of its first join; refused when its id is bad, all
    /// `max_rooms` are in use, or the registry shuts down. Without `keep_empty`
    /// it goes as other rooms do, once somebody has been in it.
    CreateStatus create_room(room_view room, const RoomOptions& options) {
        Call call(engine_);
        if (shutting_down()) return CreateStatus::refused;
        return detail::Admission<T>(engine_.core, call.work()).create_room(room, options);
    }

    /// A locked room refuses users who are not in it. False: no such room.
    bool lock_room(room_view room, bool locked) {
        Call call(engine_);
        Record* record = directory().find_room(room);
        if (record) record->options.locked = locked;
        return record != nullptr;
    }

    /// A handle for hot paths; see Room.
    [[nodiscard]] Room<Connection, Traits> room(room_view room) { return Room<Connection, Traits>(*this, room); }

    /// Replaces what the host keeps about a user in a room; tells nobody. False
    /// when the user is not there.
    bool set_info(room_view room, user_view user, member_info info) {
        auto made = make_info(std::move(info));  // what it replaces is freed without the lock, too
        const auto lock = engine_.lock();
        auto* oldest = this->find_member(room, user);
        if (oldest) memberships().swap_info(*oldest, made);
        return oldest != nullptr;
    }

    /// The bits that filters look at; a message under way may meet the old
    /// ones. False when the connection is not in the room.
    bool set_tags(const Connection& c, room_view room, std::uint64_t tags) {
        Call call(engine_);
        auto* record = open_connection(c, call);
        auto* m = record ? directory().membership(*record, room) : nullptr;
        if (m) m->tags.store(tags, std::memory_order_relaxed);
        return m != nullptr;
    }

    /// Does what is due: forced closes, expiry, rooms whose turn was over,
    /// shutdown. Answers when it should be called next (`time_point::max()`:
    /// when `Options::wake` says so; a time not after now: at once). May be
    /// called from any thread; while one works, the others return at once.
    /// Does at most 256 of each kind, and one turn of each room that waits.
    time_point poll() { return engine_.poll(); }

private:
    template <connection C, class Tr>
    friend class Room;
    template <connection C, class Tr>
    friend class Cork;

    [[nodiscard]] bool shutting_down() const noexcept { return engine_.shutting_down(); }

    static int checked_encoding(const Connection& c) {
        const int encoding = T::access::encoding(c);
        ROOMCAST_ASSERT(encoding >= 0 && encoding < max_encodings);
        return encoding;
    }

    static detail::Info<T> make_info(member_info&& info) {
        if constexpr (std::same_as<member_info, None>) return {};
        else return std::make_shared<const member_info>(std::move(info));
    }

    AttachResult attach_as(Connection& c, const user_view* user) {
        const int encoding = checked_encoding(c);
        Call call(engine_);
        if (shutting_down()) return {AttachStatus::refused, Refusal::shutting_down};
        return detail::Admission<T>(engine_.core, call.work()).attach(c, encoding, user);
    }

    /// A known connection that was not removed, its closed rooms left behind.
    detail::ConnectionRecord<T>* open_connection(const Connection& c, Call& call) noexcept {
        auto* record = directory().find_connection(c);
        if (record && record->step == detail::Step::open) directory().settle(*record, call.work());
        return record && record->step == detail::Step::open ? record : nullptr;
    }

    void end_membership(detail::Membership<T>& m, context&& answer, Call& call) noexcept {
        m.farewell = detail::Farewell::left;
        m.context = std::move(answer);
        directory().end(m, {LeaveCause::left}, call.work());
    }

    detail::Post<T> post_{engine_};
};

}  // namespace roomcast
