// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>

#include "roomcast/close_code.hpp"
#include "roomcast/frame.hpp"
#include "roomcast/message.hpp"

namespace roomcast {

/// What became of a frame that was handed to a connection.
enum class SendStatus : std::uint8_t {
    accepted,  ///< taken; the connection sees to it
    busy,      ///< not taken; roomcast keeps it until `writable(connection)`
    closed,    ///< the connection is gone; roomcast removes it
};

/// Encodings are numbered 0 to max_encodings - 1.
inline constexpr int max_encodings = 4;

namespace detail {
template <class Answer>
concept send_answer = std::same_as<Answer, void> || std::same_as<Answer, SendStatus>;

// A `send` that takes its frame by value.
template <class Answer, class Session>
void takes_a_frame(Answer (Session::*)(Frame));
template <class Answer, class Session>
void takes_a_frame(Answer (Session::*)(Frame) const);
}  // namespace detail

/// How roomcast reaches a transport. A *handle* `c` names one transport
/// session (a socket, a tab, a player); usually it is a shared_ptr, and then
/// what follows is looked for behind the pointer, in a complete type.
///
/// | expression | meaning | default |
/// |---|---|---|
/// | `c.send(frame)` | send these bytes; never blocks; takes a `const Frame&` or a `std::string_view`, or, to keep it and write it later, a `Frame`, whose copies are then counted for many members at once; answers `SendStatus` or nothing | required; nothing means `accepted` |
/// | `c.close(code, reason)` | close in order: CloseCode, std::string_view | required |
/// | `c.terminate()` | cut off, whatever is under way | `close(code, reason)` once more |
/// | `C::encode(message, encoding)` | the wire's form of a `const Message&`, as a Frame; static | the payload as it is |
/// | `C::join_frames(frames)` | one Frame that is on the wire what these (a `std::span<const Frame>`, two or more, of one encoding) are one after the other; static | they are sent one by one |
/// | `c.encoding()` | which encoding this connection wants, constant, 0 to 3 | 0 |
///
/// Handles are nothrow movable and destructible, equality comparable and
/// hashable by std::hash; move, comparison and hash (and copying, where
/// `members` is asked) run under the registry's lock and must not call back.
///
/// Threads: `send` is called by whichever thread works in the room or empties
/// the outbox, so by several at once when a connection is in several rooms or
/// is sent to directly; `close` and `terminate` by any thread that is in an
/// operation (most often `poll`), at most once each and never at the same time,
/// and nothing is sent after either but what a thread had chosen before; `encode` and
/// `join_frames` by any thread, several at once;
/// `encoding` once, by the thread that makes the connection known. None of
/// them runs under a lock of roomcast, and each may call the registry back.
/// A `send` or `encode` that throws counts as closed, or as not encodable; the
/// others must not throw. A single-threaded host (see `null_mutex`) may ignore
/// everything about threads.
///
/// Foreign types are described by a specialization of `connection_traits`.
template <class Connection>
struct connection_traits {
private:
    static constexpr auto& behind(const Connection& c) noexcept {
        if constexpr (std::is_pointer_v<Connection> || requires { c.operator->(); }) return *std::to_address(c);
        else return const_cast<Connection&>(c);
    }

public:
    /// What is behind the handle. A broadcast reaches it without touching the
    /// handle; a specialization without `target` and `send_to` pays one more
    /// cache miss for each recipient.
    using target = std::remove_reference_t<decltype(behind(std::declval<const Connection&>()))>;

private:
    // What is spelt like a hook but cannot be called as one would be ignored.
    static_assert(requires { sizeof(target); },
                  "the session must be a complete type where RoomRegistry is named; let it refer to its registry "
                  "through a host that is only declared there");
    static_assert(!requires { &target::encode; } || requires(const Message& m) { Frame(target::encode(m, 0)); },
                  "encode must be: static roomcast::Frame encode(const roomcast::Message&, int)");
    static_assert(!requires { &target::join_frames; } || requires(std::span<const Frame> f) { Frame(target::join_frames(f)); },
                  "join_frames must be: static roomcast::Frame join_frames(std::span<const roomcast::Frame>)");
    static_assert(!requires { &target::terminate; } || requires(target& t) { t.terminate(); },
                  "terminate must be: void terminate()");
    static_assert(!requires { &target::encoding; } || requires(target& t) { static_cast<int>(t.encoding()); },
                  "encoding must be: int encoding() const");

