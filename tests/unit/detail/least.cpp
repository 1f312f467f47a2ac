// SPDX-License-Identifier: MIT
#include "roomcast/detail/least.hpp"

#include "support/catch.hpp"

TEST_CASE("the least, the greatest and the bounded of numbers") {
    using namespace roomcast::detail;
    CHECK(least(1, 2) == 1);
    CHECK(least(2, 1) == 1);
    CHECK(greatest(1, 2) == 2);
    CHECK(greatest(2, 1) == 2);
    CHECK(bounded(0, 1, 3) == 1);
    CHECK(bounded(2, 1, 3) == 2);
    CHECK(bounded(4, 1, 3) == 3);
}
