// SPDX-License-Identifier: MIT
#include <chrono>
#include <string>
#include <vector>

#include "live_comment/fake_chat.hpp"
#include "support/catch.hpp"

using namespace tests;
using namespace std::chrono_literals;
using Names = std::vector<std::string>;

namespace {

const json rose = {{"event", "gift"}, {"gift", "rose"}};
const json tap = {{"event", "like"}};

json with_id(json message, const char* id) {
    message["id"] = id;
    return message;
}

}  // namespace

TEST_CASE("all hear a gift, under the next number of the room, and its sender's copy is no other") {
    Stage stage;
    auto alice = stage.enter("r", "alice");
    auto bob = stage.enter();
    bob.ask({{"event", "join"}, {"room", "r"}, {"user", "bob"}, {"name", "Bob"}});
    bob.ask({{"event", "comment"}, {"text", "x"}});
    alice.heard();
    const auto own = bob.ask({{"event", "gift"}, {"gift", "rose"}, {"count", 9'999}, {"id", "7"}});
    REQUIRE(own.size() == 2);
    const json& ok = own[own[0]["event"] == "ok" ? 0 : 1];
    const json& copy = own[own[0]["event"] == "ok" ? 1 : 0];
    CHECK(ok == json({{"event", "ok"}, {"of", "gift"}, {"id", "7"}, {"room", "r"}, {"seq", 2}}));
    const json expected = {{"event", "gift"}, {"room", "r"},    {"seq", 2},       {"user", "bob"},
                           {"name", "Bob"},   {"gift", "rose"}, {"count", 9'999}, {"ts", 1'234'567}};
    CHECK(copy == expected);
    CHECK(alice.heard() == std::vector<json>{expected});

    const auto host = alice.ask(rose);
    CHECK(only(host, "role") == "host");
    CHECK(only(host, "count") == 1);
}

TEST_CASE("gifts stand in history beside comments, as they were heard") {
    Stage stage;
    auto alice = stage.enter("r", "alice");
    alice.ask({{"event", "comment"}, {"text", "x"}});
    const auto gift = alice.ask(rose);
    REQUIRE(gift.size() == 1);
    auto bob = stage.enter();
    const auto joined = bob.ask({{"event", "join"}, {"room", "r"}, {"user", "bob"}});
    REQUIRE(only(joined, "history").size() == 2);
    CHECK(joined[0]["history"][0]["event"] == "comment");
    CHECK(joined[0]["history"][1] == gift[0]);
}

TEST_CASE("a gift that is not in the catalogue is a bad field, told before where it was meant for") {
    Stage stage({.gifts = {"cake"}});
    auto alice = stage.enter("r", "alice");
    const auto refused = alice.ask(with_id(rose, "7"));
    CHECK(only(refused, "code") == "bad_field");
    CHECK(only(refused, "field") == "gift");
    CHECK(only(refused, "of") == "gift");
    CHECK(only(refused, "id") == "7");
    CHECK(only(alice.ask({{"event", "gift"}, {"gift", "cake"}}), "seq") == 1);
    auto outside = stage.enter();
    for (int i = 0; i < 3; ++i)
        CHECK(only(outside.ask({{"event", "gift"}, {"gift", "rose"}, {"room", "r"}}), "code") == "bad_field");
    CHECK(only(outside.ask({{"event", "gift"}, {"gift", "cake"}, {"room", "r"}}), "code") == "not_in_room");
}

TEST_CASE("a gift given twice under one id is heard once, and a comment's id is another") {
    Stage stage;
    auto alice = stage.enter("r", "alice");
    alice.ask({{"event", "comment"}, {"text", "x"}, {"id", "7"}});
    CHECK(events(alice.ask(with_id(rose, "7"))).size() == 2);
    const auto again = alice.ask(with_id({{"event", "gift"}, {"gift", "rose"}, {"count", 5}}, "7"));
    CHECK(only(again, "event") == "ok");
    CHECK(only(again, "of") == "gift");
    CHECK(only(again, "seq") == 2);
    CHECK(only(again, "repeated") == true);
}

TEST_CASE("gifts count as commands, not as comments, and a refused one is not remembered") {
    Stage stage;
    auto alice = stage.enter("r", "alice");
    auto tab = stage.enter("r", "alice");
    stage.pass(1s);
    alice.heard();
    for (int i = 0; i < 20; ++i) CHECK(events(alice.ask(rose)) == Names{"gift"});
    tab.heard();
    const auto refused = tab.ask(with_id(rose, "7"));
    CHECK(only(refused, "code") == "rate_limited");
    CHECK(only(refused, "retry_after_ms") == 100);
    CHECK(events(tab.ask({{"event", "comment"}, {"text", "x"}})) == Names{"comment"});
    stage.pass(100ms);
    CHECK(events(tab.ask(with_id(rose, "7"))).size() == 2);
}

TEST_CASE("a room hears its likes together, once a second, and who comes later their sum") {
    Stage stage;
    auto alice = stage.enter("r", "alice");
    auto bob = stage.enter("r", "bob");
    stage.pass(2s);
    alice.heard();
    bob.heard();
    CHECK(alice.ask(with_id(tap, "7")).empty());
    CHECK(bob.ask({{"event", "like"}, {"count", 100}}).empty());
    stage.pass(100ms);
    const json first = {{"event", "like"}, {"room", "r"}, {"delta", 101}, {"total", 101}, {"ts", 1'234'567}};
    CHECK(bob.heard() == std::vector<json>{first});
    alice.heard();
    alice.ask(tap);
    stage.pass(999ms);
    CHECK(alice.heard().empty());
    stage.pass(1ms);
    const auto second = alice.heard();
    CHECK(only(second, "delta") == 1);
    CHECK(only(second, "total") == 102);
    stage.pass(5s);
    CHECK(alice.heard().empty());

    auto carol = stage.enter();
    const auto joined = carol.ask({{"event", "join"}, {"room", "r"}, {"user", "carol"}});
    REQUIRE(only(joined, "state").is_object());
    CHECK(joined[0]["state"]["likes"] == 102);
    CHECK(joined[0]["seq"] == 0);
}

TEST_CASE("likes live as long as their room") {
    Stage stage;
    auto alice = stage.enter("r", "alice");
    alice.ask(tap);
    stage.pass(1s);
    alice.gone();
    const auto likes = [&] {
        auto bob = stage.enter();
        const auto joined = bob.ask({{"event", "join"}, {"room", "r"}, {"user", "bob"}});
        bob.gone();
        return joined.at(0)["state"]["likes"];
    };
    stage.pass(59s);
    CHECK(likes() == 1);
    stage.pass(1s);
    stage.pass(60s);
    CHECK(likes() == 0);
}

TEST_CASE("likes need a room and count as commands") {
    Stage stage;
    auto alice = stage.enter();
    CHECK(only(alice.ask({{"event", "like"}, {"room", "r"}}), "code") == "not_in_room");
    alice.ask({{"event", "join"}, {"room", "r"}, {"user", "alice"}});
    alice.heard();
    for (int i = 0; i < 21; ++i) alice.say(tap);
    CHECK(only(alice.heard(), "code") == "rate_limited");
}

TEST_CASE("a slow reader has the newest likes alone") {
    Stage stage;
    auto alice = stage.enter("r", "alice");
    auto slow = stage.enter("r", "slow");
    stage.pass(2s);
    slow.heard();
    slow.handle()->stall();
    alice.ask({{"event", "comment"}, {"text", "x"}});
    for (int i = 0; i < 3; ++i) {
        alice.ask(tap);
        stage.pass(1s);
    }
    slow.handle()->release();
    stage.service.writable(slow.handle());
    const auto heard = slow.heard();
    REQUIRE(events(heard) == Names{"comment", "like"});
    CHECK(heard[1]["total"] == 3);
    CHECK(heard[1]["delta"] == 1);
}

TEST_CASE("what a loud room leaves out is refused without blame, and gifts are heard") {
    auto rooms = Stage::unlimited_rooms();
    rooms.room.rate = {1, 1};
    Stage stage({.commands = {}}, rooms);
    auto host = stage.enter("r", "host");
    auto bob = stage.enter("r", "bob");
    stage.pass(5s);
    bob.heard();
    CHECK(events(bob.ask({{"event", "comment"}, {"text", "x"}, {"id", "1"}})).size() == 2);
    for (int i = 0; i < 30; ++i) {
        const auto refused = bob.ask({{"event", "comment"}, {"text", "y"}, {"id", "2"}});
        CHECK(only(refused, "code") == "rate_limited");
        CHECK(only(refused, "of") == "comment");
        CHECK(only(refused, "id") == "2");
        CHECK(only(refused, "retry_after_ms") > 0);
    }
    CHECK(events(bob.ask(rose)) == Names{"gift"});
    host.heard();
    stage.pass(1s);
    const auto sampled = bob.heard();
    CHECK(only(sampled, "event") == "sampled");
    CHECK(only(sampled, "left_out") == 30);
    CHECK(only(sampled, "room") == "r");
    // It took no number, and is not remembered.
    CHECK(only(host.heard(), "event") == "sampled");
    stage.pass(5s);
    bob.heard();
    host.heard();
    const auto later = bob.ask({{"event", "comment"}, {"text", "y"}, {"id", "2"}});
    CHECK(later.size() == 2);
    CHECK(only(host.heard(), "seq") == 3);
}
