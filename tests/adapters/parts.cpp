// SPDX-License-Identifier: MIT
#include "support/catch.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "adapters/alarm.hpp"
#include "adapters/http.hpp"
#include "adapters/origin.hpp"
#include "adapters/output_queue.hpp"
#include "adapters/peer_address.hpp"
#include "adapters/websocketpp.hpp"

using namespace roomcast::adapters;
using namespace std::chrono_literals;
using asio::ip::make_address;

TEST_CASE("a word is found in a header whatever its case and what stands around it, ASCII only") {
    CHECK(contains_ignoring_case("keep-alive, Upgrade", "upgrade"));
    CHECK(contains_ignoring_case("WEBSOCKET", "websocket"));
    CHECK(contains_ignoring_case("ab", ""));
    CHECK_FALSE(contains_ignoring_case("", "upgrade"));
    CHECK_FALSE(contains_ignoring_case("upgrad", "upgrade"));
    CHECK_FALSE(contains_ignoring_case("keep-alive", "upgrade"));
    CHECK_FALSE(contains_ignoring_case("\xC4[", "\xC4{"));
    CHECK_FALSE(equal_ignoring_case("upgrade", "upgraded"));
}

TEST_CASE("an address is written as it is read") {
    for (const std::string text : {"0.0.0.0", "127.0.0.1", "255.10.200.3", "::", "::1", "fe80::1:0:2"})
        CHECK(address_text(make_address(text)) == text);
}

