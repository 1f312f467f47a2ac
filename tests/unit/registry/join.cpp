// SPDX-License-Identifier: MIT
#include <set>

#include "unit/registry/world.hpp"

namespace {
using namespace unit;

Refusal refusal(const JoinResult& result) {
    CHECK(result.status == JoinStatus::refused);
    CHECK_FALSE(result);
    return result.refusal;
}
}  // namespace

TEST_CASE("a first join makes connection, user and room known at once", "[invariant-1]") {
    World w;
    const auto ann = make_fake("ann");
    const JoinResult result = w.join(ann, "r");
    CHECK(result.status == JoinStatus::joined);
    CHECK(result.refusal == Refusal::none);
    CHECK(w.rooms.is_member(ann, "r"));
    CHECK(w.rooms.has_member("r", "ann"));
    CHECK(w.rooms.user_of(ann) == "ann");
    CHECK(w.rooms.room_of("ann") == "r");
    CHECK(w.rooms.rooms_of(ann) == Texts{"r"});
    CHECK(w.rooms.rooms_of_user("ann") == Texts{"r"});
    CHECK(w.rooms.count("r") == Counts{1, 1});
    CHECK(w.rooms.count() == Counts{1, 1});
    CHECK(w.rooms.room_count() == 1);
    CHECK(w.rooms.creator("r") == "ann");
    CHECK(ann->frames() == Texts{"+r"});
}

TEST_CASE("a second device does not raise the user count") {
    World w;
    const auto phone = w.member("ann/phone", "r"), tab = make_fake("ann/tab");
    CHECK(w.join(tab, "r").status == JoinStatus::device_added);
    CHECK(w.rooms.count("r") == Counts{1, 2});
    CHECK(w.rooms.count() == Counts{1, 2});
    CHECK(tab->frames() == Texts{"+r"});
    CHECK(phone->frames().empty());
}

TEST_CASE("the reply of a join says where, who, how many, and from whose room") {
    World w;
    const auto ann = make_fake("ann"), bob = make_fake("bob");
    REQUIRE(w.rooms.join(ann, {.user = "ann", .room = "r", .info = Info("Ann"), .context = Ticket("7")}));
    REQUIRE(w.rooms.broadcast("r", "hello") == Delivery::sent);
    REQUIRE(w.join(bob, "r"));
    REQUIRE(w.log->replies.size() == 2);
    const Reply& first = w.log->replies[0];
    CHECK(first.connection == "ann");
    CHECK(first.room == "r");
    CHECK(first.user == "ann");
    CHECK(first.creator == "ann");
    CHECK(first.info == "Ann");
    CHECK(first.ticket == "7");
    CHECK(first.from.empty());
    CHECK(first.counts == Counts{1, 1});
    CHECK(first.position.seq == 0);
    CHECK_FALSE(first.was_recovering);
    CHECK_FALSE(first.recovered);
    const Reply& second = w.log->replies[1];
    CHECK(second.creator == "ann");
    CHECK(second.counts == Counts{2, 2});
    CHECK(second.position == Position{first.position.epoch, 1});
    CHECK(w.rooms.position("r") == second.position);
}

TEST_CASE("a join to where one is already changes nothing", "[invariant-3]") {
    World w{{.room = {.max_users = 1, .history = 10}}};
    const auto ann = make_fake("ann");
    REQUIRE(w.rooms.join(ann, {.user = "ann", .room = "r", .tags = 1, .info = Info("first")}));
    w.rooms.broadcast("r", "x");
    w.rooms.lock_room("r", true);
    w.log->events.clear();
    forget(ann);

    const JoinResult again = w.rooms.join(ann, {.user = "ann", .room = "r", .history = 5, .tags = 2, .info = Info("second")});
    CHECK(again.status == JoinStatus::already_here);
    CHECK(again);
    CHECK(w.log->events.empty());
    CHECK(w.rooms.count("r") == Counts{1, 1});
    CHECK(w.rooms.count() == Counts{1, 1});
    CHECK(w.rooms.info("r", "ann")->name == "first");
    w.rooms.broadcast("r", "for tag 1", {.require = 1});
    CHECK(ann->frames() == Texts{"+r", "for tag 1"});
    CHECK(w.log->replies.back().history.empty());
}

TEST_CASE("a join to where one is already repeats no message and loses none", "[invariant-3]") {
    World w{{.room = {.history = 10}}};
    const auto ann = w.member("ann", "r");
    for (const auto& text : numbered("m", 1, 3)) w.rooms.broadcast("r", text);
    const Position seen{w.rooms.position("r")->epoch, 1};
    REQUIRE(w.rooms.join(ann, {.room = "r", .since = seen}).status == JoinStatus::already_here);
    w.rooms.broadcast("r", "m4");
    CHECK(ann->frames() == Texts{"m1", "m2", "m3", "+r", "m4"});
    CHECK(w.log->replies.back().history == Texts{"2=m2", "3=m3"});
    CHECK(w.log->replies.back().recovered);
}

