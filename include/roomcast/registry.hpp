// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <utility>
#include <vector>

#include "roomcast/config.hpp"
#include "roomcast/connection.hpp"
#include "roomcast/detail/admission.hpp"
#include "roomcast/detail/engine.hpp"
#include "roomcast/message.hpp"
#include "roomcast/options.hpp"
#include "roomcast/results.hpp"
#include "roomcast/traits.hpp"

namespace roomcast {

/// How a member's message goes out.
template <class T>
struct BasicPublish {
    /// What the publishing connection gets instead of the payload, under the
    /// same number; empty: the payload.
    Frame own{};
    /// Handed to the encoder's `published`.
    typename T::context context{};
    /// Only members that have all of these tag bits ...
    std::uint64_t require = 0;
    /// ... and none of these.
    std::uint64_t exclude = 0;
    /// False: no number, no history, and no `gap` when a slow reader misses it.
    bool numbered = true;
};

/// How a host's message goes out; the fields mean what they mean in
/// BasicPublish.
template <class T>
struct BasicBroadcast {
    /// One connection that does not get it.
    const typename T::connection_type* except = nullptr;
    std::uint64_t require = 0;
    std::uint64_t exclude = 0;
    bool numbered = true;
};

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

template <connection Connection, class Traits>
class Room;

/// Knows who is in which room, and brings each room's messages to its members
/// in one order. It owns handles of connections, no socket and no thread.
///
/// All that it has to send, close or tell is done by the calling thread after
/// its lock is released, so every callback may call back. An operation called
/// from a callback takes effect at once; what follows from it (messages,
/// farewells, closes) is done by the outermost operation of that thread.
///
/// A join, leave or publish costs O(1) and the rooms of that connection or
/// user; removing costs O(what is removed). Joining may throw
/// std::bad_alloc, and so may publishing and asking; then nothing changed.
/// Leaving, disconnecting and removing never fail.
///
/// Thread safety: all functions may be called from any thread, concurrently,
/// when `Traits::mutex` is a mutex. Destruction needs that nobody else uses
/// the registry or a Room of it.
template <connection Connection, class Traits = DefaultTraits>
class RoomRegistry {
    using T = detail::Types<Connection, Traits>;
    using Record = detail::RoomRecord<T>;
    using Call = typename detail::Engine<T>::Call;

public:
    using connection_type = Connection;
    using user_id = typename T::user_id;
    using room_id = typename T::room_id;
    using user_view = typename T::user_view;
    using room_view = typename T::room_view;
    using member_info = typename T::member_info;
    using context = typename T::context;
    using time_point = typename T::time_point;
    using types = T;

    using Options = BasicOptions<time_point>;
    using RoomOptions = BasicRoomOptions<time_point>;
    using Join = BasicJoin<T>;
    using Publish = BasicPublish<T>;
    using Broadcast = BasicBroadcast<T>;
    using Event = BasicEvent<Connection, user_id, room_id>;
    using MemberEntry = BasicMemberEntry<T>;
    using MembersPage = BasicMembersPage<T>;
    using RoomCount = BasicRoomCount<T>;

    explicit RoomRegistry(Options options = {}, Policies<Traits> policies = {})
        : engine_(std::move(options), std::move(policies)) {}

    /// Lets go of all handles; sends and closes nothing. Must not run inside a
    /// callback of this registry.
    ~RoomRegistry() = default;

    RoomRegistry(const RoomRegistry&) = delete;
    RoomRegistry& operator=(const RoomRegistry&) = delete;

    // Who is where.

    /// Makes a connection known, nobody's yet: it can be sent to, removed, and
    /// counts as a connection.
    AttachResult attach(Connection c) { return attach_as(c, std::nullopt); }

    /// Makes a connection known as one of a user's, in no room.
    AttachResult attach(Connection c, user_view user) { return attach_as(c, user); }

    /// Puts a connection into a room; implies `attach`. What the membership
    /// policy does not allow beside it ends in the same moment; refused, the
    /// user stays where it was. The room's drainer then tells the connection
    /// (`joined`), and from there on every message of the room reaches it.
    [[nodiscard]] JoinResult join(Connection c, Join join) {
        const int encoding = checked_encoding(c);
        auto info = make_info(std::move(join.info));
        auto item = std::make_unique<detail::JoinItem<T>>();
        item->context = std::move(join.context);
        Call call(engine_);
        if (shutting_down()) return {JoinStatus::refused, Refusal::shutting_down};
        return detail::Admission<T>(engine_.core, call.work()).join(c, encoding, join, std::move(info), item);
    }

