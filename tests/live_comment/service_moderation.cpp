// SPDX-License-Identifier: MIT
#include <string>
#include <vector>

#include "live_comment/fake_chat.hpp"
#include "support/catch.hpp"

using namespace tests;

TEST_CASE("a kick needs a host, a member, and somebody else who is there") {
    Stage stage({.commands = {}});
    auto alice = stage.enter("r", "alice");
    auto bob = stage.enter("r", "bob");
    auto carol = stage.enter("s", "carol");
    const auto code = [](Chatter& who, const json& kick) { return only(who.ask(kick), "code"); };
    CHECK(code(bob, {{"event", "kick"}, {"user", "alice"}}) == "forbidden");
    CHECK(code(bob, {{"event", "kick"}, {"user", "nobody"}}) == "forbidden");
    CHECK(code(carol, {{"event", "kick"}, {"user", "bob"}, {"room", "r"}}) == "not_in_room");
    CHECK(code(alice, {{"event", "kick"}, {"user", "alice"}}) == "forbidden");
    CHECK(code(alice, {{"event", "kick"}, {"user", "carol"}}) == "not_in_room");
    CHECK(code(alice, {{"event", "kick"}, {"user", ""}}) == "bad_field");
    CHECK(stage.service.rooms().count("r") == roomcast::Counts{2, 2});

    CHECK(only(alice.ask({{"event", "kick"}, {"user", "bob"}, {"reason", "spam"}}), "event") == "ok");
    const auto farewell = bob.heard();
    CHECK(only(farewell, "event") == "force_disconnect");
    CHECK(only(farewell, "code") == 4001);
    CHECK(only(farewell, "reason") == "spam");
    CHECK(only(farewell, "room") == "r");
    CHECK(stage.service.rooms().count("r") == roomcast::Counts{1, 1});
}

TEST_CASE("removed from one of many rooms, a connection goes on in the others") {
    auto rooms = Stage::default_rooms();
    rooms.membership = roomcast::Membership::many_rooms;
    Stage stage({}, rooms);
    auto alice = stage.enter("a", "alice");
    auto bob = stage.enter("a", "bob");
    bob.ask({{"event", "join"}, {"room", "b"}});
    alice.ask({{"event", "kick"}, {"user", "bob"}});
    const auto heard = bob.heard();
    CHECK(only(heard, "event") == "removed");
    CHECK(only(heard, "room") == "a");
    CHECK(only(heard, "code") == 4001);
    CHECK(only(bob.ask({{"event", "comment"}, {"text", "x"}, {"room", "b"}}), "event") == "comment");
}
