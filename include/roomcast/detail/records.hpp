// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <optional>
#include <type_traits>
#include <utility>

#include "roomcast/close_code.hpp"
#include "roomcast/config.hpp"
#include "roomcast/connection.hpp"
#include "roomcast/detail/deadline_heap.hpp"
#include "roomcast/detail/index.hpp"
#include "roomcast/detail/kept_reason.hpp"
#include "roomcast/detail/list.hpp"
#include "roomcast/detail/name.hpp"
#include "roomcast/detail/occupancy.hpp"
#include "roomcast/detail/owner.hpp"
#include "roomcast/detail/pool.hpp"
#include "roomcast/detail/slots.hpp"
#include "roomcast/events.hpp"
#include "roomcast/frame.hpp"
#include "roomcast/history.hpp"
#include "roomcast/message.hpp"
#include "roomcast/observer.hpp"
#include "roomcast/options.hpp"
#include "roomcast/token_bucket.hpp"
#include "roomcast/traits.hpp"

/// The records of a registry. They are stable in memory, found through indexes,
/// and freed by counted references. All of it is guarded by the registry's lock,
/// but for what says otherwise.
namespace roomcast::detail {

template <class T>
struct User;
template <class T>
struct ConnectionRecord;
template <class T>
struct RoomRecord;
template <class T>
struct Membership;
template <class T>
class Outbox;
template <class T>
struct MessageItem;
template <class T>
class News;

template <class T>
inline constexpr bool is_observed = !std::is_same_v<typename T::observer, NullObserver>;

/// False where nobody is ever told of joins and ends, so that no turn of the
/// room has to come for it.
template <class T>
inline constexpr bool is_told = !std::is_same_v<typename T::events, SilentEvents>;

struct EventTag;
struct DeviceTag;
struct QueueTag;
struct ReadyTag;
struct QuietTag;
struct NewsTag;
struct LogTag;
struct RoomTag;
struct LingerTag;
struct FlushTag;

/// What an observer will be told; it lies in the record that it is about, so
/// that telling of a removal needs no memory.
template <class T>
struct EventRecord : Link<EventTag> {
    EventKind kind{};
    LeaveCause cause{};
    CloseCode code = CloseCode::normal;
    bool user_changed = false;
    bool left_from = false;
    std::size_t moved = 0;
    Membership<T>* membership = nullptr;  // kept alive until told
    RoomRecord<T>* room = nullptr;        // the same
    RoomRecord<T>* from = nullptr;        // the same
    MessageItem<T>* message = nullptr;    // freed when told
};

/// The tag tells the places of a record apart: only what is of different types
/// can take no space together.
template <class Tag>
struct NoEvent {};
template <class T, class Tag>
using EventSlot = std::conditional_t<is_observed<T>, EventRecord<T>, NoEvent<Tag>>;

/// Stands for the info of hosts that have none to keep.
struct NoInfo {
    operator std::shared_ptr<const None>() const noexcept { return nullptr; }
    [[nodiscard]] const None* get() const noexcept { return nullptr; }
    void swap(NoInfo&) noexcept {}
};

/// What a host keeps about a user in a room. Replaced, never changed: readers
/// hold it without the lock.
template <class T>
using Info = std::conditional_t<std::is_same_v<typename T::member_info, None>, NoInfo,
                                std::shared_ptr<const typename T::member_info>>;

/// An account with at least one connection.
template <class T>
struct User : PoolIndexed {
    using Id = kept_id<typename T::user_id>;

    std::uint32_t device_count = 0;
    std::uint32_t references = 0;  // of connections, mentions, and names about to be told
    Ref rooms = 0;                 // of each the membership that leads there: see Memberships
    Id id;
    SlimList<ConnectionRecord<T>, DeviceTag> devices;  // oldest first

