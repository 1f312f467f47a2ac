// SPDX-License-Identifier: MIT
#include "roomcast/detail/name.hpp"

#include <cstdint>
#include <new>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "support/catch.hpp"
#include "unit/allocations.hpp"

namespace {
using roomcast::detail::is_id, roomcast::detail::kept_id, roomcast::detail::Name, roomcast::detail::view_of;

/// Every byte differs from its neighbours, and some are 0.
std::string text_for_name(std::size_t size) {
    std::string text;
    for (std::size_t i = 0; i < size; ++i) text += static_cast<char>(i % 251);
    return text;
}
}  // namespace

TEST_CASE("a name keeps its text, which lies in it up to 15 bytes, and gives back what it took") {
    for (const std::size_t size : {0U, 1U, 14U, 15U, 16U, 17U, 254U, 255U, 256U, 1000U}) {
        const std::string text = text_for_name(size);
        const auto before = unit::allocations::live_bytes();
        {
            const Name name(text);
            const auto taken = unit::allocations::live_bytes() - before;
            CHECK(taken == (size <= 15 ? 0 : size));
            CHECK(name.view() == text);
            CHECK(view_of(name) == text);
            CHECK(name.view().data() != text.data());
        }
        CHECK(unit::allocations::live_bytes() == before);
    }
}

TEST_CASE("a name that nobody gave is empty") {
    CHECK(Name().view().empty());
    CHECK(Name(std::string_view()).view().empty());
}

TEST_CASE("a name that moves takes its text along, and leaves an empty one behind") {
    for (const std::size_t size : {0U, 1U, 15U, 16U, 1000U}) {
        const std::string text = text_for_name(size);
        const auto before = unit::allocations::live_bytes();
        {
            Name first(text);
            const auto made = unit::allocations::made();
            Name second(std::move(first));
            const Name third(std::move(second));
            const auto made_by_moves = unit::allocations::made() - made;
            CHECK(made_by_moves == 0);
            CHECK(third.view() == text);
            CHECK(first.view().empty());
            CHECK(second.view().empty());
        }
        CHECK(unit::allocations::live_bytes() == before);
    }
}

TEST_CASE("a name is that of the same bytes, and of no others") {
    for (const std::size_t size : {1U, 15U, 16U, 1000U}) {
        const std::string text = text_for_name(size);
        const Name name(text);
        CHECK(is_id(name, text));
        CHECK_FALSE(is_id(name, {}));
        CHECK_FALSE(is_id(name, text.substr(1)));
        CHECK_FALSE(is_id(name, text + '\0'));
        std::string other = text;
        other.back() = 'x';
        CHECK_FALSE(is_id(name, other));
    }
}

TEST_CASE("a name for which there is no memory is not made") {
    const std::string text = text_for_name(16);
    const auto make = [](std::string_view of) { return Name(of); };
    {
        const unit::allocations::Failure failure(1);
        CHECK_THROWS_AS(make(text), std::bad_alloc);
    }
    if constexpr (sizeof(std::size_t) > sizeof(std::uint32_t)) {
        const auto made = unit::allocations::made();
        const std::string_view endless(text.data(), std::size_t{1} + UINT32_MAX);
        CHECK_THROWS_AS(make(endless), std::bad_alloc);
        CHECK(unit::allocations::made() == made);
    }
}

TEST_CASE("a number is kept and looked up as it is") {
    enum class Number : std::uint16_t {};
    STATIC_REQUIRE(std::is_same_v<kept_id<Number>, Number>);
    STATIC_REQUIRE(std::is_same_v<kept_id<std::uint64_t>, std::uint64_t>);
    STATIC_REQUIRE(std::is_same_v<kept_id<std::string>, Name>);
    CHECK(view_of(Number{7}) == Number{7});
}
