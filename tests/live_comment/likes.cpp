// SPDX-License-Identifier: MIT
#include "live_comment/likes.hpp"

#include <string>
#include <tuple>
#include <vector>

#include "support/catch.hpp"

using live_comment::LikeBoard;
using roomcast::Instant;
using namespace std::chrono_literals;

namespace {

using Told = std::vector<std::tuple<std::string, std::uint64_t, std::uint64_t>>;

Told due(LikeBoard& board, Instant now) {
    Told told;
    for (const auto& news : board.due(now)) told.emplace_back(news.room, news.delta, news.total);
    return told;
}

}  // namespace

TEST_CASE("a room hears of its likes soon after the first, and once for many") {
    LikeBoard board;
    CHECK(board.next() == Instant::max());
    CHECK(board.total("r") == 0);
    CHECK(board.add("r", 1, 10s) == Instant(10'100ms));
    CHECK_FALSE(board.add("r", 100, 10'050ms));
    CHECK(board.total("r") == 101);
    CHECK(board.next() == Instant(10'100ms));
    CHECK(due(board, 10'099ms).empty());
    CHECK(due(board, 10'100ms) == Told{{"r", 101, 101}});
    CHECK(due(board, 20s).empty());
}

TEST_CASE("a room is told its likes at most once a second, and within a second of each") {
    LikeBoard board;
    board.add("r", 1, 10s);
    CHECK(due(board, 10'100ms) == Told{{"r", 1, 1}});
    CHECK(board.add("r", 2, 10'100ms) == Instant(11'100ms));
    CHECK_FALSE(board.add("r", 3, 11s));
    CHECK(due(board, 11'099ms).empty());
    CHECK(due(board, 11'100ms) == Told{{"r", 5, 6}});
    CHECK(board.add("r", 1, 20s) == Instant(20'100ms));
}

TEST_CASE("likes that could not be told are told with the next") {
    LikeBoard board;
    board.add("r", 2, 10s);
    const auto news = board.due(10'100ms);
    REQUIRE(news.size() == 1);
    board.add("r", 1, 10'100ms);
    CHECK_FALSE(board.put_back(news[0], 10'100ms));
    CHECK(due(board, 11'100ms) == Told{{"r", 3, 3}});
    board.forget("r");
    CHECK_FALSE(board.put_back(news[0], 12s));
    CHECK(board.total("r") == 0);
}

TEST_CASE("a closed room's likes are forgotten, and one of its name begins anew") {
    LikeBoard board;
    board.add("r", 5, 10s);
    board.forget("r");
    CHECK(board.total("r") == 0);
    CHECK(board.add("r", 1, 10'050ms) == Instant(10'150ms));
    CHECK(due(board, 10'120ms).empty());
    CHECK(due(board, 10'150ms) == Told{{"r", 1, 1}});
    CHECK(board.next() == Instant::max());
}
