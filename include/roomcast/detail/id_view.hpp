// SPDX-License-Identifier: MIT
#pragma once

#include <cstring>
#include <string>
#include <string_view>

namespace roomcast::detail {

/// What an id is looked up by: text without a copy, a number as it is.
template <class Id>
struct id_view {
    using type = Id;
};
template <>
struct id_view<std::string> {
    using type = std::string_view;
};

/// Whether an id is the one that is looked up.
template <class Id>
[[nodiscard]] bool is_id(const Id& id, const typename id_view<Id>::type& view) noexcept {
    return id == view;
}
/// std::string_view's `==` asks for the order of the two, out of line.
[[nodiscard]] inline bool is_id(const std::string& id, std::string_view view) noexcept {
    return id.size() == view.size() && std::memcmp(id.data(), view.data(), view.size()) == 0;
}

}  // namespace roomcast::detail
