// SPDX-License-Identifier: MIT
#include "roomcast/json_events.hpp"

#include <array>

#include "roomcast/traits.hpp"
#include "support/catch.hpp"

namespace {
using namespace roomcast;
using namespace std::chrono_literals;
using T = detail::Types<int*, DefaultTraits>;

int* const nobody = nullptr;
const std::string here = "r\"1", there = "r2", somebody = "ann";
const JsonEvents events;
}  // namespace

TEST_CASE("an epoch is 16 hexadecimal digits") {
    CHECK(epoch_text(0) == "0000000000000000");
    CHECK(epoch_text(0xab) == "00000000000000ab");
    CHECK(epoch_text(0xfedcba9876543210) == "fedcba9876543210");
}

TEST_CASE("joined tells where, who, how many, and the history") {
    const std::array<HistoryEntry, 2> history{{{6, "{\"a\":1}"}, {7, "plain"}}};
    JoinedEvent<T> e{nobody, here, somebody, nullptr, nullptr, None{}, nullptr, {0xab, 7}, {2, 3}, true, true, history};
    CHECK(events.joined(e) ==
          R"({"event":"joined","room":"r\"1","user":"ann","epoch":"00000000000000ab","seq":7,)"
          R"("online":{"users":2,"connections":3},"was_recovering":true,"recovered":true,)"
          R"("history":[{"seq":6,"payload":"{\"a\":1}"},{"seq":7,"payload":"plain"}]})");
    JoinedEvent<T> moved{nobody, here, somebody, &there, nullptr, None{}, nullptr, {0xab, 7}, {2, 3}, false, false, {}};
    CHECK(events.joined(moved) ==
          R"({"event":"joined","room":"r\"1","user":"ann","from":"r2","epoch":"00000000000000ab","seq":7,)"
          R"("online":{"users":2,"connections":3},"was_recovering":false,"recovered":false,"history":[]})");
}

TEST_CASE("moved, left and gap name their rooms") {
    CHECK(events.moved(MovedEvent<T>{nobody, there, here}) == R"({"event":"moved","from":"r2","to":"r\"1"})");
    CHECK(events.left(LeftEvent<T>{nobody, there, None{}}) == R"({"event":"left","room":"r2"})");
    CHECK(events.gap(GapEvent<T>{nobody, there, 3, 5, 9}) == R"({"event":"gap","room":"r2","dropped":3,"from":5,"to":9})");
    CHECK(events.published(PublishedEvent<T>{nobody, there, None{}, {1, 2}}).empty());
}

TEST_CASE("a removal tells its code, its reason, and when to come back") {
    CHECK(events.removed(RemovedEvent<T>{nobody, there, {CloseCode::banned, "spam", 1500ms}}) ==
          R"({"event":"removed","room":"r2","code":4005,"reason":"spam","retry_after_ms":1500})");
    CHECK(events.force_disconnect(ForceDisconnectEvent<T>{nobody, &there, {CloseCode::banned, "spam"}}) ==
          R"({"event":"force_disconnect","code":4005,"reason":"spam","reconnect":"never","room":"r2"})");
    CHECK(events.force_disconnect(ForceDisconnectEvent<T>{nobody, nullptr, {CloseCode::restarting, "", 500ms}}) ==
          R"({"event":"force_disconnect","code":4200,"reason":"","reconnect":"now","retry_after_ms":500})");
}

TEST_CASE("what a room tells of itself says which room it is") {
    CHECK(events.deleted(DeletedEvent<T>{here, 7}) == R"({"event":"deleted","room":"r\"1","seq":7})");
    CHECK(events.reset(ResetEvent<T>{there, {0xab, 9}}) ==
          R"({"event":"reset","room":"r2","epoch":"00000000000000ab","seq":9})");
    CHECK(events.sampled(SampledEvent<T>{there, 12}) == R"({"event":"sampled","room":"r2","left_out":12})");
}

TEST_CASE("presence tells the counts, and names whom there is to name") {
    CHECK(events.presence(PresenceEvent<T>{there, {2, 3}, {}, {}}) ==
          R"({"event":"presence","room":"r2","users":2,"connections":3})");
    const std::string bob = "b\"ob";
    const std::array<PresenceName<T>, 2> came{{{somebody, nullptr}, {bob, nullptr}}};
    const std::array<PresenceName<T>, 1> went{{{somebody, nullptr}}};
    CHECK(events.presence(PresenceEvent<T>{there, {2, 3}, came, went}) ==
          R"({"event":"presence","room":"r2","users":2,"connections":3,"came":["ann","b\"ob"],"went":["ann"]})");
}

TEST_CASE("codes under 4000 are told by the close alone") {
    CHECK(events.force_disconnect(ForceDisconnectEvent<T>{nobody, &there, {CloseCode::normal, "bye"}}).empty());
    CHECK(events.force_disconnect(ForceDisconnectEvent<T>{nobody, &there, {CloseCode{3999}, "bye"}}).empty());
}
