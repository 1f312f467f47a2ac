// SPDX-License-Identifier: MIT
#include "roomcast/testing/fake_connection.hpp"

#include <stdexcept>
#include <string>
#include <vector>

#include "support/catch.hpp"

using roomcast::CloseCode;
using roomcast::Frame;
using roomcast::SendStatus;
using roomcast::testing::FakeConnection;
using roomcast::testing::FakeSession;
using roomcast::testing::Heard;
using roomcast::testing::make_fake;
using Access = roomcast::connection_traits<FakeConnection>;
using Frames = std::vector<std::string>;

static_assert(roomcast::connection<FakeConnection>);

TEST_CASE("closes and cuts are counted whether what was heard has been taken or not") {
    const auto c = roomcast::testing::make_fake();
    c->close(roomcast::CloseCode::normal, "");
    c->terminate();
    (void)c->take_frames();
    CHECK(c->closes() == 1);
    CHECK(c->terminates() == 1);
}

TEST_CASE("a fake connection writes down sends, closes and terminates in order") {
    const FakeConnection c = make_fake("a");
    CHECK(Access::send(c, "one") == SendStatus::accepted);
    Access::close(c, CloseCode::room_closed, "over");
    Access::terminate(c, CloseCode::room_closed, "over");
    CHECK(c->heard() == std::vector<Heard>{{Heard::Kind::send, "one"},
                                           {Heard::Kind::close, "over", CloseCode::room_closed},
                                           {Heard::Kind::terminate, ""}});
    CHECK(c->closes() == 1);
    CHECK(c->terminates() == 1);
    CHECK(c->take_frames() == Frames{"one"});
    CHECK(c->heard().empty());
}

TEST_CASE("a stalled fake connection takes nothing until it is released") {
    const FakeConnection c = make_fake();
    c->stall_on(2);
    CHECK(c->send("1") == SendStatus::accepted);
    CHECK(c->send("2") == SendStatus::busy);
    CHECK(c->send("2") == SendStatus::busy);
    c->release();
    CHECK(c->send("2") == SendStatus::accepted);
    CHECK(c->frames() == Frames{"1", "2"});
    CHECK(c->attempts() == 4);
}

TEST_CASE("a fake connection fails or throws from the nth send on") {
    const FakeConnection failing = make_fake();
    failing->fail_on(2);
    CHECK(failing->send("1") == SendStatus::accepted);
    CHECK(failing->send("2") == SendStatus::closed);
    CHECK(failing->send("3") == SendStatus::closed);

    const FakeConnection throwing = make_fake();
    throwing->throw_on(1);
    CHECK_THROWS_AS(throwing->send("1"), std::runtime_error);
    CHECK(throwing->frames().empty());
}

TEST_CASE("the hooks of a fake connection run after the call was written down") {
    Frames seen;
    FakeConnection c = make_fake();
    c->on_send = [&, session = c.get()](std::string_view frame) {
        seen.push_back(std::string(frame) + " after " + std::to_string(session->frames().size()));
    };
    c->on_close = [&](CloseCode) { seen.emplace_back("close"); };
    c->on_terminate = [&] { seen.emplace_back("terminate"); };
    c->on_destroyed = [&] { seen.emplace_back("destroyed"); };
    c->send("x");
    c->close(CloseCode::normal, "");
    c->terminate();
    c.reset();
    CHECK(seen == Frames{"x after 1", "close", "terminate", "destroyed"});
}

TEST_CASE("a fake connection's encoding shows the position on request") {
    const Frame payload("hi");
    const roomcast::Message numbered{.position = {0xab, 7}, .payload = payload};
    const roomcast::Message plain{.payload = payload};
    CHECK(FakeSession::encode(numbered, 0).view() == "hi");
    CHECK(FakeSession::encode(numbered, 1).view() == "7:hi");
    CHECK(FakeSession::encode(numbered, 2).view() == "00000000000000ab/7:hi");
    CHECK(FakeSession::encode(plain, 1).view() == "hi");
    const Frame bad(FakeSession::unencodable);
    CHECK_THROWS_AS(FakeSession::encode({.payload = bad}, 0), std::runtime_error);
    CHECK(Access::encoding(make_fake("b", 2)) == 2);
}
