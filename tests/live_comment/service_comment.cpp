// SPDX-License-Identifier: MIT
#include <chrono>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "live_comment/fake_chat.hpp"
#include "support/catch.hpp"

using namespace tests;
using namespace std::chrono_literals;
using Names = std::vector<std::string>;

namespace {
const json hello = {{"event", "comment"}, {"text", "hello"}};
}

TEST_CASE("all hear a comment, its sender the number and the id alone") {
    Stage stage;
    auto alice = stage.enter("r", "alice");
    auto bob = stage.enter();
    bob.ask({{"event", "join"}, {"room", "r"}, {"user", "bob"}, {"name", "Bob"}});
    const auto own = bob.ask(
        {{"event", "comment"}, {"text", " hi "}, {"color", "#ff0000"}, {"mode", "top"}, {"id", "7"}});
    REQUIRE(own.size() == 2);
    const json& ok = own[own[0]["event"] == "ok" ? 0 : 1];
    const json& copy = own[own[0]["event"] == "ok" ? 1 : 0];
    CHECK(ok == json({{"event", "ok"}, {"of", "comment"}, {"id", "7"}, {"room", "r"}, {"seq", 1}}));
    json expected = {{"event", "comment"}, {"room", "r"},        {"seq", 1},      {"user", "bob"}, {"name", "Bob"},
                     {"text", "hi"},       {"color", "#ff0000"}, {"mode", "top"}, {"ts", 1'234'567}};
    const auto others = alice.heard();
    REQUIRE(others.size() == 1);
    CHECK(others[0] == expected);
    expected["id"] = "7";
    CHECK(copy == expected);

    const auto host = alice.ask(hello);
    CHECK(only(host, "role") == "host");
    CHECK(only(host, "seq") == 2);
    CHECK(only(host, "mode") == "scroll");
    CHECK_FALSE(host[0].contains("color"));
    CHECK_FALSE(host[0].contains("id"));
}

TEST_CASE("a comment said twice under one id is heard once") {
    Stage stage;
    auto alice = stage.enter("r", "alice");
    auto bob = stage.enter("r", "bob");
    json first = {{"event", "comment"}, {"text", "x"}, {"id", "7"}};
    alice.ask(first);
    first["text"] = "changed";
    const auto again = alice.ask(first);
    CHECK(only(again, "event") == "ok");
    CHECK(only(again, "seq") == 1);
    CHECK(only(again, "repeated") == true);
    CHECK(events(bob.ask({{"event", "comment"}, {"text", "x"}, {"id", "7"}})) == Names{"comment", "ok", "comment"});
    alice.gone();
    auto back = stage.enter("r", "alice");
    CHECK(only(back.ask(first), "repeated") == true);
    stage.pass(301s);
    back.heard();
    CHECK(events(back.ask(first)).size() == 2);
}

TEST_CASE("a comment under an id of a room that has ended since is heard in the room of its name") {
    Stage stage;
    auto alice = stage.enter("r", "alice");
    const json first = {{"event", "comment"}, {"text", "x"}, {"id", "7"}};
    alice.ask(first);
    alice.gone();
    stage.pass(61s);
    auto back = stage.enter("r", "alice");
    CHECK(events(back.ask(first)) == Names{"ok", "comment"});
}

TEST_CASE("a refused comment is not remembered") {
    Stage stage;
    auto alice = stage.enter("r", "alice");
    for (int i = 0; i < 5; ++i) alice.ask(hello);
    const json late = {{"event", "comment"}, {"text", "x"}, {"id", "7"}};
    CHECK(only(alice.ask(late), "code") == "rate_limited");
    stage.pass(1s);
    alice.heard();
    CHECK(events(alice.ask(late)).size() == 2);
}

