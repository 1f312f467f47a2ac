// SPDX-License-Identifier: MIT
#include "live_comment/presence.hpp"

#include <string>
#include <vector>

#include "support/catch.hpp"

using live_comment::PresenceBoard;
using roomcast::Instant;
using namespace std::chrono_literals;
using Rooms = std::vector<std::string>;

TEST_CASE("a room is due soon after its first change, and once for many") {
    PresenceBoard board;
    CHECK(board.next() == Instant::max());
    CHECK(board.changed("r", 10s) == Instant(10'100ms));
    CHECK_FALSE(board.changed("r", 10'050ms));
    CHECK(board.due(10'099ms).empty());
    CHECK(board.due(10'100ms) == Rooms{"r"});
    CHECK(board.due(20s).empty());
}

TEST_CASE("a room is told at most once a second, and within a second of a change") {
    PresenceBoard board;
    board.changed("r", 10s);
    CHECK(board.due(10'100ms) == Rooms{"r"});
    // Who comes while the counts are being told waits like all others.
    CHECK(board.changed("r", 10'100ms) == Instant(11'100ms));
    board.told("r", {1, 1});
    CHECK(board.due(11'099ms).empty());
    CHECK(board.due(11'100ms) == Rooms{"r"});
    CHECK(board.changed("r", 20s) == Instant(20'100ms));
}

TEST_CASE("only counts that were not told are news") {
    PresenceBoard board;
    board.changed("r", 10s);
    CHECK(board.is_news("r", {1, 1}));
    board.told("r", {1, 1});
    CHECK_FALSE(board.is_news("r", {1, 1}));
    CHECK(board.is_news("r", {1, 2}));
}

TEST_CASE("a closed room is forgotten, and one of its name begins anew") {
    PresenceBoard board;
    board.changed("r", 10s);
    board.told("r", {1, 1});
    board.closed("r");
    CHECK_FALSE(board.is_news("r", {2, 2}));
    CHECK(board.changed("r", 10'050ms) == Instant(10'150ms));
    CHECK(board.due(10'120ms).empty());
    CHECK(board.due(10'150ms) == Rooms{"r"});
    CHECK(board.next() == Instant::max());
}
