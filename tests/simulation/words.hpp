// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "roomcast/frame.hpp"

namespace simulation {

inline constexpr std::size_t rooms = 2;
inline constexpr unsigned all_rooms = (1u << rooms) - 1;
inline constexpr std::size_t most_sessions = 16;
inline constexpr int nowhere = 0xff;

enum class User : int {};
enum class RoomName : int {};

enum class Say : std::uint8_t {
    message, joined, moved, left, removed, farewell, gap, published, not_published, not_joined, presence, deleted,
    reset, direct,
};
inline const char* name_of(Say say) {
    static constexpr const char* names[] = {"message", "joined", "moved", "left", "removed", "farewell", "gap",
                                            "published", "not_published", "not_joined", "presence", "deleted", "reset",
                                            "direct"};
    return names[static_cast<std::size_t>(say)];
}

/// All that is ever sent: messages and control events alike, as bytes.
struct Word {
    Say say;
    std::uint8_t room = nowhere;
    std::uint8_t other = nowhere;   // joined, moved: where it came from
    bool own = false;               // a message as its publisher alone gets it
    std::uint32_t id = 0;           // of the message, or of the request that is answered
    std::uint64_t epoch = 0, seq = 0, last = 0, dropped = 0;
    const void* life = nullptr;     // joined, left, removed, gap: of rooms of one name, which one

    [[nodiscard]] std::string text() const { return {reinterpret_cast<const char*>(this), sizeof(Word)}; }
    [[nodiscard]] roomcast::Frame frame() const {
        return roomcast::Frame(std::string_view(reinterpret_cast<const char*>(this), sizeof(Word)));
    }
};

/// The nth word of a frame.
inline Word word_of(std::string_view bytes, std::size_t n = 0) {
    Word word{Say::message};
    std::memcpy(static_cast<void*>(&word), bytes.data() + n * sizeof(Word), sizeof(Word));
    return word;
}
inline std::size_t count_words(std::string_view bytes) { return bytes.size() / sizeof(Word); }

/// What a line of the trace is about.
constexpr std::uint64_t about(std::size_t session, std::size_t room = nowhere, std::uint64_t id = 0) {
    return session | room << 8 | id << 16;
}
inline constexpr std::size_t nobody = nowhere;

inline std::string in_words(const char* what, std::uint64_t detail) {
    std::string text = what;
    if (detail == ~std::uint64_t{0}) return text;
    if ((detail & 0xff) != nobody) text += " c" + std::to_string(detail & 0xff);
    if ((detail >> 8 & 0xff) != nowhere) text += " r" + std::to_string(detail >> 8 & 0xff);
    if (detail >> 16) text += " #" + std::to_string(detail >> 16);
    return text;
}

}  // namespace simulation
