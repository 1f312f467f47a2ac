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

TEST_CASE("the first to enter a room is its host, and is told what a first join tells") {
    Stage stage({.server = R"({"protocol":1})"});
    auto alice = stage.enter();
    const auto heard = alice.ask({{"event", "join"}, {"room", "r"}, {"user", "alice"}, {"id", "7"}});
    REQUIRE(heard.size() == 1);
    const json& joined = heard[0];
    CHECK(joined["event"] == "joined");
    CHECK(joined["of"] == "join");
    CHECK(joined["id"] == "7");
    CHECK(joined["room"] == "r");
    CHECK(joined["user"] == "alice");
    CHECK(joined["name"] == "alice");
    CHECK(joined["role"] == "host");
    CHECK(joined["connection"] == "0000000000000001");
    CHECK(joined["epoch"].get<std::string>().size() == 16);
    CHECK(joined["seq"] == 0);
    CHECK(joined["online"] == json({{"users", 1}, {"connections", 1}}));
    CHECK(joined["was_recovering"] == false);
    CHECK(joined["recovered"] == false);
    CHECK(joined["history"] == json::array());
    CHECK(joined["state"]["locked"] == false);
    CHECK(joined["server"] == json({{"protocol", 1}}));
    CHECK_FALSE(joined.contains("key"));
    CHECK_FALSE(joined.contains("from"));

    auto bob = stage.enter();
    CHECK(only(bob.ask({{"event", "join"}, {"room", "r"}, {"user", "bob"}}), "role") == "viewer");
    const auto again = bob.ask({{"event", "join"}, {"room", "other"}});
    CHECK(only(again, "from") == "r");
    CHECK(only(again, "role") == "host");
    CHECK_FALSE(again[0].contains("server"));
}

TEST_CASE("a host stays it while its room lives, absent or not") {
    Stage stage;
    auto alice = stage.enter("r", "alice");
    auto bob = stage.enter("r", "bob");
    alice.gone();
    auto back = stage.enter();
    CHECK(only(back.ask({{"event", "join"}, {"room", "r"}, {"user", "alice"}}), "role") == "host");
}

TEST_CASE("without a guest host everybody is a viewer") {
    Stage stage({.guest_host = false});
    auto alice = stage.enter();
    CHECK(only(alice.ask({{"event", "join"}, {"room", "r"}, {"user", "alice"}}), "role") == "viewer");
    auto bob = stage.enter("r", "bob");
    CHECK(only(alice.ask({{"event", "kick"}, {"user", "bob"}}), "code") == "forbidden");
}

TEST_CASE("a connection's user is settled by its first accepted join") {
    Stage stage;
    auto alice = stage.enter();
    const auto nobody = alice.ask({{"event", "join"}, {"room", "r"}});
    CHECK(only(nobody, "code") == "bad_field");
    CHECK(only(nobody, "field") == "user");
    CHECK(only(alice.ask({{"event", "join"}, {"room", "r"}, {"user", "alice"}, {"name", "Al"}}), "name") == "Al");
    CHECK(only(alice.ask({{"event", "join"}, {"room", "r"}, {"user", "bob"}}), "code") == "forbidden");
    CHECK(only(alice.ask({{"event", "join"}, {"room", "s"}, {"user", "alice"}}), "name") == "Al");
    CHECK(only(alice.ask({{"event", "join"}, {"room", "s"}, {"name", "Alice"}}), "name") == "Alice");
}

TEST_CASE("history comes with its numbers, as much as was asked for") {
    Stage stage({}, Stage::unlimited_rooms());
    auto alice = stage.enter("r", "alice");
    for (int i = 1; i <= 60; ++i) alice.say({{"event", "comment"}, {"text", std::to_string(i)}});
    const auto history = [&](json join) {
        auto viewer = stage.enter();
        join.update({{"event", "join"}, {"room", "r"}, {"user", "viewer"}});
        auto joined = viewer.ask(join).back();
        return joined["history"];
    };
    CHECK(history(json::object()).size() == 50);
    CHECK(history({{"history", 0}}).empty());
    const auto three = history({{"history", 3}});
    REQUIRE(three.size() == 3);
    CHECK(three[0]["seq"] == 58);
    CHECK(three[2]["text"] == "60");
    CHECK(three[2]["event"] == "comment");
}

TEST_CASE("a join that recovers gets exactly what it missed, or is told that it did not") {
    Stage stage({}, Stage::unlimited_rooms());
    auto alice = stage.enter("r", "alice");
    auto viewer = stage.enter();
    const auto epoch = viewer.ask({{"event", "join"}, {"room", "r"}, {"user", "viewer"}}).back()["epoch"];
    for (int i = 1; i <= 5; ++i) alice.say({{"event", "comment"}, {"text", "x"}});
    viewer.gone();
    const auto rejoin = [&](const json& since) {
        auto again = stage.enter();
        auto joined = again.ask({{"event", "join"}, {"room", "r"}, {"user", "viewer"}, {"history", 1}, {"since", since}});
        again.gone();
        return joined.back();
    };
    const auto recovered = rejoin({{"epoch", epoch}, {"seq", 2}});
    CHECK(recovered["was_recovering"] == true);
    CHECK(recovered["recovered"] == true);
    REQUIRE(recovered["history"].size() == 3);
    CHECK(recovered["history"][0]["seq"] == 3);
    CHECK(rejoin({{"epoch", epoch}, {"seq", 6}})["recovered"] == false);
    CHECK(rejoin({{"epoch", "elsewhere"}, {"seq", 2}})["recovered"] == false);
    CHECK(rejoin({{"epoch", "elsewhere"}, {"seq", 2}})["history"].size() == 5);
}