    /// Ends one membership. The connection hears `left`, stays known, and is
    /// never closed by this.
    LeaveStatus leave(const Connection& c, room_view room, context answer = {}) {
        Call call(engine_);
        auto* record = open_connection(c, call);
        if (!record) return LeaveStatus::unknown_connection;
        Record* found = directory().find_room(room);
        auto* m = found ? directory().membership(*record, *found) : nullptr;
        if (!m) return LeaveStatus::not_in_room;
        end_membership(*m, std::move(answer), call);
        return LeaveStatus::left;
    }

    /// Ends all memberships of a connection, each with its own `left`; answers
    /// how many there were.
    std::size_t leave_all(const Connection& c, context answer = {})
        requires std::copy_constructible<context>
    {
        Call call(engine_);
        auto* record = open_connection(c, call);
        std::size_t ended = 0;
        for (; record && !record->memberships.empty(); ++ended)
            end_membership(*record->memberships.front(), context(answer), call);
        return ended;
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
    Delivery publish(const Connection& c, room_view room, Frame payload, Publish how = {}) {
        return publish_in(c, [&] { return directory().find_room(room); }, std::move(payload), std::move(how));
    }

    /// From the host to a room.
    Delivery broadcast(room_view room, Frame payload, Broadcast how = {}) {
        return broadcast_in([&] { return directory().find_room(room); }, std::move(payload), how);
    }

    /// From the host to all rooms; answers how many took it. Rooms of which
    /// the queue is full are left out, and counted in `statistics`. O(rooms),
    /// in steps: rooms that come meanwhile may get it or not.
    std::size_t broadcast_all(Frame payload, Broadcast how = {}) {
        std::size_t reached = 0;
        for_each_room([&](Record& record, detail::Work<T>& work) {
            auto message = make_message(payload, how);
            const auto delivery = push(record, message, how.except, work);
            if (delivery != Delivery::overloaded) ++reached;
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
    /// when the connection is not known, was removed, or is broken.
    bool send(const Connection& c, Frame payload, MessageClass message_class = MessageClass::control) {
        Call call(engine_);
        auto* record = directory().find_connection(c);
        if (!record || record->step != detail::Step::open) return false;
        detail::ConnectionRecord<T>* const one[] = {record};
        return engine_.send(one, payload, message_class, call) != 0;
    }

    // Removal: out of every index first, then the farewell, last the close.

    /// Removes all connections of a user.
    Removal kick_user(user_view user, const CloseReason& reason) {
        const detail::KeptReason kept(reason);
        Call call(engine_);
        Removal removal;
        auto* record = directory().find_user(user);
        if (!record) return removal;
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
        const detail::KeptReason kept(reason);
        Call call(engine_);
        auto* record = open_connection(c, call);
        if (!record) return {};
        directory().remove(*record, kept, nullptr, LeaveCause::removed, call.work());
        return {1};
    }

    /// Removes a user from one room. Connections that lose their last room
    /// go altogether, or hear `removed` and stay: see LastRoom. With `by`,
    /// only if that connection is in the room itself (`permitted`).
    Removal kick_from(room_view room, user_view user, const CloseReason& reason, const Connection* by = nullptr) {
        const detail::KeptReason kept(reason);
        Call call(engine_);
        Removal removal;
        Record* record = directory().find_room(room);
        if (by) {
            auto* acting = open_connection(*by, call);
            removal.permitted = acting && record && directory().membership(*acting, *record);
        }
        auto* target = record ? directory().find_user(user) : nullptr;
        auto* member = target ? directory().member(*target, *record) : nullptr;
        if (!removal.permitted || !member) return removal;
        for (auto* m = member->devices.front(); m; ++removal.connections) {
            auto* next = member->devices.next(*m);
            directory().expel(*m, kept, nullptr, call.work());
            m = next;
        }
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
    /// `batch` connections (0: all) at a time and `every` so often.
    void shutdown(const CloseReason& reason, std::size_t batch = 256, std::chrono::milliseconds every = {}) {
        const detail::KeptReason kept(reason);
        Call call(engine_);
        engine_.shut_down(kept, batch, every);
    }

    // Rooms.

    /// Makes a room ahead of its first join. Without `keep_empty` it goes as
    /// other rooms do, once somebody has been in it.
    CreateStatus create_room(room_view room, const RoomOptions& options) {
        Call call(engine_);
        if (shutting_down()) return CreateStatus::refused;
        return detail::Admission<T>(engine_.core, call.work()).create_room(room, options);
    }

    /// A locked room refuses users who are not in it.
    bool lock_room(room_view room, bool locked) {
        Call call(engine_);
        Record* record = directory().find_room(room);
        if (record) record->options.locked = locked;
        return record != nullptr;
    }

    /// A handle for hot paths; see Room.
    [[nodiscard]] Room<Connection, Traits> room(room_view room) { return Room<Connection, Traits>(*this, room); }

    // Questions. They answer as of one moment, which may be past when the
    // answer is read.

    /// The room of a user under `one_room_per_user`; otherwise one of them.
    [[nodiscard]] std::optional<room_id> room_of(user_view user) const {
        std::optional<room_id> found;
        visit_rooms_of_user(user, [&](const room_id& room) {
            found.emplace(room);
            return false;
        });
        return found;
    }

    /// O(rooms of the user).
    [[nodiscard]] std::vector<room_id> rooms_of_user(user_view user) const {
        std::vector<room_id> rooms;
        visit_rooms_of_user(user, [&](const room_id& room) {
            rooms.push_back(room);
            return true;
        });
        return rooms;
    }

    /// O(rooms of the connection).
    [[nodiscard]] std::vector<room_id> rooms_of(const Connection& c) const {
        const auto lock = engine_.lock();
        std::vector<room_id> rooms;
        const auto* record = directory().find_connection(c);
        if (!record) return rooms;
        for (auto* m = record->memberships.front(); m; m = record->memberships.next(*m))
            if (!ended(*m->room)) rooms.push_back(m->room->id);
        return rooms;
    }

    [[nodiscard]] std::optional<user_id> user_of(const Connection& c) const {
        const auto lock = engine_.lock();
        const auto* record = directory().find_connection(c);
        if (!record || !record->user || record->step != detail::Step::open) return std::nullopt;
        return record->user->id;
    }

    [[nodiscard]] bool is_member(const Connection& c, room_view room) const {
        const auto lock = engine_.lock();
        const auto* found = directory().find_room(room);
        const auto* record = found ? directory().find_connection(c) : nullptr;
        return record && directory().membership(*record, *found);
    }

    [[nodiscard]] bool is_member(user_view user, room_view room) const {
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
    /// wait for their close do not count.
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
    /// comes at least once; who leaves or comes meanwhile may come or not, and
    /// a member whose devices change may come twice. O(limit).
    [[nodiscard]] MembersPage members(room_view room, std::size_t from = 0, std::size_t limit = 256) const {
        const auto lock = engine_.lock();
        MembersPage page;
        const auto* record = directory().find_room(room);
        if (!record) return page;
        limit = std::clamp<std::size_t>(limit, 1, 256);
        std::size_t seen = 0;
        page.next = record->places.walk_down(from ? from : record->places.size(), [&](const auto& slot) {
            const auto& m = *slot.membership;
            // A member is shown with its first device there.
            if (!m.dead && m.member->devices.front() == &m) page.members.push_back(entry(*m.member));
            return ++seen < limit;
        });
        return page;
    }

    /// The `most` largest rooms by users, then by id; with `after`, those that
    /// come after it in this order. O(rooms x log most), in steps.
    [[nodiscard]] std::vector<RoomCount> top_rooms(std::size_t most, const RoomCount* after = nullptr) {
        std::vector<RoomCount> top;
        if (most == 0) return top;
        for_each_room([&](Record& record, detail::Work<T>&) {
            const auto before = [](const auto& a, const RoomCount& b) {
                return a.users != b.users ? a.users > b.users : a.room < b.room;
            };
            struct View {
                const room_id& room;
                std::size_t users;
            } const here{record.id, record.user_count};
            if (after && (before(here, *after) || (here.users == after->users && here.room == after->room))) return;
            if (top.size() == most) {
                if (!before(here, top.front())) return;
                std::pop_heap(top.begin(), top.end(), before);
                top.pop_back();
            }
            top.push_back({record.id, record.user_count, record.connection_count});
            std::push_heap(top.begin(), top.end(), before);
        });
        std::sort_heap(top.begin(), top.end(), [](const RoomCount& a, const RoomCount& b) {
            return a.users != b.users ? a.users > b.users : a.room < b.room;
        });
        return top;
    }

    /// What the host keeps about a user in a room; null when there is none.
    [[nodiscard]] std::shared_ptr<const member_info> info(room_view room, user_view user) const {
        const auto lock = engine_.lock();
        const auto* member = find_member(room, user);
        return member ? member->info : nullptr;
    }

    bool set_info(room_view room, user_view user, member_info info) {
        auto made = make_info(std::move(info));  // what it replaces is freed without the lock, too
        const auto lock = engine_.lock();
        auto* member = find_member(room, user);
        if (member) member->info.swap(made);
        return member != nullptr;
    }

    /// The bits that filters look at; a message under way may meet the old
    /// ones.
    bool set_tags(const Connection& c, room_view room, std::uint64_t tags) {
        Call call(engine_);
        auto* record = open_connection(c, call);
        auto* found = record ? directory().find_room(room) : nullptr;
        auto* m = found ? directory().membership(*record, *found) : nullptr;
        if (m) m->tags.store(tags, std::memory_order_relaxed);
        return m != nullptr;
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
        return engine_.core.statistics;
    }

    /// Does what is due: forced closes, expiry, rooms whose turn was over,
    /// shutdown. Answers when it should be called next (`time_point::max()`:
    /// when `Options::wake` says so; a time not after now: at once). May be called
    /// from any thread; while one works, the others return at once.
    time_point poll() { return engine_.poll(); }

private:
    template <connection C, class Tr>
    friend class Room;

    [[nodiscard]] detail::Directory<T>& directory() noexcept { return engine_.core.directory; }
    [[nodiscard]] const detail::Directory<T>& directory() const noexcept { return engine_.core.directory; }
    [[nodiscard]] bool shutting_down() const noexcept { return engine_.shutting_down(); }

    static bool ended(const Record& room) noexcept { return room.closed.load(std::memory_order_relaxed); }

    static int checked_encoding(const Connection& c) {
        const int encoding = T::access::encoding(c);
        ROOMCAST_ASSERT(encoding >= 0 && encoding < max_encodings);
        return encoding;
    }

    static std::shared_ptr<const member_info> make_info(member_info&& info) {
        if constexpr (std::same_as<member_info, None>) return nullptr;
        else return std::make_shared<const member_info>(std::move(info));
    }

    AttachResult attach_as(Connection& c, std::optional<user_view> user) {
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

    template <class How>
    std::unique_ptr<detail::MessageItem<T>> make_message(Frame payload, const How& how) {
        auto message = std::make_unique<detail::MessageItem<T>>(std::move(payload));
        message->require = how.require;
        message->exclude = how.exclude;
        message->numbered = how.numbered;
        return message;
    }

    template <class Find>
    Delivery publish_in(const Connection& c, Find&& find, Frame payload, Publish how) {
        auto message = make_message(std::move(payload), how);
        message->own = std::move(how.own);
        message->context = std::move(how.context);
        Call call(engine_);
        auto* record = directory().find_connection(c);
        if (record && record->step != detail::Step::open) return Delivery::closing;
        Record* room = find();
        if (!room) return Delivery::no_room;
        if (!record || !directory().membership(*record, *room)) return Delivery::not_in_room;
        message->origin = record;
        return push(*room, message, nullptr, call.work(), call.outermost());
    }

    template <class Find>
    Delivery broadcast_in(Find&& find, Frame payload, const Broadcast& how) {
        auto message = make_message(std::move(payload), how);
        Call call(engine_);
        Record* room = find();
        if (!room) return Delivery::no_room;
        return push(*room, message, how.except, call.work(), call.outermost());
    }

    /// `message` is taken unless the queue is full.
    Delivery push(Record& room, std::unique_ptr<detail::MessageItem<T>>& message, const Connection* except,
                  detail::Work<T>& work, bool outermost = false) noexcept {
        auto& statistics = engine_.core.statistics;
        if (room.queued_messages >= engine_.core.options.max_queued) {
            ++statistics.overloaded;
            return Delivery::overloaded;
        }
        if (message->origin) ++message->origin->references;
        if (except && (message->except = directory().find_connection(*except))) ++message->except->references;
        ++statistics.messages;
        ++room.queued_messages;
        room.active = true;
        room.queue.push_back(*message.release());
        const bool ours = outermost && !room.scheduled;
        work.schedule(room);
        return ours ? Delivery::sent : Delivery::queued;
    }

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

    template <class Visit>
    void visit_rooms_of_user(user_view user, Visit&& visit) const {
        const auto lock = engine_.lock();
        const auto* record = directory().find_user(user);
        if (!record) return;
        for (auto* member = record->members.front(); member; member = record->members.next(*member))
            if (!ended(*member->room) && !visit(member->room->id)) return;
    }

    [[nodiscard]] detail::Member<T>* find_member(room_view room, user_view user) const {
        const auto* found = directory().find_room(room);
        const auto* record = found ? directory().find_user(user) : nullptr;
        return record ? directory().member(*record, *found) : nullptr;
    }

    static MemberEntry entry(const detail::Member<T>& member) {
        MemberEntry entry{member.user->id, member.info, member.device_count};
        if constexpr (std::copy_constructible<Connection>)
            for (auto* m = member.devices.front(); m; m = member.devices.next(*m))
                entry.connections.push_back(m->connection->handle);
        return entry;
    }

    detail::Engine<T> engine_;
};

}  // namespace roomcast