    User(Id&& name, std::uint32_t h) noexcept : PoolIndexed(h), id(std::move(name)) {}
};

/// What a connection hears when its membership has ended.
enum class Farewell : std::uint8_t { none, left, removed };

/// One connection in one room. Those of one user's devices there share their info,
/// and are a member together: one leads, the others are behind it.
template <class T>
struct Membership : Pooled {
    using Slot = typename Slots<typename T::target, Membership<T>>::Slot;

    /// What its counts of items hold; one message more is being served.
    static constexpr std::uint32_t most_joins_queued = (1u << 5) - 1, most_messages_queued = (1u << 27) - 2;

    struct Leading {
        Ref next = 0;  // of its user's rooms
        Ref behind = 0;
    };
    struct Following {
        Ref before = 0;
        Ref behind = 0;
    };

    // The connection has heard of its join, or is about to. Written by whoever
    // works in the room; while nobody does, under the lock. A byte of its own: bits
    // beside each other are one place in memory.
    bool told = false;
    bool dead : 1 = false;
    bool expelled : 1 = false;  // it ended by force: what it has said and nobody heard yet is not said
    bool leads : 1 = false;
    bool has_reason : 1 = false;
    Farewell farewell : 2 = Farewell::none;
    // Its items in the room's queue. Who leaves goes when they are answered.
    std::uint32_t joins_queued : 5 = 0;
    std::uint32_t messages_queued : 27 = 0;
    std::uint32_t references = 1;  // the room's own, until its slot is given up
    Ref next = 0;                  // of its connection, or, once it is dead, of those that wait with it
    union {
        Leading leading{};    // while it `leads`; see Memberships
        Following following;  // while another does
        KeptReason reason;    // once it is dead, where it `has_reason`: for Farewell::removed
    };
    ConnectionRecord<T>* connection = nullptr;
    RoomRecord<T>* room = nullptr;
    union {
        Slot* slot = nullptr;
        Membership* next_in_trash;  // once its slot is given up
    };
    // Read by the drainer without the lock; a change may meet a message that
    // is under way or not, so relaxed suffices.
    ROOMCAST_ATOMIC<std::uint64_t> tags{0};
    [[no_unique_address]] Info<T> info{};
    [[no_unique_address]] typename T::context context{};  // that of `leave`
    [[no_unique_address]] EventSlot<T, struct Entered> entered{};
    [[no_unique_address]] EventSlot<T, struct Gone> gone{};

    Membership() noexcept {}
    ~Membership() {
        if (has_reason) reason.~KeptReason();
    }
    /// Once it is in no list of its user's any more.
    void keep(const KeptReason& why) noexcept {
        ::new (&reason) KeptReason(why);
        has_reason = true;
    }

    [[nodiscard]] User<T>& user() const noexcept { return *connection->user; }

    /// It has left, and what it asked for before is not answered yet.
    [[nodiscard]] bool is_leaving() const noexcept {
        return farewell == Farewell::left && joins_queued + messages_queued != 0;
    }
};

/// Somebody whose coming or going is still to be told with the room's presence.
template <class T>
struct Mention : Link<NewsTag> {
    User<T>* user = nullptr;                   // kept alive; null while there is nobody to mention
    [[no_unique_address]] Info<T> info{};      // of one who went
};

/// What a removed connection is waiting for.
enum class Step : std::uint8_t {
    open,       ///< nothing: it was not removed
    farewell,   ///< its last membership to be reaped, then the farewell
    close,      ///< its grace period to end, then `close`
    terminate,  ///< its close timeout to end, then `terminate`
    gone,       ///< nothing any more: the transport is gone
};

template <class T>
struct ConnectionRecord : Link<DeviceTag>, PoolIndexed {
    // True while an outbox exists (the slots of its memberships are null then)
    // and when nothing may be sent any more. Acquire and release: who finds it
    // false after the outbox was emptied sends behind what was in it.
    ROOMCAST_ATOMIC<bool> congested{false};
    const std::uint8_t encoding;
    Step step = Step::open;
    std::uint32_t references = 1;  // the index's own
    // Memberships not reaped yet and direct sends under way: the farewell
    // waits until none is left.
    std::uint32_t pending = 0;
    typename T::connection_type handle;
    User<T>* user = nullptr;
    Owner<Outbox<T>> outbox;
    struct Open {
        Ref memberships = 0;      // see Memberships
        std::uint32_t room_count = 0;
        TokenBucket rate{};       // of what it publishes
    };
    struct Removed {
        KeptReason reason{};
        union {
            RoomRecord<T>* room = nullptr;  // until the farewell, which names it; kept alive
            typename T::time_point due;     // from then on: of the next step
        };
    };
    union {
        Open open{};      // while that is its step
        Removed removed;  // afterwards
    };

