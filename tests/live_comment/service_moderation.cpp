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

TEST_CASE("a message that its host deletes is gone for all, and its number stays") {
    Stage stage;
    auto alice = stage.enter("r", "alice");
    auto bob = stage.enter("r", "bob");
    for (const char* text : {"one", "two", "three"}) bob.ask({{"event", "comment"}, {"text", text}});
    alice.heard();
    const auto own = alice.ask({{"event", "delete"}, {"seq", 2}, {"id", "7"}});
    REQUIRE(own.size() == 2);
    const json& ok = own[own[0]["event"] == "ok" ? 0 : 1];
    CHECK(ok == json({{"event", "ok"}, {"of", "delete"}, {"id", "7"}, {"room", "r"}}));
    const json deleted = {{"event", "deleted"}, {"room", "r"}, {"seq", 2}};
    CHECK(own[own[0]["event"] == "ok" ? 1 : 0] == deleted);
    CHECK(bob.heard() == std::vector<json>{deleted});

    auto carol = stage.enter();
    const auto joined = carol.ask({{"event", "join"}, {"room", "r"}, {"user", "carol"}});
    REQUIRE(only(joined, "history").size() == 3);
    CHECK(joined[0]["history"][0]["text"] == "one");
    CHECK(joined[0]["history"][1] == deleted);
    CHECK(joined[0]["history"][2]["seq"] == 3);
    CHECK(joined[0].dump().find("two") == std::string::npos);
}

TEST_CASE("deleting needs a host, in the room, and a message that there is") {
    Stage stage({.commands = {}});
    auto alice = stage.enter("r", "alice");
    auto bob = stage.enter("r", "bob");
    auto carol = stage.enter("s", "carol");
    bob.ask({{"event", "comment"}, {"text", "x"}});
    bob.ask({{"event", "gift"}, {"gift", "rose"}});
    alice.heard();
    const auto code = [](Chatter& who, const json& erase) { return only(who.ask(erase), "code"); };
    CHECK(code(bob, {{"event", "delete"}, {"seq", 1}}) == "forbidden");
    CHECK(code(carol, {{"event", "delete"}, {"seq", 1}, {"room", "r"}}) == "not_in_room");
    CHECK(code(alice, {{"event", "delete"}, {"seq", 0}}) == "bad_field");
    const auto ahead = alice.ask({{"event", "delete"}, {"seq", 3}});
    CHECK(only(ahead, "code") == "bad_field");
    CHECK(only(ahead, "field") == "seq");
    for (int i = 0; i < 30; ++i) CHECK(code(alice, {{"event", "delete"}, {"seq", 3}}) == "bad_field");
    // Gifts as well, and a message that is deleted already once more.
    for (const int seq : {2, 1, 1}) CHECK(alice.ask({{"event", "delete"}, {"seq", seq}, {"id", "7"}}).size() == 2);
}

TEST_CASE("a deletion is heard also of what the room no longer keeps") {
    auto rooms = Stage::unlimited_rooms();
    rooms.room.history = 2;
    Stage stage({}, rooms);
    auto alice = stage.enter("r", "alice");
    for (int i = 0; i < 5; ++i) alice.ask({{"event", "comment"}, {"text", "x"}});
    auto bob = stage.enter("r", "bob");
    alice.heard();
    alice.ask({{"event", "delete"}, {"seq", 1}});
    CHECK(only(bob.heard(), "event") == "deleted");
}
