// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>

namespace live_comment {

/// Who is what in a room. Without accounts there are two roles: who made a
/// room by entering it is its host, and stays it while the room lives.
///
/// Thread safety: all functions may be called concurrently.
template <class Registry>
class Roles {
public:
    /// Without `guest_host` everybody is a viewer.
    Roles(const Registry& rooms, bool guest_host) noexcept : rooms_(rooms), guest_host_(guest_host) {}

    /// `creator`: of the room; null when it was made by nobody.
    [[nodiscard]] std::string_view role(const std::string* creator, std::string_view user) const noexcept {
        return guest_host_ && creator && *creator == user ? "host" : "viewer";
    }
    [[nodiscard]] bool is_host(std::string_view room, std::string_view user) const {
        return guest_host_ && rooms_.creator(room) == user;
    }

private:
    const Registry& rooms_;
    const bool guest_host_;
};

}  // namespace live_comment