TEST_CASE("a user may be left out once the connection has one") {
    World w{{.membership = Membership::many_rooms}};
    const auto ann = w.member("ann", "r");
    CHECK(w.rooms.join(ann, {.room = "s"}).status == JoinStatus::joined);
    CHECK(w.rooms.has_member("s", "ann"));
}

TEST_CASE("a join without any user is refused") {
    World w;
    CHECK(refusal(w.rooms.join(make_fake(), {.room = "r"})) == Refusal::no_user);
    const auto c = make_fake();
    CHECK(w.rooms.attach(c).status == AttachStatus::attached);
    CHECK(refusal(w.rooms.join(c, {.room = "r"})) == Refusal::no_user);
    CHECK(w.rooms.room_count() == 0);
}

TEST_CASE("a connection that belongs to one user cannot join as another") {
    World w;
    const auto ann = w.member("ann", "r");
    CHECK(refusal(w.rooms.join(ann, {.user = "bob", .room = "r"})) == Refusal::other_user);
    CHECK(w.rooms.attach(ann, "bob").refusal == Refusal::other_user);
    CHECK(w.rooms.user_of(ann) == "ann");
    w.member("bob", "r");
    CHECK(refusal(w.rooms.join(ann, {.user = "bob", .room = "r"})) == Refusal::other_user);
}

TEST_CASE("empty and overlong ids are refused", "[invariant-10]") {
    World w{{.max_id_bytes = 4}};
    const auto c = make_fake();
    CHECK(refusal(w.rooms.join(c, {.user = "", .room = "r"})) == Refusal::bad_id);
    CHECK(refusal(w.rooms.join(c, {.user = "ann", .room = ""})) == Refusal::bad_id);
    CHECK(refusal(w.rooms.join(c, {.user = "12345", .room = "r"})) == Refusal::bad_id);
    CHECK(refusal(w.rooms.join(c, {.user = "ann", .room = "12345"})) == Refusal::bad_id);
    CHECK(w.rooms.attach(c, "12345").refusal == Refusal::bad_id);
    CHECK(w.rooms.create_room("12345", {}) == CreateStatus::refused);
    CHECK(w.rooms.count() == Counts{0, 0});
    CHECK(w.rooms.join(c, {.user = "1234", .room = "1234"}));
}

TEST_CASE("users are found and told by names of any length") {
    for (const std::size_t size : {1U, 15U, 16U, 200U}) {
        World w{{.max_id_bytes = 200, .room = {.presence = 1s, .presence_names = 4}}};
        const std::string ann = std::string(size - 1, 'n') + 'a', bob = std::string(size - 1, 'n') + 'b';
        const auto a = w.member(ann, "r");
        CHECK(w.log->replies.back().user == ann);
        CHECK(w.log->replies.back().creator == ann);
        CHECK(w.log->events.back() == "joined r " + ann + '/' + ann + '*');
        const auto b = w.member(bob, "r");
        CHECK(w.log->replies.back().user == bob);
        w.after(1s);
        CHECK(a->take_frames() == Texts{"=r 2/2 +" + ann + " +" + bob});

        CHECK(w.rooms.user_of(a) == ann);
        CHECK(w.rooms.user_of(b) == bob);
        CHECK(w.rooms.has_member("r", bob));
        CHECK_FALSE(w.rooms.has_member("r", bob + 'b'));
        CHECK(w.rooms.room_of(ann) == "r");
        const auto members = w.rooms.members("r").members;
        REQUIRE(members.size() == 2);
        CHECK(std::set{members[0].user, members[1].user} == std::set{ann, bob});

        CHECK(w.rooms.kick_user(bob, {}).connections == 1);
        CHECK(w.log->events.back() == "left r " + bob + '/' + bob + " removed removed_from_room*");
        w.after(1s);
        CHECK(a->take_frames() == Texts{"=r 1/1 -" + bob});
        CHECK(w.rooms.user_of(a) == ann);
    }
}

TEST_CASE("a removed connection is refused until its transport is gone") {
    World w;
    const auto ann = w.member("ann", "r");
    w.rooms.kick_user("ann", {});
    CHECK(refusal(w.join(ann, "r")) == Refusal::closing);
    CHECK(w.rooms.attach(ann).refusal == Refusal::closing);
    CHECK(w.rooms.publish(ann, "r", "x") == Delivery::closing);
    CHECK_FALSE(w.rooms.send(ann, "x"));
    CHECK(w.rooms.disconnect(ann));
    CHECK(w.join(ann, "r"));
}

TEST_CASE("attach makes a connection known, first nobody's, then a user's") {
    World w;
    const auto c = make_fake("ann");
    const AttachResult first = w.rooms.attach(c);
    CHECK(first.status == AttachStatus::attached);
    CHECK(first);
    CHECK(w.rooms.count() == Counts{0, 1});
    CHECK(w.rooms.user_of(c) == std::nullopt);
    CHECK(w.rooms.attach(c).status == AttachStatus::already_attached);
    CHECK(w.rooms.attach(c, "ann").status == AttachStatus::attached);
    CHECK(w.rooms.count() == Counts{1, 1});
    CHECK(w.rooms.attach(c, "ann").status == AttachStatus::already_attached);
    CHECK(w.rooms.send_to_user("ann", "note") == 1);
    CHECK(c->frames() == Texts{"note"});
    CHECK(w.rooms.join(c, {.room = "r"}).status == JoinStatus::joined);
}

