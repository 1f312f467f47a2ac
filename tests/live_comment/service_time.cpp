// SPDX-License-Identifier: MIT
#include <chrono>
#include <string>
#include <vector>

#include "live_comment/fake_chat.hpp"
#include "support/catch.hpp"

using namespace tests;
using namespace std::chrono_literals;
using roomcast::CloseCode;
using roomcast::testing::Heard;
using Names = std::vector<std::string>;

TEST_CASE("a room hears how many are there, once for many changes, and only what is new") {
    Stage stage;
    auto alice = stage.enter("r", "alice");
    auto bob = stage.enter("r", "bob");
    auto tab = stage.enter("r", "bob");
    stage.pass(100ms);
    const auto first = alice.heard();
    CHECK(only(first, "event") == "presence");
    CHECK(only(first, "room") == "r");
    CHECK(only(first, "users") == 2);
    CHECK(only(first, "connections") == 3);
    CHECK(only(first, "ts") == 1'234'567);
    CHECK_FALSE(first[0].contains("seq"));

    tab.gone();
    stage.pass(999ms);
    CHECK(alice.heard().empty());
    stage.pass(1ms);
    CHECK(only(alice.heard(), "connections") == 2);

    bob.ask({{"event", "leave"}});
    bob.ask({{"event", "join"}, {"room", "r"}});
    stage.pass(5s);
    CHECK(alice.heard().empty());
}

TEST_CASE("both rooms of a migration hear of it") {
    Stage stage;
    auto alice = stage.enter("a", "alice");
    auto bob = stage.enter("b", "bob");
    auto carol = stage.enter("a", "carol");
    stage.pass(2s);
    alice.heard();
    bob.heard();
    carol.ask({{"event", "join"}, {"room", "b"}});
    stage.pass(2s);
    CHECK(only(alice.heard(), "users") == 1);
    CHECK(only(bob.heard(), "users") == 2);
}

TEST_CASE("the service asks to be woken when something will be due") {
    auto rooms = Stage::default_rooms();
    std::vector<Stage::Service::time_point> woken;
    rooms.wake = [&](Stage::Service::time_point at) { woken.push_back(at); };
    Stage stage({}, rooms);
    auto alice = stage.enter();
    REQUIRE_FALSE(woken.empty());
    CHECK(woken.back() == stage.clock.now() + 60s);
    alice.ask({{"event", "join"}, {"room", "r"}, {"user", "alice"}});
    CHECK(woken.back() == stage.clock.now() + 100ms);
    CHECK(stage.service.tick() == stage.clock.now() + 100ms);
}

TEST_CASE("a connection in no room for a minute is closed") {
    Stage stage;
    auto idle = stage.enter();
    auto member = stage.enter("r", "member");
    auto leaver = stage.enter("r", "leaver");
    stage.pass(59s);
    leaver.ask({{"event", "leave"}});
    CHECK(idle.handle()->closes() == 0);
    stage.pass(1s);
    stage.pass(0s);
    REQUIRE(idle.handle()->closes() == 1);
    CHECK(idle.handle()->heard().back().code == CloseCode::normal);
    CHECK(leaver.handle()->closes() == 0);
    stage.pass(59s);
    stage.pass(0s);
    CHECK(leaver.handle()->closes() == 1);
    CHECK(member.handle()->closes() == 0);
}

TEST_CASE("a drain tells all when to come back, each at a time of its own, and lets nobody in") {
    Stage stage;
    std::vector<Chatter> all;
    for (int i = 0; i < 20; ++i) all.push_back(stage.enter("r", "user" + std::to_string(i)));
    auto outside = stage.enter();
    stage.service.drain(false);
    CHECK(stage.service.draining());
    const auto refused = outside.ask({{"event", "join"}, {"room", "r"}, {"user", "late"}});
    if (!refused.empty()) CHECK(only(refused, "code") == "shutting_down");
    for (int i = 0; i < 10; ++i) stage.pass(100ms);
    std::vector<int> hints;
    for (auto& chatter : all) {
        const auto heard = chatter.heard();
        REQUIRE_FALSE(heard.empty());
        CHECK(heard.back()["event"] == "force_disconnect");
        CHECK(heard.back()["code"] == 4200);
        CHECK(heard.back()["reconnect"] == "now");
        hints.push_back(heard.back()["retry_after_ms"]);
    }
    const auto [least, most] = std::minmax_element(hints.begin(), hints.end());
    CHECK(*least >= 2'500);
    CHECK(*most <= 5'000);
    CHECK(*least != *most);
    for (auto& chatter : all) chatter.gone();
    outside.gone();
    CHECK(stage.service.connections() == 0);
    CHECK(stage.service.rooms().count() == roomcast::Counts{0, 0});

    auto late = stage.enter();
    CHECK(late.handle()->heard() == std::vector<Heard>{
        {Heard::Kind::close, "the server does not take connections now", CloseCode::restarting}});
}

TEST_CASE("a drain for good closes with 1001, without an event") {
    Stage stage;
    auto alice = stage.enter("r", "alice");
    stage.service.drain(true);
    stage.pass(100ms);
    stage.pass(100ms);
    REQUIRE(alice.handle()->closes() == 1);
    CHECK(alice.handle()->heard().back().code == CloseCode::going_away);
    CHECK(alice.heard().empty());
}

TEST_CASE("a peer that reads too slowly is told how much it missed") {
    auto rooms = Stage::unlimited_rooms();
    rooms.outbox_messages = 2;
    Stage stage({}, rooms);
    auto alice = stage.enter("r", "alice");
    auto slow = stage.enter("r", "slow");
    slow.handle()->stall();
    for (int i = 0; i < 5; ++i) alice.say({{"event", "comment"}, {"text", "x"}});
    slow.handle()->release();
    stage.service.writable(slow.handle());
    const auto heard = slow.heard();
    REQUIRE(events(heard) == Names{"gap", "comment", "comment"});
    CHECK(heard[0]["room"] == "r");
    CHECK(heard[0]["dropped"] == 3);
    CHECK(heard[0]["from"] == 1);
    CHECK(heard[0]["to"] == 3);
    CHECK(heard[1]["seq"] == 4);
}
