// SPDX-License-Identifier: MIT
#include "roomcast/instant.hpp"

#include "support/catch.hpp"

using namespace std::chrono_literals;

TEST_CASE("an instant is a time point of any clock, in nanoseconds from that clock's epoch") {
    using Coarse = std::chrono::time_point<std::chrono::system_clock, std::chrono::seconds>;
    CHECK(roomcast::instant_of(Coarse(5s)) == 5'000'000'000ns);
    CHECK(roomcast::instant_of(std::chrono::steady_clock::time_point(7ns)) == 7ns);
}
