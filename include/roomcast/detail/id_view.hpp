// SPDX-License-Identifier: MIT
#pragma once

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

}  // namespace roomcast::detail