TEST_CASE("a member's info is the first device's until an update") {
    World w;
    const auto one = make_fake("ann/1"), two = make_fake("ann/2"), three = make_fake("ann/3");
    REQUIRE(w.rooms.join(one, {.user = "ann", .room = "r", .info = Info("one")}));
    REQUIRE(w.rooms.join(two, {.user = "ann", .room = "r", .info = Info("two")}));
    CHECK(w.rooms.info("r", "ann")->name == "one");
    CHECK(w.log->replies.back().info == "one");
    CHECK(w.rooms.set_info("r", "ann", Info("set")));
    CHECK(w.rooms.info("r", "ann")->name == "set");
    CHECK_FALSE(w.rooms.set_info("r", "bob", Info()));
    CHECK_FALSE(w.rooms.set_info("s", "ann", Info()));
    CHECK(w.rooms.info("r", "bob") == nullptr);
}

TEST_CASE("a join can end another connection of the same user, which it replaces") {
    World w;
    const auto old = w.member("ann/old", "r"), young = make_fake("ann/young"), bob = w.member("bob", "r");
    CHECK(w.rooms.join(young, {.user = "ann", .room = "r", .replaces = &bob}));
    CHECK(w.rooms.is_member(bob, "r"));
    const auto third = make_fake("ann/third");
    CHECK(w.rooms.join(third, {.user = "ann", .room = "r", .replaces = &old}).status == JoinStatus::device_added);
    CHECK(w.rooms.count("r") == Counts{2, 3});
    CHECK_FALSE(w.rooms.is_member(old, "r"));
    CHECK(old->frames() == Texts{"! 1000 r"});
    w.after(3s);
    CHECK(old->heard().back() == Heard{Heard::Kind::close, "replaced", CloseCode::normal});
    CHECK(w.rooms.join(young, {.room = "r", .replaces = &young}).status == JoinStatus::already_here);
    CHECK(w.rooms.is_member(young, "r"));
}

TEST_CASE("a replaced connection makes place for the newcomer where devices are limited") {
    World w{{.max_devices = 1, .devices = DeviceLimit::refuse}};
    const auto old = w.member("ann/old", "r"), young = make_fake("ann/young");
    CHECK(refusal(w.join(young, "r")) == Refusal::too_many_devices);
    CHECK(w.rooms.join(young, {.user = "ann", .room = "r", .replaces = &old}));
    CHECK(w.rooms.count("r") == Counts{1, 1});
}

TEST_CASE("a connection whose reply cannot be written ends, with one leave") {
    World w;
    const auto ann = make_fake("ann");
    REQUIRE(w.rooms.join(ann, {.user = "ann", .room = "r", .context = Ticket("throw")}));
    CHECK(w.rooms.count() == Counts{0, 0});
    CHECK(ann->frames().empty());
    CHECK(w.log->events == Texts{"room_opened r", "joined r ann/ann*", "left r ann/ann broken internal_error*", "room_closed r"});
}

TEST_CASE("a Room joins, leaves, publishes and counts like the registry") {
    World w;
    const auto ann = make_fake("ann");
    auto room = w.rooms.room("r");
    CHECK(room.id() == "r");
    CHECK(room.join(ann, {.user = "ann"}).status == JoinStatus::joined);
    CHECK(room.is_member(ann));
    CHECK(room.count() == Counts{1, 1});
    CHECK(room.publish(ann, "x") == Delivery::sent);
    CHECK(room.position()->seq == 1);
    CHECK(room.leave(ann, Ticket("bye")) == LeaveStatus::left);
    CHECK(room.count() == std::nullopt);
    CHECK(ann->frames() == Texts{"+r", "x", "-r bye"});
}

TEST_CASE("a connection is found in each of its rooms, in few and in many, and in no other", "[invariant-12]") {
    World w{{.membership = Membership::many_rooms}};
    const auto ann = w.member("ann", "room 1");
    for (int rooms = 1; rooms <= 7; ++rooms) {
        const std::string last = "room " + std::to_string(rooms);
        if (rooms > 1) REQUIRE(w.rooms.join(ann, {.room = last}));
        w.member("bob", "another");
        for (int i = 1; i <= rooms; ++i) {
            CHECK(w.rooms.is_member(ann, "room " + std::to_string(i)));
            CHECK(w.rooms.publish(ann, "room " + std::to_string(i), "hello").delivery == Delivery::sent);
        }
        CHECK_FALSE(w.rooms.is_member(ann, "another"));
        CHECK(w.rooms.publish(ann, "another", "hello").delivery == Delivery::not_in_room);
        CHECK(w.rooms.publish(ann, "nowhere", "hello").delivery == Delivery::no_room);
        CHECK(w.rooms.leave(ann, "another") == LeaveStatus::not_in_room);
    }
    for (int i = 1; i <= 7; ++i) CHECK(w.rooms.leave(ann, "room " + std::to_string(i)) == LeaveStatus::left);
}