TEST_CASE("a join to where one is changes nothing, and brings no history unless asked since when") {
    Stage stage;
    auto alice = stage.enter("r", "alice");
    alice.ask({{"event", "comment"}, {"text", "x"}});
    const auto again = alice.ask({{"event", "join"}, {"room", "r"}});
    CHECK(only(again, "event") == "joined");
    CHECK(only(again, "history") == json::array());
    CHECK(only(again, "online") == json({{"users", 1}, {"connections", 1}}));
    const auto since = alice.ask(
        {{"event", "join"}, {"room", "r"}, {"since", {{"epoch", again[0]["epoch"]}, {"seq", 0}}}});
    REQUIRE(only(since, "history").is_array());
    CHECK(only(since, "history").size() == 1);
}

TEST_CASE("a join that nobody asked for never moves the user") {
    Stage stage;
    auto phone = stage.enter("here", "alice");
    auto tab = stage.enter();
    const auto heard = tab.ask({{"event", "join"}, {"room", "there"}, {"user", "alice"}, {"resume", true}});
    CHECK(only(heard, "event") == "force_disconnect");
    CHECK(only(heard, "code") == 4003);
    CHECK(only(heard, "room") == "here");
    CHECK(only(heard, "reconnect") == "never");
    CHECK(phone.heard().empty());
    CHECK(stage.service.rooms().room_of("alice") == "here");
    auto other = stage.enter();
    CHECK(events(other.ask({{"event", "join"}, {"room", "here"}, {"user", "alice"}, {"resume", true}})) ==
          Names{"joined"});
}

TEST_CASE("the same user in another room on another connection moves, and the old one hears where") {
    Stage stage;
    auto phone = stage.enter("here", "alice");
    auto tab = stage.enter();
    CHECK(only(tab.ask({{"event", "join"}, {"room", "there"}, {"user", "alice"}}), "from") == "here");
    const auto heard = phone.heard();
    CHECK(only(heard, "code") == 4003);
    CHECK(only(heard, "room") == "there");
}

TEST_CASE("a follower hears that it moved, and speaks under its own name") {
    auto rooms = Stage::default_rooms();
    rooms.others = roomcast::OtherDevices::follow;
    Stage stage({}, rooms);
    auto phone = stage.enter();
    phone.ask({{"event", "join"}, {"room", "here"}, {"user", "alice"}, {"name", "phone"}});
    auto tab = stage.enter();
    tab.ask({{"event", "join"}, {"room", "there"}, {"user", "alice"}, {"name", "tab"}, {"id", "7"}});
    const auto heard = phone.heard();
    REQUIRE(events(heard) == Names{"moved", "joined"});
    CHECK(heard[0]["from"] == "here");
    CHECK(heard[0]["to"] == "there");
    CHECK(heard[1]["from"] == "here");
    CHECK(heard[1]["name"] == "phone");
    CHECK_FALSE(heard[1].contains("of"));
    CHECK_FALSE(heard[1].contains("id"));
    // Its own last join was elsewhere.
    CHECK(only(phone.ask({{"event", "comment"}, {"text", "x"}}), "code") == "not_in_room");
    CHECK(only(phone.ask({{"event", "comment"}, {"text", "x"}, {"room", "there"}}), "name") == "phone");
}

TEST_CASE("a join may replace a connection of its user, and of no one else") {
    Stage stage;
    auto old = stage.enter("r", "alice");
    auto mallory = stage.enter();
    mallory.ask({{"event", "join"}, {"room", "r"}, {"user", "mallory"}, {"replaces", "0000000000000001"}});
    CHECK(stage.service.rooms().is_member(old.handle(), "r"));
    auto fresh = stage.enter();
    fresh.ask({{"event", "join"}, {"room", "r"}, {"user", "alice"}, {"replaces", "0000000000000001"}});
    CHECK_FALSE(stage.service.rooms().is_member(old.handle(), "r"));
    stage.pass(5s);
    const auto heard = old.handle()->heard();
    REQUIRE_FALSE(heard.empty());
    CHECK(heard.back().code == roomcast::CloseCode::normal);
    fresh.heard();
    CHECK(events(fresh.ask({{"event", "join"}, {"room", "r"}, {"replaces", "0000000000000003"}})) == Names{"joined"});
}