    ConnectionRecord(typename T::connection_type&& h, int wanted_encoding, std::uint32_t handle_hash) noexcept
        : PoolIndexed(handle_hash), encoding(static_cast<std::uint8_t>(wanted_encoding)), handle(std::move(h)) {}
    ~ConnectionRecord() {
        if (step != Step::open) removed.~Removed();
    }

    /// Once it is in no room any more.
    void set_removed(Step next, const KeptReason& reason, RoomRecord<T>* named) noexcept {
        ::new (&removed) Removed{reason, {named}};
        step = next;
    }
};

/// Something that waits for its turn in a room.
template <class T>
struct Item : Link<QueueTag> {
    enum class Kind : std::uint8_t { join, message };
    const Kind kind;
    [[no_unique_address]] typename T::context context{};

protected:
    explicit Item(Kind k) noexcept : kind(k) {}
};

/// A join that is to be told: from here on the room's messages follow.
template <class T>
struct JoinItem : Item<T> {
    Membership<T>* membership = nullptr;   // kept alive
    RoomRecord<T>* from = nullptr;         // kept alive
    std::optional<Position> since{};
    std::size_t history = 0;
    bool follower = false;

    JoinItem() noexcept : Item<T>(Item<T>::Kind::join) {}
};

enum class Change : std::uint8_t { none, deletion, reset };

template <class T>
struct MessageItem : Item<T> {
    Frame payload;
    Frame own;                                   // instead, for who publishes
    // Or it stands for a change of the room's log, and says so when its turn
    // has come: `seq` is then what it is about, in the log of `epoch`.
    Change change = Change::none;
    std::uint64_t epoch = 0;
    MessageClass message_class = MessageClass::normal;
    Membership<T>* publisher = nullptr;          // kept alive
    ConnectionRecord<T>* except = nullptr;       // kept alive
    std::uint64_t require = 0;
    std::uint64_t exclude = 0;
    std::uint64_t key = 0;
    std::uint64_t seq = 0;                       // 0: not numbered, or not yet
    bool numbered = true;
    bool echo = true;                            // who publishes gets it too
    std::array<Frame, max_encodings> frames{};   // once it is encoded
    Frame own_frame{};
    [[no_unique_address]] EventSlot<T, struct Dropped> dropped{};

    explicit MessageItem(Frame p) noexcept : Item<T>(Item<T>::Kind::message), payload(std::move(p)) {}

    /// Whether some members get it and others do not.
    [[nodiscard]] bool filtered() const noexcept { return require || exclude || except; }
};

template <class T>
void delete_item(Item<T>* item) noexcept {
    if (item->kind == Item<T>::Kind::join) delete static_cast<JoinItem<T>*>(item);
    else delete static_cast<MessageItem<T>*>(item);
}

/// Messages that go out together, encoded, to everybody in the room.
template <class T>
struct Parcel {
    List<Item<T>, QueueTag> messages;            // each a MessageItem
    std::size_t count = 0;
    std::size_t bytes = 0;                       // of payloads
    bool under_way = false;                      // the walk over the members has begun
    std::uint8_t encodings = 0;                  // bit set of those in use
    std::array<Frame, max_encodings> whole{};    // all messages as one; empty: they go one by one
};

/// What a room keeps of its messages. Touched by whoever works in the room,
/// without the lock; while nobody does, under it.
template <class T>
struct Log : Link<LogTag> {
    typename T::history store;
    std::size_t accounted = 0;  // in the registry's memory budget; guarded by the lock