TEST_CASE("networks contain what they say") {
    CHECK(Network("10.0.0.0/8").contains(make_address("10.255.1.2")));
    CHECK_FALSE(Network("10.0.0.0/8").contains(make_address("11.0.0.0")));
    CHECK(Network("192.168.1.128/25").contains(make_address("192.168.1.200")));
    CHECK_FALSE(Network("192.168.1.128/25").contains(make_address("192.168.1.100")));
    CHECK(Network("0.0.0.0/0").contains(make_address("8.8.8.8")));
    CHECK_FALSE(Network("0.0.0.0/0").contains(make_address("::1")));
    CHECK(Network("fd00::/8").contains(make_address("fd12::1")));
    CHECK(Network("::1").contains(make_address("::1")));
    for (const auto* text : {"", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/8x", "example.org", "::/129"})
        CHECK_THROWS_AS(Network(text), std::invalid_argument);
}

TEST_CASE("the client behind proxies is the right-most address that is none of theirs") {
    const std::vector<Network> trusted{Network("10.0.0.0/8"), Network("::1")};
    const auto client = [&](const char* peer, const char* list) {
        return client_address(make_address(peer), list, trusted).to_string();
    };
    CHECK(client("203.0.113.1", "1.2.3.4") == "203.0.113.1");
    CHECK(client("10.0.0.1", "1.2.3.4") == "1.2.3.4");
    CHECK(client("10.0.0.1", "6.6.6.6, 1.2.3.4, 10.0.0.2") == "1.2.3.4");
    CHECK(client("10.0.0.1", "6.6.6.6,1.2.3.4 ,\t10.0.0.2") == "10.0.0.1");
    CHECK(client("10.0.0.1", "") == "10.0.0.1");
    CHECK(client("10.0.0.1", "1.2.3.4, nonsense") == "10.0.0.1");
    CHECK(client("10.0.0.1", "10.0.0.3") == "10.0.0.3");
    CHECK(client("::1", "::ffff:1.2.3.4") == "1.2.3.4");
}

TEST_CASE("connections are counted by address, or by /64, and not on loopback") {
    AddressLimit limit(2);
    for (const auto* address : {"1.2.3.4", "2001:db8::1"}) {
        CHECK(limit.add(make_address(address)));
        CHECK(limit.add(make_address(address)));
        CHECK_FALSE(limit.add(make_address(address)));
    }
    CHECK_FALSE(limit.add(make_address("2001:db8::ffff:2")));
    CHECK(limit.add(make_address("2001:db8:0:1::1")));
    limit.remove(make_address("2001:db8::3"));
    CHECK(limit.add(make_address("2001:db8::4")));
    for (int i = 0; i < 10; ++i) CHECK(limit.add(make_address("::1")));
    AddressLimit none(0);
    for (int i = 0; i < 10; ++i) CHECK(none.add(make_address("1.2.3.4")));
}

TEST_CASE("an origin is the server's own when it equals scheme and Host, and the Host is one of its names") {
    OriginRules rules;
    rules.hosts.push_back("chat.example");
    rules.origins.push_back("https://other.example");
    const auto allowed = [&](std::string_view origin, std::string_view host, std::string_view scheme = "http") {
        return origin_allowed(rules, origin, scheme, host);
    };
    CHECK(allowed("", "anything"));
    CHECK(allowed("http://localhost:9002", "localhost:9002"));
    CHECK(allowed("http://127.0.0.1:9002", "127.0.0.1:9002"));
    CHECK(allowed("http://[::1]:9002", "[::1]:9002"));
    CHECK(allowed("http://[::1]", "[::1]"));
    CHECK(allowed("HTTP://Chat.Example", "chat.example:80"));
    CHECK(allowed("https://chat.example", "chat.example:443", "https"));
    CHECK(allowed("https://other.example", "chat.example"));
    CHECK_FALSE(allowed("null", "localhost"));
    CHECK_FALSE(allowed("http://localhost:9002", "localhost:9003"));
    CHECK_FALSE(allowed("https://localhost:9002", "localhost:9002"));
    CHECK_FALSE(allowed("http://evil.example:9002", "evil.example:9002"));
    CHECK_FALSE(allowed("http://localhost.evil.example", "localhost.evil.example"));
    CHECK_FALSE(allowed("http://localhost/", "localhost"));
    CHECK_FALSE(allowed("http://", ""));
    CHECK_FALSE(allowed("http://other.example", "chat.example"));
    rules.required = true;
    CHECK_FALSE(allowed("", "localhost"));
}

TEST_CASE("a close reason keeps whole characters") {
    CHECK(close_reason("short") == "short");
    CHECK(close_reason(std::string(200, 'x')).size() == 123);
    std::string text(121, 'x');
    text += "\u20AC";
    CHECK(close_reason(text) == text.substr(0, 121));
    CHECK(close_reason(text.substr(1)) == text.substr(1));
    CHECK(close_reason(std::string(200, '\x80')).empty());
}

TEST_CASE("a queue writes everything once, in order, however little the socket takes") {
    int sockets[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) == 0);
    const int small = 4096;
    ::setsockopt(sockets[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    OutputQueue queue;
    std::string wanted;
    for (int i = 0; i < 1'000; ++i) {
        std::string text(static_cast<std::size_t>(1 + i * 7 % 500), static_cast<char>('a' + i % 26));
        const std::size_t skip = i == 0 ? 1 : 0;  // its first byte was written before
        if (i == 0) text += 'z';
        queue.push(roomcast::Frame(text), skip);
        wanted += text.substr(skip);
    }
    std::string got;
    int stuck = 0;
    while (!queue.empty()) {
        if (queue.write_to(sockets[0]) > 0) continue;
        REQUIRE(errno == EAGAIN);
        ++stuck;
        char bytes[777];
        const auto size = ::recv(sockets[1], bytes, sizeof bytes, 0);
        REQUIRE(size > 0);
        got.append(bytes, static_cast<std::size_t>(size));
    }
    CHECK(stuck > 0);
    ::close(sockets[0]);
    char bytes[4096];
    for (ssize_t size; (size = ::recv(sockets[1], bytes, sizeof bytes, 0)) > 0;)
        got.append(bytes, static_cast<std::size_t>(size));
    ::close(sockets[1]);
    CHECK(got == wanted);
}

TEST_CASE("an alarm goes off when it said, or earlier when asked from any thread") {
    asio::io_context context;
    Alarm alarm(context);
    int due = 0;
    alarm.set([&] {
        // Once more at once, then in an hour, then, woken, never again.
        switch (++due) {
            case 1: return Alarm::clock::now();
            case 2: return Alarm::clock::now() + 1h;
            default: return Alarm::clock::time_point::max();
        }
    });
    alarm.wake(Alarm::clock::now() + 2h);
    alarm.wake(Alarm::clock::now() + 1ms);
    while (due < 2) context.run_one();
    context.poll();
    CHECK(due == 2);
    std::thread([&] { alarm.wake(Alarm::clock::now()); }).join();
    context.restart();
    context.run();  // nothing is left to wait for
    CHECK(due == 3);
}
