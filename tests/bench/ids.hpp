// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdio>
#include <string>

namespace bench {

/// 12 bytes: "user-0000042".
inline std::string user_id(std::size_t number) {
    char text[32];
    std::snprintf(text, sizeof text, "user-%07zu", number);
    return text;
}

/// 10 bytes: "room-00042".
inline std::string room_id(std::size_t number) {
    char text[32];
    std::snprintf(text, sizeof text, "room-%05zu", number);
    return text;
}

}  // namespace bench