TEST_CASE("five comments at once and one a second, over all of a user's devices") {
    Stage stage;
    auto phone = stage.enter("r", "alice");
    auto tab = stage.enter("r", "alice");
    for (int i = 0; i < 5; ++i) CHECK(events((i % 2 ? phone : tab).ask(hello)).back() == "comment");
    tab.heard();
    const auto refused = tab.ask(hello);
    CHECK(only(refused, "code") == "rate_limited");
    CHECK(only(refused, "retry_after_ms") == 1000);
    CHECK(only(refused, "of") == "comment");
    phone.heard();
    CHECK(only(phone.ask(hello), "code") == "rate_limited");
    stage.pass(1s);
    tab.heard();
    CHECK(events(tab.ask(hello)) == Names{"comment"});
}

TEST_CASE("who goes on past the rate limit is sent away") {
    Stage stage;
    auto alice = stage.enter("r", "alice");
    for (int i = 0; i < 5; ++i) alice.ask(hello);
    for (int i = 0; i < 19; ++i) CHECK(only(alice.ask(hello), "code") == "rate_limited");
    const auto last = alice.ask(hello);
    REQUIRE(events(last) == Names{"error", "force_disconnect"});
    CHECK(last[1]["code"] == 4101);
    CHECK(last[1]["reconnect"] == "backoff");
    CHECK(last[1]["retry_after_ms"] == 1000);
}

TEST_CASE("other messages have a rate of their own") {
    Stage stage;
    auto alice = stage.enter();
    for (int i = 0; i < 20; ++i) CHECK(only(alice.ask({{"event", "ping"}}), "event") == "pong");
    const auto refused = alice.ask({{"event", "join"}, {"room", "r"}, {"user", "alice"}, {"id", "7"}});
    CHECK(only(refused, "code") == "rate_limited");
    CHECK(only(refused, "retry_after_ms") == 100);
    CHECK(only(refused, "id") == "7");
    stage.pass(100ms);
    CHECK(only(alice.ask({{"event", "join"}, {"room", "r"}, {"user", "alice"}}), "event") == "joined");
}

TEST_CASE("in no room one is told once, then sent away") {
    Stage stage;
    auto alice = stage.enter();
    CHECK(only(alice.ask({{"event", "comment"}, {"text", ""}, {"room", "r"}}), "code") == "bad_field");
    const auto first = alice.ask({{"event", "comment"}, {"text", "x"}, {"room", "r"}, {"id", "7"}});
    CHECK(only(first, "code") == "not_in_room");
    CHECK(only(first, "room") == "r");
    CHECK(only(first, "id") == "7");
    CHECK(only(alice.ask({{"event", "comment"}, {"text", 5}, {"room", "r"}}), "code") == "bad_field");
    const auto second = alice.ask({{"event", "kick"}, {"user", "u"}, {"room", "s"}});
    CHECK(only(second, "event") == "force_disconnect");
    CHECK(only(second, "code") == 4002);
    CHECK(only(second, "room") == "s");
    CHECK(only(second, "reconnect") == "never");
}

TEST_CASE("an accepted join begins anew") {
    Stage stage;
    auto alice = stage.enter();
    CHECK(only(alice.ask(hello), "code") == "not_in_room");
    alice.ask({{"event", "join"}, {"room", "r"}, {"user", "alice"}});
    alice.ask({{"event", "leave"}});
    CHECK(only(alice.ask(hello), "code") == "not_in_room");
    CHECK(only(alice.ask(hello), "code") == 4002);
}

TEST_CASE("in a room, acting on another is refused as often as it is tried") {
    Stage stage({.commands = {}});
    auto alice = stage.enter("r", "alice");
    for (int i = 0; i < 30; ++i)
        CHECK(only(alice.ask({{"event", "comment"}, {"text", "x"}, {"room", "s"}}), "code") == "not_in_room");
}

TEST_CASE("in several rooms the room has to be named") {
    auto rooms = Stage::default_rooms();
    rooms.membership = roomcast::Membership::many_rooms;
    Stage stage({}, rooms);
    auto alice = stage.enter("a", "alice");
    CHECK(only(alice.ask(hello), "room") == "a");
    alice.ask({{"event", "join"}, {"room", "b"}});
    const auto refused = alice.ask(hello);
    CHECK(only(refused, "code") == "bad_field");
    CHECK(only(refused, "field") == "room");
    CHECK(only(alice.ask({{"event", "comment"}, {"text", "x"}, {"room", "a"}}), "seq") == 2);
    alice.ask({{"event", "leave"}, {"room", "a"}});
    CHECK(only(alice.ask(hello), "room") == "b");
}

