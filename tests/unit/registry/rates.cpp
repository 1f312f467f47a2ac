// SPDX-License-Identifier: MIT
#include "unit/registry/world.hpp"

namespace {
using namespace unit;
}  // namespace

TEST_CASE("a user has one rate over all devices, and over reconnects", "[invariant-10]") {
    World w{{.user_rate = {1, 2}}};
    const auto phone = w.member("ann/1", "r"), tab = w.member("ann/2", "r"), bob = w.member("bob", "r");
    CHECK(w.rooms.publish(phone, "r", "1") == Delivery::sent);
    CHECK(w.rooms.publish(tab, "r", "2") == Delivery::sent);
    const PublishResult third = w.rooms.publish(phone, "r", "3");
    CHECK(third == Delivery::rate_limited);
    CHECK(third.retry_after == 1s);
    CHECK_FALSE(third);
    CHECK(w.rooms.publish(bob, "r", "bob's") == Delivery::sent);

    w.rooms.disconnect(phone);
    w.rooms.disconnect(tab);
    w.rooms.poll();
    const auto again = w.member("ann/3", "r");
    CHECK(w.rooms.publish(again, "r", "3") == Delivery::rate_limited);
    w.after(1s);
    CHECK(w.rooms.publish(again, "r", "3") == Delivery::sent);
    CHECK(w.rooms.statistics().rate_limited == 2);
}

TEST_CASE("a connection has a rate of its own") {
    World w{{.connection_rate = {1, 1}}};
    const auto phone = w.member("ann/1", "r"), tab = w.member("ann/2", "r");
    CHECK(w.rooms.publish(phone, "r", "1") == Delivery::sent);
    CHECK(w.rooms.publish(phone, "r", "2") == Delivery::rate_limited);
    CHECK(w.rooms.publish(tab, "r", "2") == Delivery::sent);
}

TEST_CASE("who may not speak in a room is told so before its rate is touched") {
    World w{{.user_rate = {1, 1}}};
    const auto ann = w.member("ann", "r");
    CHECK(w.rooms.publish(ann, "elsewhere", "1") == Delivery::no_room);
    CHECK(w.rooms.publish(ann, "r", "1") == Delivery::sent);
}

TEST_CASE("what is worth more than normal has no rate") {
    World w{{.user_rate = {1, 1}, .connection_rate = {1, 1}}};
    const auto ann = w.member("ann", "r");
    CHECK(w.rooms.publish(ann, "r", "1") == Delivery::sent);
    CHECK(w.rooms.publish(ann, "r", "gift", {.message_class = MessageClass::paid}) == Delivery::sent);
    CHECK(w.rooms.publish(ann, "r", "staff", {.message_class = MessageClass::moderator}) == Delivery::sent);
    CHECK(w.rooms.publish(ann, "r", "tick", {.message_class = MessageClass::bulk}) == Delivery::rate_limited);
}

TEST_CASE("rates are forgotten when nobody needs them, and poll says when it has to come for that") {
    World w{{.user_rate = {1, 1}}};
    const auto ann = w.member("ann", "r");
    CHECK(w.rooms.publish(ann, "r", "1") == Delivery::sent);
    w.rooms.disconnect(ann);
    const auto next = w.rooms.poll();
    REQUIRE(next != TimePoint::max());
    w.clock.advance(next - w.clock.now());
    while (w.rooms.poll() != TimePoint::max()) w.clock.advance(1s);
    CHECK(w.rooms.publish(ann, "r", "2") == Delivery::no_room);
}

TEST_CASE("a room above its cap leaves messages out, without a number, and tells how many once a second",
          "[invariant-10]") {
    Options options;
    options.room.rate = {2, 2};
    World w{options};
    const auto ann = w.member("ann", "r"), bob = w.member("bob", "r");
    CHECK(w.rooms.publish(ann, "r", "1") == Delivery::sent);
    CHECK(w.rooms.publish(bob, "r", "2") == Delivery::sent);
    const auto third = w.rooms.publish(ann, "r", "3");
    CHECK(third == Delivery::left_out);
    CHECK(third.retry_after > 0s);
    CHECK(w.rooms.publish(ann, "r", "4") == Delivery::left_out);
    CHECK(w.rooms.position("r")->seq == 2);
    CHECK(w.rooms.statistics().left_out == 2);
    CHECK(w.wakes.back() == w.clock.now() + 1s);
    w.after(999ms);
    CHECK(bob->frames() == Texts{"1", "2"});
    w.after(1ms);
    CHECK(bob->frames() == Texts{"1", "2", "%r 2"});
    w.after(5s);
    CHECK(bob->frames().size() == 3);
    CHECK(w.rooms.publish(ann, "r", "5") == Delivery::sent);
    CHECK(w.rooms.position("r")->seq == 3);
}

TEST_CASE("gifts pass a room's cap, but use it") {
    Options options;
    options.room.rate = {2, 2};
    World w{options};
    const auto ann = w.member("ann", "r");
    for (int i = 0; i < 5; ++i)
        CHECK(w.rooms.publish(ann, "r", "gift", {.message_class = MessageClass::paid}) == Delivery::sent);
    CHECK(w.rooms.publish(ann, "r", "words") == Delivery::left_out);
    CHECK(w.rooms.broadcast("r", "the host's") == Delivery::sent);
}

TEST_CASE("in a flooded room the quiet are heard beside the loud") {
    Options options;
    options.room.rate = {10, 10};
    World w{options};
    const auto loud = w.member("loud", "r"), quiet = w.member("quiet", "r");
    int heard = 0;
    for (int tick = 0; tick < 1000; ++tick) {  // 10 s
        (void)w.rooms.publish(loud, "r", "noise");
        if (tick % 100 == 99 && w.rooms.publish(quiet, "r", "a word")) ++heard;
        w.after(10ms);
    }
    CHECK(heard == 10);
    CHECK(w.rooms.statistics().left_out > 800);
}
