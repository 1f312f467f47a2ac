// SPDX-License-Identifier: MIT
#include "support/catch.hpp"

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "adapters/client.hpp"
#include "adapters/running_server.hpp"

using namespace tests;

TEST_CASE("one frame reaches the sessions of every worker, from a worker and from outside") {
    RunningServer running([](EchoHost& host) {
        host.message = [&host](const auto&, std::string_view text) {
            const auto frame = WebSocketSession::text_frame(text);
            for (const auto& session : host.sessions()) session->send(frame);
        };
    }, {.workers = 2});
    std::vector<std::unique_ptr<Client>> clients;
    for (int i = 0; i < 20; ++i) {
        clients.push_back(std::make_unique<Client>(running.port()));
        clients.back()->open();
    }
    REQUIRE(eventually([&] { return running.server.session_count() == clients.size(); }));

    clients.front()->send_text("from a worker");
    for (auto& client : clients) CHECK(client->read_frame().text("from a worker"));
    const auto frame = WebSocketSession::text_frame("from outside");
    for (const auto& session : running.host.sessions()) CHECK(session->send(frame) == SendStatus::accepted);
    for (auto& client : clients) CHECK(client->read_frame().text("from outside"));
}

// A room's messages are sent by one thread after the other, each under the
// room's order: the sessions' own workers, which write directly, and others,
// which hand over.
TEST_CASE("a session gets everything in order, whichever threads send in turn") {
    constexpr int producers = 3, each = 2'000, sessions = 6;
    std::mutex room;
    int next = 0;
    EchoServer::Options options{.workers = 2};
    options.websocket.limits.high_water = 64 * 1024 * 1024;
    RunningServer running({}, options);
    auto& host = running.host;
    const auto publish = [&] {
        const std::lock_guard lock(room);
        const auto frame = WebSocketSession::text_frame(std::to_string(next++));
        for (const auto& session : host.sessions()) session->send(frame);
    };
    host.message = [&](const auto&, std::string_view) { publish(); };

    std::vector<std::unique_ptr<Client>> clients;
    for (int i = 0; i < sessions; ++i) {
        clients.push_back(std::make_unique<Client>(running.port()));
        clients.back()->open();
    }
    REQUIRE(eventually([&] { return running.server.session_count() == sessions; }));

    std::vector<std::thread> threads;
    threads.emplace_back([&] {
        for (int i = 0; i < each; ++i) publish();
    });
    // Two clients on different workers make these publish too.
    for (int producer = 1; producer < producers; ++producer)
        threads.emplace_back([&clients, producer] {
            for (int i = 0; i < each; ++i) clients[static_cast<std::size_t>(producer)]->send_text("go");
        });
    std::vector<int> wrong(sessions);
    for (std::size_t reader = 0; reader < sessions; ++reader)
        threads.emplace_back([&clients, &wrong, reader] {
            for (int i = 0; i < producers * each; ++i)
                if (!clients[reader]->read_frame().text(std::to_string(i))) ++wrong[reader];
        });
    for (auto& thread : threads) thread.join();
    CHECK(wrong == std::vector<int>(sessions));
}

TEST_CASE("what another thread sent before it closed arrives before the close") {
    RunningServer running;
    Client client(running.port());
    client.open();
    const auto session = running.only_session();
    REQUIRE(session);
    for (int i = 0; i < 100; ++i) session->send(WebSocketSession::text_frame(std::to_string(i)));
    session->close(CloseCode::removed_from_room, "done");
    CHECK(session->send(WebSocketSession::text_frame("late")) == SendStatus::closed);
    for (int i = 0; i < 100; ++i) CHECK(client.read_frame().text(std::to_string(i)));
    CHECK(client.read_frame().code() == 4001);
}

TEST_CASE("a session's handle may outlive its server") {
    EchoHost::Handle session;
    {
        RunningServer running;
        Client client(running.port());
        client.open();
        session = running.only_session();
        REQUIRE(session);
    }
    CHECK(session->closed == 1);
    CHECK(session->send(WebSocketSession::text_frame("anyone?")) == SendStatus::closed);
    session->close(CloseCode::normal, "");
    session->terminate();
}
