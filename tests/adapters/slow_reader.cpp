// SPDX-License-Identifier: MIT
#include "support/catch.hpp"

#include <atomic>
#include <future>
#include <string>
#include <thread>
#include <utility>

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

/// What `call` answers on the only worker's thread, behind all that was handed
/// over to it before.
template <class Call>
auto on_worker(RunningServer& running, Call call) {
    std::packaged_task<decltype(call())()> task(std::move(call));
    auto answer = task.get_future();
    running.server.post(std::move(task));
    return answer.get();
}

/// Numbered frames until the socket is stuck, and how many those are. The peer
/// does not read, and the kernel's buffers are full: a hundred times in a row
/// the worker was through with everything and looked at its sockets, and there
/// was no room for a single frame.
int fill_until_stuck(RunningServer& running, EchoHost::Session& session, bool from_worker) {
    int sent = 0;
    for (int full = 0; full < 100;) {
        const auto more = [&] { return fill(session, sent); };
        const int before = std::exchange(sent, from_worker ? on_worker(running, more) : more());
        full = sent == before ? full + 1 : 0;
        on_worker(running, [] { return 0; });
    }
    return sent;
}

}  // namespace

TEST_CASE("a slow reader makes send answer busy, and is told when there is room again") {
    const bool from_worker = GENERATE(true, false);
    CAPTURE(from_worker);
    std::atomic<int> told = 0;
    RunningServer running([&](EchoHost& host) { host.room_again = [&](const auto&) { ++told; }; }, small_buffers());
    Client client(running.port(), 4096);
    client.open();
    const auto session = running.only_session();
    REQUIRE(session);
    const int sent = fill_until_stuck(running, *session, from_worker);
    CHECK(sent < 10'000);
    // Now nothing but the reader brings room, so whoever asks hears the same.
    const int told_before = told;
    const auto more = WebSocketSession::text_frame("more");
    CHECK(session->send(more) == SendStatus::busy);
    CHECK(on_worker(running, [&] { return session->send(more); }) == SendStatus::busy);
    CHECK(session->send(more) == SendStatus::busy);
    CHECK(told == told_before);

    int wrong = 0;
    for (int i = 0; i < sent; ++i)
        if (std::stoi(client.read_frame().payload) != i) ++wrong;
    CHECK(wrong == 0);
    CHECK(eventually([&] { return told == told_before + 1; }));
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
