// SPDX-License-Identifier: MIT
#include "support/catch.hpp"

#include <atomic>
#include <string>
#include <utility>

#include "adapters/client.hpp"
#include "adapters/running_server.hpp"

using namespace tests;

TEST_CASE("what breaks the protocol is answered with its close code, and nobody else notices") {
    EchoServer::Options options;
    options.websocket.limits.close_timeout = 60s;
    RunningServer running({}, options);
    Client bystander(running.port());
    bystander.open();
    Client client(running.port());
    client.open();
    const auto [bytes, code] = GENERATE(table<std::string, int>({
        {Client::frame(2, "binary"), 1003},
        {Client::frame(1, "abc\xC3\x28"), 1007},
        {Client::frame(1, "cut off \xE2\x82"), 1007},
        {Client::frame(1, "cut ", false) + Client::frame(0, "off \xE2\x82"), 1007},
        {Client::frame(1, "off \xF0\x9F", false) + Client::frame(0, "\x98"), 1007},
        {Client::frame(1, std::string(16'385, 'x')), 1009},
        {Client::frame(1, std::string(200'000, 'x')), 1009},
        {Client::frame(1, std::string(10'000, 'x'), false) + Client::frame(0, std::string(10'000, 'x')), 1009},
        {Client::frame(1, "bare", true, false), 1002},
        {Client::frame(0, "continues nothing"), 1002},
        {Client::frame(3, "no such opcode"), 1002},
        {Client::frame(9, std::string(126, 'x')), 1002},
        {std::string("\xC1\x80\x11\x22\x33\x44", 6), 1002},
        {std::string("\x81\xFE\x00\x05\x11\x22\x33\x44hello", 13), 1002},
        {std::string("\x81\xFE\x00\x7D\x11\x22\x33\x44", 8), 1002},
        {std::string("\x81\xFF\x00\x00\x00\x00\x00\x00\x00\x05\x11\x22\x33\x44hello", 19), 1002},
        {std::string("\x81\xFF\x00\x00\x00\x00\x00\x00\xFF\xFF\x11\x22\x33\x44", 14), 1002},
        {std::string("\x01\xFE\x00\x00\x11\x22\x33\x44", 8), 1002},
    }));
    CAPTURE(code, bytes.size());
    client.write(bytes);
    CHECK(client.read_frame().code() == code);
    // The host knew it before the peer, and waits for no answer of the peer's.
    CHECK(running.host.closes == 1);
    CHECK(running.server.session_count() == 1);
    bystander.send_text("still here");
    CHECK(bystander.read_frame().text("still here"));
    client.end_output();
    CHECK(client.read_frame().ended());
    CHECK(eventually([&] { return running.server.connection_count() == 1; }));
    CHECK(running.host.closes == 1);
}

TEST_CASE("a code point may be spread over frames") {
    RunningServer running;
    Client client(running.port());
    client.open();
    client.write(Client::frame(1, "\xF0\x9F", false) + Client::frame(0, "\x98", false) + Client::frame(0, "\x80"));
    CHECK(client.read_frame().text("\xF0\x9F\x98\x80"));
    client.write(Client::frame(1, "\xC3", false) + Client::frame(0, "\xA9\xE2\x82", false) + Client::frame(0, "\xAC"));
    CHECK(client.read_frame().text("\xC3\xA9\xE2\x82\xAC"));
    client.write(Client::frame(1, "", false) + Client::frame(0, ""));
    CHECK(client.read_frame().text(""));
}

TEST_CASE("a frame of more bytes than there are numbers does not make a message small again") {
    RunningServer running;
    Client client(running.port());
    client.open().write(Client::frame(1, "x", false));
    const auto mask = std::string(4, '\0');
    client.write("\x80" + std::string(9, '\xFF') + mask);
    bool ended = false;
    for (int i = 0; i < 100 && !ended; ++i) {
        try {
            client.write(std::string(1'000, 'x'));
        } catch (const std::exception&) {
            break;  // it is gone
        }
        ended = running.host.closes == 1;
    }
    CHECK(client.read_frame().code() == 1009);
    CHECK(eventually([&] { return running.host.closes == 1; }));
}

TEST_CASE("who is refused in mid-sentence is heard out, and not reset before the answer is read") {
    RunningServer running;
    Client client(running.port());
    client.open();
    const auto sentence = Client::frame(1, std::string(60'000, 'x'));
    client.write(sentence.substr(0, 20'000));
    CHECK(client.read_frame().code() == 1009);
    CHECK_NOTHROW(client.write(sentence.substr(20'000, 20'000)));
    CHECK_NOTHROW(client.write(sentence.substr(40'000)));
    client.end_output();
    CHECK(client.read_frame().ended());
    CHECK(eventually([&] { return running.server.connection_count() == 0; }));
}

TEST_CASE("nothing is processed behind what was refused") {
    RunningServer running;
    Client client(running.port());
    client.open();
    client.write(Client::frame(2, "binary") + Client::frame(1, "behind"));
    CHECK(client.read_frame().code() == 1003);
    client.send_close(1003);
    CHECK(client.read_frame().ended());
}

TEST_CASE("a faulty close frame behind our own gets no second one") {
    RunningServer running;
    Client client(running.port());
    client.open();
    client.write(Client::frame(2, "binary"));
    CHECK(client.read_frame().code() == 1003);
    const std::string faulty = GENERATE(std::string(2, '\0'), std::string("\x03\xE8\xFF", 3), std::string("\x03"));
    client.write(Client::frame(8, faulty));
    CHECK(client.read_frame().ended());
}

TEST_CASE("another version of the protocol is told which one is spoken") {
    RunningServer running;
    const std::string lines = GENERATE("", "Sec-WebSocket-Version: 0\r\n", "Sec-WebSocket-Version: 7\r\n",
                                       "Sec-WebSocket-Version: 8\r\n", "Sec-WebSocket-Version: 14\r\n",
                                       "Sec-WebSocket-Version: 13, 8\r\n", "Sec-WebSocket-Version: x\r\n");
    CAPTURE(lines);
    Client client(running.port());
    client.write(Client::request("/ws", "Connection: Upgrade\r\nUpgrade: websocket\r\n"
                                        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" + lines));
    const auto answer = client.read_all();
    CHECK(answer.starts_with("HTTP/1.1 426 "));
    CHECK(answer.find("Sec-WebSocket-Version: 13\r\n") != std::string::npos);
    CHECK(running.host.opens == 0);
}

TEST_CASE("a foreign origin is refused, also before anything is said of versions") {
    RunningServer running;
    const auto port = std::to_string(running.port());
    for (const std::string origin : {"null", "http://evil.example", "https://localhost", "http://localhost:1"}) {
        CAPTURE(origin);
        Client upgrades(running.port());
        upgrades.write(Client::upgrade("Origin: " + origin + "\r\n"));
        CHECK(upgrades.read_all().starts_with("HTTP/1.1 403 "));
        Client asks(running.port());
        asks.write(Client::request("/ws", "Origin: " + origin + "\r\n"));
        CHECK(asks.read_all().starts_with("HTTP/1.1 403 "));
        Client keyless(running.port());
        keyless.write(Client::upgrade("Sec-WebSocket-Key: again\r\nOrigin: " + origin + "\r\n"));
        CHECK(keyless.read_all().starts_with("HTTP/1.1 403 "));
    }
    CHECK(running.host.foreign == 12);
    Client own(running.port());
    own.open("Origin: http://localhost\r\n").send_text("own");
    CHECK(own.read_frame().text("own"));
}

TEST_CASE("a ping is answered, a flood of them first ignored, then ended") {
    EchoServer::Options options;
    options.websocket.ping_burst = 3;
    options.websocket.ping_rate = 0;
    RunningServer running({}, options);
    Client client(running.port());
    client.open();
    for (int i = 0; i < 20; ++i) client.write(Client::frame(9, std::to_string(i)));
    client.send_text("still open");
    for (int i = 0; i < 3; ++i) CHECK(client.read_frame().payload == std::to_string(i));
    CHECK(client.read_frame().text("still open"));
    for (int i = 0; i < 20; ++i) client.write(Client::frame(9, ""));
    CHECK(client.read_frame().code() == 4101);
    CHECK(running.host.closes == 1);
}

TEST_CASE("a host may end a flood of pings by itself, and is asked once") {
    struct Host : EchoHost {
        std::atomic<int> floods = 0;
        void on_flood(const EchoHost::Handle& session) {
            ++floods;
            session->send(WebSocketSession::text_frame("farewell"));
        }
    } host;
    using Server = roomcast::adapters::WebSocketServer<Host>;
    Server::Options options;
    options.listen.port = 0;
    options.websocket.ping_burst = 3;
    options.websocket.ping_rate = 0;
    Server server(host, options);
    server.listen();
    server.start();
    Client client(server.port());
    client.open();
    std::string flood;
    for (int i = 0; i < 1'000; ++i) flood += Client::frame(9, "");
    client.write(flood + Client::frame(1, "still open"));
    for (int i = 0; i < 3; ++i) CHECK(client.read_frame().opcode == 10);
    CHECK(client.read_frame().text("farewell"));
    CHECK(client.read_frame().text("still open"));
    CHECK(host.floods == 1);
    CHECK(host.closes == 0);
}

TEST_CASE("who does not finish the handshake in time is cut") {
    EchoServer::Options options;
    options.websocket.limits.handshake_timeout = 100ms;
    RunningServer running({}, options);
    const std::string part = GENERATE("", "GET /ws HTTP/1.1\r\nHost: local");
    Client client(running.port());
    client.write(part);
    CHECK(client.read_all().empty());
    CHECK(eventually([&] { return running.server.connection_count() == 0; }));
    CHECK(running.host.opens == 0);
}

TEST_CASE("a silent peer is pinged, then cut") {
    EchoServer::Options options;
    options.websocket.limits.ping_after = 100ms;
    options.websocket.limits.idle_timeout = 250ms;
    RunningServer running({}, options);
    Client client(running.port());
    client.open();
    CHECK(client.read_frame().opcode == 9);
    CHECK(client.read_frame().ended());
    CHECK(eventually([&] { return running.host.closes == 1; }));
}

TEST_CASE("a peer that answers pings stays") {
    EchoServer::Options options;
    options.websocket.limits.ping_after = 50ms;
    options.websocket.limits.idle_timeout = 2s;
    RunningServer running({}, options);
    Client client(running.port());
    client.open();
    for (int i = 0; i < 5; ++i) {
        CHECK(client.read_frame().opcode == 9);
        client.write(Client::frame(10, ""));
    }
    CHECK(running.host.closes == 0);
}

TEST_CASE("a request that is no HTTP, or too large, is refused") {
    RunningServer running;
    const auto [request, answer] = GENERATE(table<std::string, std::string>({
        {"what\r\n\r\n", "HTTP/1.1 400 "},
        {"GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 400 "},
        {Client::request("/", "X: " + std::string(20'000, 'x') + "\r\n"), "HTTP/1.1 431 "},
        {Client::request("/", "Content-Length: 5000\r\n", "POST"), "HTTP/1.1 413 "},
    }));
    Client client(running.port());
    client.try_write(request);
    CHECK(client.read_all().starts_with(answer));
}
