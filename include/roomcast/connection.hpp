// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <memory>
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

/// How roomcast reaches a transport. A *handle* `c` names one transport
/// session (a socket, a tab, a player); usually it is a shared_ptr, and then
/// what follows is looked for behind the pointer.
///
/// | expression | meaning | default |
/// |---|---|---|
/// | `c.send(frame)` | send these bytes; never blocks; takes a `const Frame&` (keep a copy to write later) or a `std::string_view`; answers `SendStatus` or nothing | required; nothing means `accepted` |
/// | `c.close(code, reason)` | close in order: CloseCode, std::string_view | required |
/// | `c.terminate()` | cut off, whatever is under way | `close(code, reason)` once more |
/// | `C::encode(message, encoding)` | the wire's form of a `const Message&`, as a Frame; static | the payload as it is |
/// | `c.encoding()` | which encoding this connection wants, constant, 0 to 3 | 0 |
///
/// Handles are nothrow movable and destructible, equality comparable and
/// hashable by std::hash; move, comparison and hash run under the registry's
/// lock and must not call back.
///
/// Threads: `send` is called by whichever thread drains the room or empties
/// the outbox, so by several at once when a connection is in several rooms or
/// is sent to directly; `close` and `terminate` by the thread that calls
/// `poll` or by the one that found the connection broken, at most once each
/// and never at the same time; `encode` by any thread, several at once;
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
    static constexpr decltype(auto) target(const Connection& c) noexcept {
        if constexpr (requires { std::to_address(c); }) return (*std::to_address(c));
        else return (const_cast<Connection&>(c));
    }

public:
    using session = std::remove_reference_t<decltype(target(std::declval<const Connection&>()))>;

    static SendStatus send(const Connection& c, const Frame& frame) {
        if constexpr (std::same_as<decltype(target(c).send(frame)), void>) {
            target(c).send(frame);
            return SendStatus::accepted;
        } else {
            return target(c).send(frame);
        }
    }
    static void close(const Connection& c, CloseCode code, std::string_view reason) {
        target(c).close(code, reason);
    }
    static void terminate(const Connection& c, CloseCode code, std::string_view reason) {
        if constexpr (requires { target(c).terminate(); }) target(c).terminate();
        else target(c).close(code, reason);
    }
    static Frame encode(const Message& message, int encoding) {
        if constexpr (requires { session::encode(message, encoding); })
            return session::encode(message, encoding);
        else return message.payload;
    }
    static int encoding(const Connection& c) {
        if constexpr (requires { target(c).encoding(); }) return static_cast<int>(target(c).encoding());
        else return 0;
    }
};

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
