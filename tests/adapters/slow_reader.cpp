// SPDX-License-Identifier: MIT
#include "support/catch.hpp"

#include <atomic>
#include <string>
#include <thread>

#include "adapters/client.hpp"
#include "adapters/running_server.hpp"

using namespace tests;

namespace {

EchoServer::Options small_buffers() {
    EchoServer::Options options;
    options.listen.unsent_bytes = 16 * 1024;
    return options;
}

/// Numbered frames of 1 KiB until the session is busy; how many it took.
int fill(EchoHost::Session& session, int from = 0) {
    for (int i = from;; ++i) {
        auto text = std::to_string(i);
        text.resize(1024, ' ');
        if (session.send(WebSocketSession::text_frame(text)) != SendStatus::accepted || i > 100'000) return i;
    }
}

}  // namespace

TEST_CASE("a slow reader makes send answer busy, and is told when there is room again") {
    const bool from_worker = GENERATE(true, false);
    CAPTURE(from_worker);
    std::atomic<int> sent = -1, told = 0;
    RunningServer running([&](EchoHost& host) {
        host.message = [&](const auto& session, std::string_view) { sent = fill(*session); };
        host.room_again = [&](const auto&) { ++told; };
    }, small_buffers());
    Client client(running.port(), 4096);
    client.open();
    const auto session = running.only_session();
    REQUIRE(session);
    if (from_worker) client.send_text("go");
    else sent = fill(*session);
    REQUIRE(eventually([&] { return sent != -1; }));
    CHECK(sent < 10'000);
    // What another thread handed over the worker may still bring to the kernel.
    if (from_worker) {
        CHECK(session->send(WebSocketSession::text_frame("more")) == SendStatus::busy);
        CHECK(told == 0);
    }

    int wrong = 0;
    for (int i = 0; i < sent; ++i)
        if (std::stoi(client.read_frame().payload) != i) ++wrong;
    CHECK(wrong == 0);
    CHECK(eventually([&] { return told == 1; }));
    CHECK(session->send(WebSocketSession::text_frame("again")) == SendStatus::accepted);
    CHECK(client.read_frame().text("again"));
}

TEST_CASE("a peer that never reads holds bounded memory and is cut") {
    auto options = small_buffers();
    options.websocket.limits.write_timeout = 300ms;
    RunningServer running({}, options);
    Client client(running.port(), 4096);
    client.open();
    const auto session = running.only_session();
    REQUIRE(session);
    const int taken = fill(*session);
    // The mark, what the kernel holds unsent, and the windows of both sockets.
    CHECK(taken < 1'024);
    CHECK(eventually([&] { return session->closed == 1; }));
    CHECK(session->send(WebSocketSession::text_frame("more")) == SendStatus::closed);
}

TEST_CASE("a frame larger than the mark goes out whole, and then it is busy") {
    RunningServer running({}, small_buffers());
    Client client(running.port(), 4096);
    client.open();
    const auto session = running.only_session();
    REQUIRE(session);
    const std::string large(1'000'000, 'x');
    CHECK(session->send(WebSocketSession::text_frame(large)) == SendStatus::accepted);
    CHECK(session->send(WebSocketSession::text_frame("more")) == SendStatus::busy);
    CHECK(client.read_frame().text(large));
}

TEST_CASE("no pong waits behind a write that is stuck") {
    std::atomic<bool> heard = false;
    RunningServer running([&](EchoHost& host) {
        const auto echo = host.message;
        host.message = [&, echo](const auto& session, std::string_view text) {
            if (heard.exchange(true)) echo(session, text);
        };
    }, small_buffers());
    Client client(running.port(), 4096);
    client.open();
    const auto session = running.only_session();
    REQUIRE(session);
    const int taken = fill(*session);
    for (int i = 0; i < 10; ++i) client.write(Client::frame(9, "?"));
    client.send_text("behind the pings");
    REQUIRE(eventually([&] { return heard.load(); }));
    for (int i = 0; i < taken; ++i) CHECK(client.read_frame().opcode == 1);
    client.send_text("the next");
    CHECK(client.read_frame().text("the next"));
}

TEST_CASE("a reader that is behind is pinged too, since only its answer shows that it is there") {
    auto options = small_buffers();
    options.websocket.limits.ping_after = 100ms;
    RunningServer running({}, options);
    Client client(running.port(), 4096);
    client.open();
    const auto session = running.only_session();
    REQUIRE(session);
    const int taken = fill(*session);
    std::this_thread::sleep_for(200ms);
    int texts = 0;
    for (int i = 0; i < taken + 1; ++i) texts += client.read_frame().opcode == 1;
    CHECK(texts == taken);
    session->terminate();
}
