// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <concepts>
#include <span>
#include <string>
#include <type_traits>

#include "roomcast/connection.hpp"
#include "roomcast/history.hpp"
#include "roomcast/detail/id_view.hpp"
#include "roomcast/json_events.hpp"
#include "roomcast/mutex.hpp"
#include "roomcast/observer.hpp"
#include "roomcast/options.hpp"

namespace roomcast {

/// Nothing: the type of what a host does not use.
struct None {
    friend bool operator==(None, None) = default;
};

/// All policies of a registry. Derive from it and name what differs.
struct DefaultTraits {
    /// std::string (looked up by std::string_view, without allocating), or an
    /// integer or enum. Enums keep the two apart where a call takes both.
    using user_id = std::string;
    using room_id = std::string;

    /// What the host keeps about a user in a room (name, role); shared by all
    /// devices of the user there.
    using member_info = None;

    /// What the host wants to find again when a join, leave or publish is
    /// answered (a request id). Default constructible, nothrow movable.
    using context = None;

    /// Lockable: `small_mutex`, `std::mutex`, or `null_mutex` for a registry that
    /// one thread uses.
    using mutex = small_mutex;

    /// `time_point now() const`, and the types of a standard clock.
    using clock = std::chrono::steady_clock;

    /// See NullObserver.
    using observer = NullObserver;

    /// Writes the control events; see JsonEvents.
    using events = JsonEvents;

    /// Keeps the messages of rooms that want it (RoomOptions::history); see
    /// history_store.
    using history = MemoryHistory;
};

/// The policies that have a state of their own, to be handed to a registry,
/// which keeps them:
///
///     RoomRegistry<C, MyTraits> rooms({.grace = 1s}, {.observer = {&log}});
template <class Traits>
struct Policies {
    typename Traits::observer observer{};
    typename Traits::events events{};
    typename Traits::clock clock{};
};

namespace detail {

template <class Id>
concept id = std::same_as<Id, std::string> || std::is_integral_v<Id> || std::is_enum_v<Id>;

/// Every type of one registry, under one name.
template <class Connection, class Traits>
struct Types {
    using connection_type = Connection;
    using user_id = typename Traits::user_id;
    using room_id = typename Traits::room_id;
    static_assert(id<user_id> && id<room_id>, "ids are std::string, integers or enums");
    using user_view = typename id_view<user_id>::type;
    using room_view = typename id_view<room_id>::type;
    using member_info = typename Traits::member_info;
    using context = typename Traits::context;
    using mutex = typename Traits::mutex;
    using clock = typename Traits::clock;
    using time_point = typename clock::time_point;
    using observer = typename Traits::observer;
    using events = typename Traits::events;
    using history = typename Traits::history;
    static_assert(history_store<history>);
    using access = connection_traits<Connection>;
    static constexpr bool joins_frames = requires(std::span<const Frame> frames) { access::join_frames(frames); };
    // True, too, where the traits do not say.
    static constexpr bool encodes = !requires { requires !access::encodes; };
    using direct = DirectAccess<Connection>;
    using target = typename direct::Target;
};

}  // namespace detail
}  // namespace roomcast
