// SPDX-License-Identifier: MIT
#include "live_comment/repeats.hpp"

#include <cstdint>
#include <string>
#include <vector>

#include "support/catch.hpp"

using live_comment::Repeats;
using namespace std::chrono_literals;

TEST_CASE("a comment is known again by its number") {
    Repeats repeats;
    CHECK_FALSE(repeats.take("k", 1, 10s).repeated);
    CHECK(repeats.numbered("k", 7).empty());
    const auto again = repeats.take("k", 1, 20s);
    CHECK(again.repeated);
    CHECK(again.seq == 7);
}

TEST_CASE("who asks before there is a number is named when there is one") {
    Repeats repeats;
    repeats.take("k", 1, 10s);
    CHECK(repeats.take("k", 2, 10s).repeated);
    CHECK(repeats.take("k", 2, 10s).seq == 0);
    CHECK(repeats.numbered("k", 7) == std::vector<std::uint64_t>{2, 2});
    CHECK(repeats.numbered("k", 7).empty());
}

TEST_CASE("a comment is forgotten after five minutes, when refused, and when there are too many") {
    Repeats repeats(3);
    repeats.take("old", 1, 10s);
    repeats.numbered("old", 1);
    CHECK(repeats.take("old", 1, 10s + 299s).repeated);
    CHECK_FALSE(repeats.take("old", 1, 10s + 300s).repeated);
    repeats.take("refused", 1, 400s);
    repeats.take("refused", 2, 400s);
    CHECK(repeats.forget("refused") == std::vector<std::uint64_t>{2});
    CHECK(repeats.forget("refused").empty());
    CHECK_FALSE(repeats.take("refused", 1, 400s).repeated);
    for (int i = 0; i < 10; ++i) repeats.take(std::to_string(i), 1, 400s);
    CHECK_FALSE(repeats.take("refused", 1, 400s).repeated);
    CHECK(repeats.take("9", 1, 400s).repeated);
}

TEST_CASE("room, user, event and id make the key, and do not run into each other") {
    CHECK(Repeats::key("a", "b", "comment", "c") != Repeats::key("ab", "", "comment", "c"));
    CHECK(Repeats::key("a", "b", "comment", "c") != Repeats::key("a", "b", "gift", "c"));
}
