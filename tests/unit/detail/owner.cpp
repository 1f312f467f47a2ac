// SPDX-License-Identifier: MIT
#include "roomcast/detail/owner.hpp"

#include <memory>
#include <utility>

#include "support/catch.hpp"

using roomcast::detail::Owner;

TEST_CASE("an owner lets go of what it owned when it takes something else, and at its end") {
    const auto one = std::make_shared<int>(1), two = std::make_shared<int>(2);
    {
        Owner first(new std::shared_ptr<int>(one));
        Owner<std::shared_ptr<int>> second(new std::shared_ptr<int>(two));
        CHECK(*first == one);
        CHECK(first->get() == one.get());
        first = std::move(second);
        CHECK(one.use_count() == 1);
        CHECK(two.use_count() == 2);
        CHECK(*first == two);
        CHECK_FALSE(second);
        const Owner third(std::move(first));
        CHECK_FALSE(first);
        CHECK(*third == two);
    }
    CHECK(two.use_count() == 1);
}

TEST_CASE("what an owner gives away is not its own any more") {
    const auto one = std::make_shared<int>(1);
    Owner<std::shared_ptr<int>> owner(new std::shared_ptr<int>(one));
    const std::unique_ptr<std::shared_ptr<int>> given(owner.release());
    CHECK_FALSE(owner);
    owner = {};
    CHECK(one.use_count() == 2);
}

TEST_CASE("an owner of an array destroys all that is in it") {
    const auto one = std::make_shared<int>(1);
    {
        const Owner<std::shared_ptr<int>[]> owner(new std::shared_ptr<int>[3]);
        for (std::size_t i = 0; i < 3; ++i) owner[i] = one;
        CHECK(owner.get() == &owner[0]);
        CHECK(one.use_count() == 4);
    }
    CHECK(one.use_count() == 1);
}

TEST_CASE("an owner that is assigned to itself keeps what it owns") {
    Owner<int> owner(new int(7));
    Owner<int>& same = owner;
    owner = std::move(same);
    REQUIRE(owner);
    CHECK(*owner == 7);
}
