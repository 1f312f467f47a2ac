// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <new>
#include <string>
#include <string_view>
#include <type_traits>

#include "roomcast/detail/id_view.hpp"

namespace roomcast::detail {

/// A text that stays as it is, in 16 bytes: up to 15 lie in it, more on the heap.
class Name {
public:
    Name() noexcept = default;
    /// Throws std::bad_alloc, for 4 GiB or more always.
    explicit Name(std::string_view text) {
        char* at = kept_.inside.text;
        if (text.size() <= sizeof kept_.inside.text) {
            kept_.inside.size = static_cast<unsigned char>(text.size());
        } else {
            if (text.size() > std::numeric_limits<std::uint32_t>::max()) throw std::bad_alloc();
            at = new char[text.size()];
            kept_.outside = {is_outside, static_cast<std::uint32_t>(text.size()), at};
        }
        if (!text.empty()) std::memcpy(at, text.data(), text.size());
    }
    Name(Name&& other) noexcept : kept_(other.kept_) { other.kept_ = {}; }
    ~Name() {
        if (kept_.inside.size == is_outside) delete[] kept_.outside.text;
    }

    /// While the name lives, and stays where it is.
    [[nodiscard]] std::string_view view() const noexcept {
        const unsigned char size = kept_.inside.size;
        if (size == is_outside) return {kept_.outside.text, kept_.outside.size};
        return {kept_.inside.text, size};
    }

private:
    // Both begin with a byte, so that it may be read whichever is there.
    struct Inside {
        unsigned char size;
        char text[15];
    };
    struct Outside {
        unsigned char mark;
        std::uint32_t size;
        char* text;
    };
    union Kept {
        Inside inside{};
        Outside outside;
    };
    static constexpr unsigned char is_outside = 255;  // no size of what is inside

    Kept kept_;
};

static_assert(sizeof(Name) == 16);

/// How a record keeps an id.
template <class Id>
using kept_id = std::conditional_t<std::is_same_v<Id, std::string>, Name, Id>;

/// What a kept id is looked up by.
template <class Number>
[[nodiscard]] Number view_of(Number id) noexcept {
    return id;
}
[[nodiscard]] inline std::string_view view_of(const Name& id) noexcept { return id.view(); }

[[nodiscard]] inline bool is_id(const Name& id, std::string_view view) noexcept {
    const std::string_view text = id.view();
    return text.size() == view.size() && std::memcmp(text.data(), view.data(), view.size()) == 0;
}

}  // namespace roomcast::detail
