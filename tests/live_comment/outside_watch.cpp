// SPDX-License-Identifier: MIT
#include "live_comment/outside_watch.hpp"

#include <cstdint>
#include <vector>

#include "support/catch.hpp"

using namespace live_comment;
using namespace std::chrono_literals;
using Ids = std::vector<std::uint64_t>;

namespace {
const auto yes = [] { return true; };
const auto no = [] { return false; };
}  // namespace

TEST_CASE("a connection that stays outside is found after a minute") {
    OutsideWatch watch;
    ChatSession chat(7);
    CHECK(watch.outside(chat, 10s) == Instant(70s));
    CHECK(watch.due(69s).empty());
    CHECK(watch.due(70s) == Ids{7});
    CHECK(watch.expired(chat, 70s, yes));
    CHECK(watch.next() == Instant::max());
}

TEST_CASE("who has been in a room meanwhile has its minute from when it left") {
    OutsideWatch watch;
    ChatSession chat(7);
    watch.outside(chat, 10s);
    CHECK_FALSE(watch.outside(chat, 40s));
    CHECK(watch.due(70s) == Ids{7});
    CHECK_FALSE(watch.expired(chat, 70s, yes));
    CHECK(watch.next() == Instant(100s));
    CHECK(watch.due(100s) == Ids{7});
    CHECK(watch.expired(chat, 100s, yes));
}

TEST_CASE("who is in a room is let go, and watched again when it leaves") {
    OutsideWatch watch;
    ChatSession chat(7);
    watch.outside(chat, 10s);
    CHECK(watch.due(70s) == Ids{7});
    CHECK_FALSE(watch.expired(chat, 70s, no));
    CHECK(watch.next() == Instant::max());
    CHECK(watch.outside(chat, 200s) == Instant(260s));
}

TEST_CASE("nothing is kept of a connection that is gone") {
    OutsideWatch watch;
    ChatSession chat(7), other(8);
    watch.outside(chat, 10s);
    watch.outside(other, 20s);
    watch.gone(chat);
    watch.gone(chat);
    CHECK(watch.next() == Instant(80s));
    CHECK(watch.due(100s) == Ids{8});
}
