// SPDX-License-Identifier: MIT
#include "roomcast/close_code.hpp"

#include "support/catch.hpp"

using roomcast::CloseCode;
using roomcast::Reconnect;
using roomcast::reconnect_of;

TEST_CASE("the range of an application's code says whether to come back") {
    CHECK(reconnect_of(CloseCode{4000}) == Reconnect::never);
    CHECK(reconnect_of(CloseCode::removed_from_room) == Reconnect::never);
    CHECK(reconnect_of(CloseCode::moved_elsewhere) == Reconnect::never);
    CHECK(reconnect_of(CloseCode{4099}) == Reconnect::never);
    CHECK(reconnect_of(CloseCode{4100}) == Reconnect::backoff);
    CHECK(reconnect_of(CloseCode::overloaded) == Reconnect::backoff);
    CHECK(reconnect_of(CloseCode{4199}) == Reconnect::backoff);
    CHECK(reconnect_of(CloseCode{4200}) == Reconnect::now);
    CHECK(reconnect_of(CloseCode{4299}) == Reconnect::now);
    CHECK(reconnect_of(CloseCode{4300}) == Reconnect::backoff);
}

TEST_CASE("standard codes stop the client where it or its user is the reason") {
    for (const int stop : {1000, 1002, 1003, 1007, 1008, 1009})
        CHECK(reconnect_of(static_cast<CloseCode>(stop)) == Reconnect::never);
    for (const int again : {1001, 1006, 1011, 1012, 1013, 3000})
        CHECK(reconnect_of(static_cast<CloseCode>(again)) == Reconnect::backoff);
}

TEST_CASE("reconnect hints and refusals have the protocol's names") {
    CHECK(to_string(Reconnect::never) == "never");
    CHECK(to_string(Reconnect::backoff) == "backoff");
    CHECK(to_string(Reconnect::now) == "now");
    CHECK(to_string(Reconnect{9}) == "backoff");
    for (int i = 0; i <= static_cast<int>(roomcast::Refusal::shutting_down); ++i) {
        const auto refusal = static_cast<roomcast::Refusal>(i);
        CHECK(to_string(refusal) == tests::enum_text(refusal));
    }
    CHECK(to_string(roomcast::Refusal{99}) == "unknown");
}