    explicit Log(const HistoryBounds& bounds) : store(bounds) {}
};

template <class T>
struct RoomRecord : Deadline<typename T::time_point>,
                    Indexed,
                    Link<ReadyTag>,
                    Link<RoomTag>,
                    Link<LingerTag>,
                    Link<QuietTag> {
    using Options = BasicRoomOptions<typename T::time_point>;
    using Places = Slots<typename T::target, Membership<T>>;

    typename T::room_id id;
    Options options;
    std::optional<typename T::user_id> creator{};
    std::uint64_t epoch;  // of its log; a room's life is known by `order`
    std::size_t references = 0;

    Places places;
    std::size_t user_count = 0;
    std::size_t connection_count = 0;
    // Connections that want each. Written under the lock; acquire and release:
    // who does not find a member's encoding here, though the member is in its
    // walk, finds its slot null, too: it has left.
    std::array<ROOMCAST_ATOMIC<std::uint32_t>, max_encodings> encodings{};

    List<Item<T>, QueueTag> queue;
    std::size_t queued_messages = 0;
    // See Memberships::push.
    Ref dead = 0;   // to be reaped
    Ref holes = 0;  // reaped; their slots go when no message is under way

    Occupancy occupancy;
    bool plain = false;            // no log, no news, no batches: messages may go past the queue; does not change
    bool indexed = false;
    bool entered = false;          // somebody has been in it
    ROOMCAST_ATOMIC<bool> active{false};  // since the idle time was last looked at
    // Ended: all memberships count as removed; the drainer takes them apart.
    // Relaxed reads outside the lock: a stale one costs the one send that
    // had been chosen.
    ROOMCAST_ATOMIC<bool> closed{false};
    ROOMCAST_ATOMIC<bool> has_dead{false};  // the drainer's hint that `dead` is not empty
    KeptReason close_reason{};
    typename T::time_point idle_since{};
    // max(): never.
    typename T::time_point linger_until = T::time_point::max();
    typename T::time_point look_again = T::time_point::max();  // a batch, or news, will be due
    Owner<News<T>> news;  // where the room has any to tell

    // Touched by whoever works in the room, without the lock; while nobody
    // does, under it.
    Parcel<T> parcel;
    typename Places::Cursor cursor{};
    typename T::time_point batch_until{};  // until then messages wait for each other
    Owner<Log<T>> log;           // where the room keeps messages
    ROOMCAST_ATOMIC<std::uint64_t> seq{0};     // written there, read by anyone

    [[no_unique_address]] EventSlot<T, struct Opened> opened{};
    [[no_unique_address]] EventSlot<T, struct Ended> ended{};

    RoomRecord(typename T::room_view name, std::uint32_t h, const Options& o, std::uint64_t e)
        : Indexed(h), id(name), options(o), epoch(e) {
        this->order = e;
    }

    /// Under the lock: nothing is there that a join or an end has to wait for; they
    /// need not wait for an express.
    [[nodiscard]] bool at_rest() const noexcept { return !occupancy.busy() && parcel.count == 0 && !news; }

    /// Empty, and to stay for a while.
    [[nodiscard]] bool lingers() const noexcept { return Link<LingerTag>::linked(); }

    /// A bit for each encoding that a member wants. Without the lock it is asked
    /// after a walk has begun, and then misses none of those in the walk.
    [[nodiscard]] std::uint8_t encodings_in_use() const noexcept {
        unsigned bits = 0;
        for (std::size_t i = 0; i < encodings.size(); ++i)
            if (encodings[i].load(std::memory_order_acquire) != 0) bits |= 1u << i;
        return static_cast<std::uint8_t>(bits);
    }
    void count_encoding(std::size_t encoding, int more) noexcept {
        auto& count = encodings[encoding];
        count.store(count.load(std::memory_order_relaxed) + static_cast<std::uint32_t>(more), std::memory_order_release);
    }
};

}  // namespace roomcast::detail