TEST_CASE("a refused join says why, and leaves everything as it was") {
    auto rooms = Stage::default_rooms();
    rooms.devices = roomcast::DeviceLimit::refuse;
    rooms.max_devices = 1;
    rooms.max_rooms = 1;
    rooms.room.max_users = 1;
    Stage stage({}, rooms);
    auto alice = stage.enter("r", "alice");
    auto bob = stage.enter();
    CHECK(only(bob.ask({{"event", "join"}, {"room", "r"}, {"user", "bob"}}), "code") == "room_full");
    const auto many = bob.ask({{"event", "join"}, {"room", "s"}, {"user", "bob"}, {"id", "7"}});
    CHECK(only(many, "code") == "too_many_rooms");
    CHECK(only(many, "scope") == "server");
    CHECK(only(many, "id") == "7");
    CHECK(only(many, "room") == "s");
    CHECK(only(bob.ask({{"event", "join"}, {"room", "r"}, {"user", "alice"}}), "code") == "too_many_devices");
    CHECK(stage.service.rooms().count("r") == roomcast::Counts{1, 1});
    stage.service.rooms().lock_room("r", true);
    CHECK(only(bob.ask({{"event", "join"}, {"room", "r"}, {"user", "carol"}}), "code") == "room_closed");
}

TEST_CASE("leaving is answered for each room, also where one is not") {
    auto rooms = Stage::default_rooms();
    rooms.membership = roomcast::Membership::many_rooms;
    Stage stage({}, rooms);
    auto alice = stage.enter("a", "alice");
    alice.ask({{"event", "join"}, {"room", "b"}});
    alice.ask({{"event", "join"}, {"room", "c"}});
    const auto one = alice.ask({{"event", "leave"}, {"room", "a"}, {"id", "1"}});
    CHECK(only(one, "event") == "left");
    CHECK(only(one, "of") == "leave");
    CHECK(only(one, "id") == "1");
    CHECK(only(one, "room") == "a");
    CHECK(only(alice.ask({{"event", "leave"}, {"room", "a"}}), "event") == "left");
    CHECK(events(alice.ask({{"event", "leave"}})) == Names{"left", "left"});
    CHECK(only(alice.ask({{"event", "leave"}, {"id", "2"}}), "id") == "2");
    CHECK(alice.handle()->closes() == 0);
}

TEST_CASE("protected names keep strangers out until their last holder has gone") {
    Stage stage({.guest_names = true});
    auto alice = stage.enter();
    const auto joined = alice.ask({{"event", "join"}, {"room", "r"}, {"user", "alice"}, {"name", "Al"}});
    const json key = only(joined, "key");
    REQUIRE(key.is_string());
    auto stranger = stage.enter();
    CHECK(only(stranger.ask({{"event", "join"}, {"room", "r"}, {"user", "alice"}}), "code") == "name_taken");
    CHECK(only(stranger.ask({{"event", "join"}, {"room", "r"}, {"user", "x"}, {"name", "Al"}}), "code") == "name_taken");
    auto phone = stage.enter();
    const auto second =
        phone.ask({{"event", "join"}, {"room", "r"}, {"user", "alice"}, {"name", "Al"}, {"key", key}});
    CHECK(only(second, "event") == "joined");
    CHECK_FALSE(second[0].contains("key"));
    alice.gone();
    CHECK(only(stranger.ask({{"event", "join"}, {"room", "r"}, {"user", "alice"}}), "code") == "name_taken");
    phone.ask({{"event", "join"}, {"room", "r"}, {"name", "Ally"}});
    CHECK(only(stranger.ask({{"event", "join"}, {"room", "r"}, {"user", "y"}, {"name", "Al"}}), "name") == "Al");
    phone.gone();
    auto heir = stage.enter();
    CHECK(only(heir.ask({{"event", "join"}, {"room", "r"}, {"user", "alice"}}), "event") == "joined");
}

TEST_CASE("a join that another overtakes is refused, and the other tells what a first one tells") {
    Stage stage({.guest_names = true, .server = R"({"protocol":1})"});
    auto alice = stage.enter("r", "alice");
    auto bob = stage.enter();
    alice.handle()->on_send = [&, joined = false](std::string_view) mutable {
        if (std::exchange(joined, true)) return;
        bob.say({{"event", "join"}, {"room", "r"}, {"user", "bob"}, {"id", "1"}});
        bob.say({{"event", "join"}, {"room", "s"}, {"id", "2"}});
    };
    alice.ask({{"event", "comment"}, {"text", "x"}});
    const auto heard = bob.heard();
    REQUIRE(heard.size() == 2);
    const json& refused = heard[heard[0]["event"] == "error" ? 0 : 1];
    const json& joined = heard[heard[0]["event"] == "error" ? 1 : 0];
    CHECK(refused["code"] == "unavailable");
    CHECK(refused["of"] == "join");
    CHECK(refused["id"] == "1");
    CHECK(refused["room"] == "r");
    CHECK(joined["id"] == "2");
    CHECK(joined["room"] == "s");
    CHECK(joined["server"] == json({{"protocol", 1}}));
    CHECK(joined["key"].is_string());
    CHECK_FALSE(bob.ask({{"event", "join"}, {"room", "r"}}).back().contains("key"));
}
