// SPDX-License-Identifier: MIT
#include "support/catch.hpp"

#include <future>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "adapters/client.hpp"
#include "adapters/running_server.hpp"

using namespace tests;

TEST_CASE("a text message comes back as it was, whatever its length") {
    RunningServer running;
    Client client(running.port());
    client.open();
    const std::size_t size = GENERATE(0U, 1U, 125U, 126U, 1'000U, 16'384U);
    const std::string text(size, 'x');
    client.send_text(text);
    CHECK(client.read_frame().text(text));
}

TEST_CASE("frames are longer than 64 KiB when they must be") {
    RunningServer running([](EchoHost& host) {
        host.message = [](const auto& session, std::string_view) {
            session->send(WebSocketSession::text_frame(std::string(300'000, 'y')));
        };
    });
    Client client(running.port());
    client.open().send_text("more");
    CHECK(client.read_frame().text(std::string(300'000, 'y')));
}

TEST_CASE("a message in fragments, with a ping between them, arrives whole") {
    RunningServer running;
    Client client(running.port());
    client.open();
    client.write(Client::frame(1, "one ", false) + Client::frame(9, "!") + Client::frame(0, "two"));
    const auto pong = client.read_frame();
    CHECK(pong.opcode == 10);
    CHECK(pong.payload == "!");
    CHECK(client.read_frame().text("one two"));
}

TEST_CASE("messages that come at once are told in order, wherever a read ends") {
    RunningServer running;
    Client client(running.port());
    client.open();
    const auto text = [](std::size_t size) { return std::string(size, static_cast<char>('a' + size % 26)); };
    std::string all;
    for (std::size_t size = 0; size < 300; ++size) all += Client::frame(1, text(size));
    client.write(all);
    for (std::size_t size = 0; size < 300; ++size) CHECK(client.read_frame().text(text(size)));
}

namespace {
/// What a host is told, with "(" and ")" for its corks.
struct Corks {
    std::mutex mutex;
    std::vector<std::string> log;

    void note(std::string what) {
        const std::lock_guard lock(mutex);
        log.push_back(std::move(what));
    }
    void listen(EchoHost& host) {
        host.corked = [this](bool begins) { note(begins ? "(" : ")"); };
        host.message = [this](const EchoHost::Handle&, std::string_view text) { note(std::string(text)); };
        host.closed = [this](const EchoHost::Handle&) { note("closed"); };
    }
    [[nodiscard]] bool come_to(const std::vector<std::string>& expected) {
        eventually([&] {
            const std::lock_guard lock(mutex);
            return log.size() >= expected.size();
        });
        const std::lock_guard lock(mutex);
        return log == expected;
    }
};
}  // namespace

TEST_CASE("messages that are ready together are handled under one cork, but for those of one session") {
    Corks corks;
    std::promise<void> entered, go_on;
    RunningServer running([&](EchoHost& host) {
        corks.listen(host);
        host.message = [&, note = host.message](const EchoHost::Handle& session, std::string_view text) {
            note(session, text);
            if (text != "wait") return;
            entered.set_value();
            go_on.get_future().wait();
        };
    });
    Client first(running.port()), second(running.port()), third(running.port());
    second.open();
    third.open();
    first.open().send_text("wait");
    entered.get_future().wait();
    second.write(Client::frame(1, "a"));
    third.write(Client::frame(1, "b") + Client::frame(1, "c"));
    go_on.set_value();
    CHECK(corks.come_to({"(", "wait", ")", "(", "a", "b", ")", "(", "c", ")"}));
}

TEST_CASE("what a session's message leads to goes out before the session ends") {
    Corks corks;
    RunningServer running([&](EchoHost& host) { corks.listen(host); });
    const auto end = GENERATE(Client::frame(8, "\x03\xE8"), Client::frame(2, "binary"), Client::frame(3, "no opcode"));
    Client client(running.port());
    client.open().write(Client::frame(1, "a") + end);
    CHECK(corks.come_to({"(", "a", ")", "closed"}));
}

TEST_CASE("a peer that ends its side is heard out first, wherever a read ends") {
    RunningServer running;
    const std::size_t size = GENERATE(range(230U, 260U));  // a frame of 256 bytes among them
    Client client(running.port());
    client.open().write(Client::frame(1, std::string(size, 'x')));
    client.end_output();
    CHECK(client.read_frame().text(std::string(size, 'x')));
    CHECK(client.read_all().empty());
}

TEST_CASE("what follows the handshake in the same packet is not lost") {
    RunningServer running;
    Client client(running.port());
    client.write(Client::upgrade() + Client::frame(1, "early"));
    client.read_head();
    CHECK(client.read_frame().text("early"));
}

TEST_CASE("the subprotocol is echoed to those who offer it") {
    RunningServer running({.websocket = {.subprotocol = "roomcast.v1"}});
    Client offers(running.port());
    offers.write(Client::upgrade("Sec-WebSocket-Protocol: chat, roomcast.v1\r\n"));
    CHECK(offers.read_head().find("Sec-WebSocket-Protocol: roomcast.v1\r\n") != std::string::npos);
    Client silent(running.port());
    silent.write(Client::upgrade());
    CHECK(silent.read_head().find("Sec-WebSocket-Protocol") == std::string::npos);
}

TEST_CASE("no extension is agreed to") {
    RunningServer running;
    Client client(running.port());
    client.write(Client::upgrade("Sec-WebSocket-Extensions: permessage-deflate\r\n"));
    CHECK(client.read_head().find("Sec-WebSocket-Extensions") == std::string::npos);
}

TEST_CASE("a text frame refuses what is not UTF-8") {
    CHECK_THROWS_AS(WebSocketSession::text_frame("abc\xC3"), std::invalid_argument);
    CHECK_THROWS_AS(WebSocketSession::text_frame("\xFF"), std::invalid_argument);
    CHECK(WebSocketSession::text_frame("grüße").view() == "\x81\x07grüße");
    for (std::size_t before = 0; before < 20; ++before) {
        const std::string some(before, 'x'), more(20, 'x');
        CHECK_THROWS_AS(WebSocketSession::text_frame(some + '\xFF' + more), std::invalid_argument);
        CHECK_THROWS_AS(WebSocketSession::text_frame(some + '\xC3' + more), std::invalid_argument);
        CHECK(WebSocketSession::text_frame(some + "ü" + more).view().substr(2) == some + "ü" + more);
    }
}

TEST_CASE("frames that are joined arrive as the messages that they were") {
    const auto frames = std::vector{WebSocketSession::text_frame("one"), WebSocketSession::text_frame(""),
                                    WebSocketSession::text_frame(std::string(70'000, 'x')),
                                    WebSocketSession::text_frame("grüße")};
    const Frame joined = WebSocketSession::join_frames(frames);
    RunningServer running([&](EchoHost& host) {
        host.message = [&](const auto& session, std::string_view) { session->send(joined); };
    });
    Client client(running.port());
    client.open().send_text("go");
    CHECK(client.read_frame().text("one"));
    CHECK(client.read_frame().text(""));
    CHECK(client.read_frame().text(std::string(70'000, 'x')));
    CHECK(client.read_frame().text("grüße"));
    running.only_session()->close(CloseCode::normal, "nothing came behind");
    CHECK(client.read_frame().code() == 1000);
}

TEST_CASE("a single frame is joined without a copy, none to none") {
    const Frame one = WebSocketSession::text_frame("one");
    CHECK(WebSocketSession::join_frames({&one, 1}).data() == one.data());
    CHECK(WebSocketSession::join_frames({}).empty());
}
