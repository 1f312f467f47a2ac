// SPDX-License-Identifier: MIT
#include "support/catch.hpp"

#include <chrono>
#include <filesystem>
#include <functional>
#include <iterator>
#include <stdexcept>
#include <string>

#include "adapters/client.hpp"
#include "adapters/running_server.hpp"

using namespace tests;

namespace {

EchoServer::Options close_timeout(std::chrono::milliseconds timeout) {
    EchoServer::Options options;
    options.websocket.limits.close_timeout = timeout;
    return options;
}

std::ptrdiff_t open_descriptors() {
    return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {});
}

}  // namespace

TEST_CASE("a close waits for the peer's answer, then the connection ends") {
    RunningServer running({}, close_timeout(60s));
    Client client(running.port());
    client.open();
    const auto session = running.only_session();
    REQUIRE(session);
    session->close(CloseCode::removed_from_room, "spam");
    session->close(CloseCode::normal, "the first one wins");
    const auto frame = client.read_frame();
    CHECK(frame.code() == 4001);
    CHECK(frame.payload.substr(2) == "spam");
    CHECK(session->closed == 0);
    client.send_close(4001);
    CHECK(client.read_frame().ended());
    CHECK(eventually([&] { return session->closed == 1; }));
}

TEST_CASE("a peer that does not answer a close is cut") {
    RunningServer running({}, close_timeout(200ms));
    Client client(running.port());
    client.open();
    const auto session = running.only_session();
    REQUIRE(session);
    const auto begin = std::chrono::steady_clock::now();
    session->close(CloseCode::room_closed, "");
    CHECK(client.read_frame().code() == 4006);
    CHECK(client.read_frame().ended());
    CHECK(std::chrono::steady_clock::now() - begin >= 200ms);
    CHECK(eventually([&] { return session->closed == 1; }));
}

TEST_CASE("the reason of a close is cut between two characters") {
    RunningServer running;
    Client client(running.port());
    client.open();
    const auto session = running.only_session();
    REQUIRE(session);
    std::string reason(122, 'x');
    session->close(CloseCode::normal, reason + "ü and more");
    CHECK(client.read_frame().payload.substr(2) == reason);
}

TEST_CASE("terminate cuts at once") {
    RunningServer running({}, close_timeout(60s));
    Client client(running.port());
    client.open();
    const auto session = running.only_session();
    REQUIRE(session);
    session->close(CloseCode::normal, "");
    CHECK(client.read_frame().code() == 1000);
    session->terminate();
    CHECK(client.read_frame().ended());
    CHECK(eventually([&] { return session->closed == 1; }));
}

TEST_CASE("however a session ends, on_close is called once") {
    struct Way {
        const char* name;
        std::function<void(Client&, EchoHost::Session&, RunningServer&)> end;
    };
    const auto way = GENERATE(values<Way>({
        {"close frame", [](Client& client, auto&, auto&) { client.send_close(1000); }},
        {"end of stream", [](Client& client, auto&, auto&) { client.end_output(); }},
        {"reset", [](Client& client, auto&, auto&) { client.reset(); }},
        {"bad frame", [](Client& client, auto&, auto&) { client.write("\xFF\xFF\xFF"); }},
        {"on_message throws", [](Client& client, auto&, auto&) { client.send_text("throw"); }},
        {"terminate", [](Client&, auto& session, auto&) { session.terminate(); }},
        {"close, not answered", [](Client&, auto& session, auto&) { session.close(CloseCode::normal, ""); }},
        {"everything", [](Client& client, auto& session, auto&) {
             session.close(CloseCode::normal, "");
             client.send_close(1000);
             session.terminate();
             client.reset();
         }},
        {"the server stops", [](Client&, auto&, RunningServer& running) { running.server.stop(); }},
    }));
    CAPTURE(way.name);
    RunningServer running([](EchoHost& host) {
        host.message = [](const auto&, std::string_view) { throw std::runtime_error("a handler's mistake"); };
    }, close_timeout(200ms));
    Client client(running.port());
    client.open();
    const auto session = running.only_session();
    REQUIRE(session);
    way.end(client, *session, running);
    CHECK(eventually([&] { return session->closed == 1; }));
    CHECK(eventually([&] { return running.server.connection_count() == 0; }));
    CHECK(session->opened == 1);
    CHECK(session->closed == 1);
    CHECK(running.server.session_count() == 0);
}

TEST_CASE("a handler that throws costs its own connection: 1011") {
    RunningServer running([](EchoHost& host) {
        host.opened = [](const auto&) { throw 1; };
        host.closed = [](const auto&) { throw 2; };
    });
    Client client(running.port());
    client.open();
    CHECK(client.read_frame().code() == 1011);
    CHECK(client.read_frame().ended());
    CHECK(eventually([&] { return running.server.session_count() == 0; }));
}

TEST_CASE("a session that is closed from inside its own handlers ends in order") {
    RunningServer running([](EchoHost& host) {
        host.message = [](const auto& session, std::string_view text) {
            session->send(WebSocketSession::text_frame(text));
            session->close(CloseCode::policy_violation, "out");
        };
    });
    Client client(running.port());
    client.open();
    client.write(Client::frame(1, "first") + Client::frame(1, "second"));
    CHECK(client.read_frame().text("first"));
    CHECK(client.read_frame().code() == 1008);
    CHECK(client.read_frame().ended());
}

TEST_CASE("two thousand sessions come and go without a trace") {
    RunningServer running({.workers = 2});
    const auto before = open_descriptors();
    int echoed = 0;
    for (int i = 0; i < 2'000; ++i) {
        Client client(running.port());
        client.open().send_text("hello");
        echoed += client.read_frame().text("hello");
        if (i % 4 == 0) client.send_close(1000);
        if (i % 4 == 1) client.reset();
    }
    CHECK(echoed == 2'000);
    CHECK(eventually([&] { return running.server.connection_count() == 0; }));
    CHECK(running.host.closes == 2'000);
    CHECK(running.host.sessions().empty());
    CHECK(open_descriptors() == before);
}