    template <class AnyFrame>
    static SendStatus hand(target& session, AnyFrame&& frame) {
        if constexpr (std::same_as<decltype(session.send(std::forward<AnyFrame>(frame))), void>) {
            session.send(std::forward<AnyFrame>(frame));
            return SendStatus::accepted;
        } else {
            return session.send(std::forward<AnyFrame>(frame));
        }
    }

public:
    static target* target_of(const Connection& c) noexcept { return std::addressof(behind(c)); }

    /// Whether `send` takes a frame of its own: `send_to` may then be given one.
    static constexpr bool keeps_frames = requires(target& session, Frame&& frame) {
        detail::takes_a_frame(&target::send);
        session.send(std::move(frame));  // ambiguous beside a `send(Frame&&)`
    };

    static SendStatus send_to(target& session, const Frame& frame)
        requires requires {
            { session.send(frame) } -> detail::send_answer;
        }
    {
        return hand(session, frame);
    }
    static SendStatus send_to(target& session, Frame&& frame)
        requires keeps_frames
    {
        return hand(session, std::move(frame));
    }
    static SendStatus send(const Connection& c, const Frame& frame)
        requires requires { send_to(behind(c), frame); }
    {
        return send_to(behind(c), frame);
    }
    static void close(const Connection& c, CloseCode code, std::string_view reason)
        requires requires { behind(c).close(code, reason); }
    {
        behind(c).close(code, reason);
    }
    static void terminate(const Connection& c, CloseCode code, std::string_view reason)
        requires requires { behind(c).close(code, reason); }
    {
        if constexpr (requires { behind(c).terminate(); }) behind(c).terminate();
        else behind(c).close(code, reason);
    }
    /// False: frames are the payloads as they are, and `encode` need not be asked.
    /// A specialization without it is asked.
    static constexpr bool encodes = requires(const Message& message) { target::encode(message, 0); };
    static Frame encode(const Message& message, int encoding) {
        if constexpr (encodes) return target::encode(message, encoding);
        else return message.payload;
    }
    static Frame join_frames(std::span<const Frame> frames)
        requires requires { target::join_frames(frames); }
    {
        return target::join_frames(frames);
    }
    static int encoding(const Connection& c) {
        if constexpr (requires { behind(c).encoding(); }) return static_cast<int>(behind(c).encoding());
        else return 0;
    }
};

namespace detail {

/// The shortest way to a connection that its traits offer. The address holds
/// as long as the handle stays in its place.
template <class Connection>
struct DirectAccess {
    using Target = const Connection;
    static Target* of(const Connection& c) noexcept { return std::addressof(c); }
    static constexpr bool keeps_frames = false;
    static SendStatus send(Target& c, const Frame& frame) { return connection_traits<Connection>::send(c, frame); }
};
template <class Connection>
    requires requires { typename connection_traits<Connection>::target; }
struct DirectAccess<Connection> {
    using Target = typename connection_traits<Connection>::target;
    static Target* of(const Connection& c) noexcept { return connection_traits<Connection>::target_of(c); }
    static constexpr bool keeps_frames = requires { requires connection_traits<Connection>::keeps_frames; };
    static SendStatus send(Target& target, const Frame& frame) {
        return connection_traits<Connection>::send_to(target, frame);
    }
    static SendStatus send(Target& target, Frame&& frame)
        requires keeps_frames
    {
        return connection_traits<Connection>::send_to(target, std::move(frame));
    }
};

}  // namespace detail

/// A type that roomcast can send to; see `connection_traits` for the meaning
/// of each expression.
template <class C>
concept connection = std::is_nothrow_move_constructible_v<C> && std::is_nothrow_destructible_v<C> &&
                     std::equality_comparable<C> &&
                     requires(const C& c, const Frame& frame, const Message& message) {
                         { std::hash<C>{}(c) } -> std::convertible_to<std::size_t>;
                         { connection_traits<C>::send(c, frame) } -> std::same_as<SendStatus>;
                         connection_traits<C>::close(c, CloseCode::normal, std::string_view());
                         connection_traits<C>::terminate(c, CloseCode::normal, std::string_view());
                         { connection_traits<C>::encode(message, 0) } -> std::same_as<Frame>;
                         { connection_traits<C>::encoding(c) } -> std::same_as<int>;
                     };

}  // namespace roomcast