TEST_CASE("while it closes a connection is answered its pings, and nothing else") {
    Stage stage;
    auto alice = stage.enter("r", "alice");
    auto bob = stage.enter("r", "bob");
    alice.ask({{"event", "kick"}, {"user", "bob"}});
    bob.heard();
    CHECK(only(bob.ask({{"event", "ping"}, {"id", "7"}}), "id") == "7");
    CHECK(bob.ask(hello).empty());
    CHECK(bob.ask({{"event", "join"}, {"room", "r"}, {"user", "bob"}}).empty());
    CHECK(bob.ask({{"event", "leave"}, {"room", "r"}}).empty());
    CHECK(bob.ask({{"event", "dance"}}).empty());
    bob.say_raw("{");
    CHECK(bob.heard().empty());
    CHECK(alice.heard().empty());
    stage.pass(3s);
    CHECK(bob.handle()->closes() == 1);
}

TEST_CASE("twenty bad messages end the connection, and each has its answer") {
    Stage stage;
    auto alice = stage.enter("r", "alice");
    for (int i = 0; i < 19; ++i) {
        alice.say_raw(i % 2 ? "nonsense" : R"({"event":"comment","text":7})");
        CHECK(only(alice.heard(), "event") == "error");
    }
    CHECK(alice.handle()->closes() == 0);
    alice.say_raw("{}");
    const auto last = alice.handle()->heard();
    REQUIRE(last.size() == 2);
    CHECK(json::parse(last[0].text)["code"] == "bad_event");
    CHECK(last[1].kind == roomcast::testing::Heard::Kind::close);
    CHECK(last[1].code == roomcast::CloseCode::policy_violation);
    CHECK(stage.service.rooms().count("r") == roomcast::Counts{0, 0});
}

// The room is at work while a member's hook runs: what is said then waits.

TEST_CASE("who is gone before a comment has its number may say it again, and it is heard once") {
    Stage stage;
    auto alice = stage.enter("r", "alice");
    auto bob = stage.enter("r", "bob");
    const json late = {{"event", "comment"}, {"text", "x"}, {"id", "7"}};
    alice.handle()->on_send = [&, said = false](std::string_view) mutable {
        if (std::exchange(said, true)) return;
        bob.say(late);
        bob.gone();
    };
    alice.ask(hello);
    auto back = stage.enter("r", "bob");
    const auto again = back.ask(late);
    CHECK(only(again, "event") == "ok");
    CHECK(only(again, "seq") == 2);
    CHECK(only(again, "repeated") == true);
}

TEST_CASE("who is kicked before a comment has its number hears that it was not said, and may say it again") {
    auto rooms = Stage::default_rooms();
    rooms.membership = roomcast::Membership::many_rooms;
    Stage stage({}, rooms);
    auto alice = stage.enter("r", "alice");
    auto bob = stage.enter("r", "bob");
    auto tab = stage.enter("r", "bob");
    const json late = {{"event", "comment"}, {"text", "x"}, {"room", "r"}, {"id", "7"}};
    alice.handle()->on_send = [&, said = false](std::string_view) mutable {
        if (std::exchange(said, true)) return;
        bob.say(late);
        tab.say(late);
        alice.say({{"event", "kick"}, {"user", "bob"}});
    };
    alice.ask(hello);
    for (auto* device : {&bob, &tab}) {
        const auto heard = device->heard();
        std::vector<json> errors;
        for (const auto& message : heard)
            if (message["event"] == "error") errors.push_back(message);
        CHECK(only(errors, "code") == "unavailable");
        CHECK(only(errors, "of") == "comment");
        CHECK(only(errors, "id") == "7");
        CHECK(only(errors, "room") == "r");
    }
    bob.ask({{"event", "join"}, {"room", "r"}});
    CHECK(bob.ask(late).size() == 2);
}
