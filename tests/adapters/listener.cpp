// SPDX-License-Identifier: MIT
#include "support/catch.hpp"

#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <chrono>
#include <exception>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <vector>

#include "adapters/client.hpp"
#include "adapters/running_server.hpp"

using namespace tests;

namespace {

/// What it throws, in words.
template <class Call>
std::string complaint(Call call) {
    try {
        call();
    } catch (const std::exception& exception) {
        return exception.what();
    }
    return "";
}

std::chrono::nanoseconds processor_time(clockid_t clock) {
    timespec time{};
    ::clock_gettime(clock, &time);
    return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("a second server on the same port does not start, and says why") {
    RunningServer first;
    EchoHost host;
    for (const std::string bind : {"127.0.0.1", "0.0.0.0"}) {
        EchoServer second(host, {.listen = {.bind = bind, .port = first.port()}});
        CHECK_THROWS_AS(second.listen(), std::system_error);
        CHECK(contains(complaint([&] { second.listen(); }), "cannot listen on " + bind + " port"));
    }
}

TEST_CASE("what cannot be listened on is named") {
    EchoHost host;
    EchoServer server(host, {.listen = {.bind = "somewhere"}});
    CHECK(contains(complaint([&] { server.listen(); }), "not an IP address: somewhere"));
    CHECK(contains(complaint([&] { EchoServer(host, {.listen = {.trusted_proxies = {"10.0.0.0/33"}}}); }),
                   "10.0.0.0/33"));
}

TEST_CASE("at the cap the next connection waits until one goes") {
    RunningServer running({.listen = {.max_connections = 2}});
    Client first(running.port());
    first.open();
    auto second = std::make_unique<Client>(running.port());
    second->open();
    Client third(running.port());
    third.write(Client::upgrade());
    // Nothing but a time can show that it is not served.
    std::this_thread::sleep_for(100ms);
    CHECK(running.host.opens == 2);
    second.reset();
    CHECK(third.read_head().starts_with("HTTP/1.1 101 "));
    CHECK(running.server.connection_count() == 2);
}

TEST_CASE("the cap stays below what the process's descriptors allow") {
    EchoHost host;
    EchoServer server(host, {.listen = {.max_connections = 1'000'000'000}});
    rlimit limit{};
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &limit) == 0);
    CHECK(server.max_connections() < limit.rlim_cur);
}

TEST_CASE("out of descriptors the listener waits, and goes on when there are some") {
    rlimit limit{};
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &limit) == 0);
    RunningServer running;
    // One more can be opened: ours, so that there is none for the server's side.
    const int lowest = ::dup(0);
    ::close(lowest);
    const rlimit one_more{static_cast<rlim_t>(lowest) + 1, limit.rlim_max};
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &one_more) == 0);
    const int own = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(running.port());
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const bool connected = ::connect(own, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
    // Beside a thread that spins: on a busy machine both get their share.
    const auto begin = std::chrono::steady_clock::now();
    const auto all_before = processor_time(CLOCK_PROCESS_CPUTIME_ID);
    const auto own_before = processor_time(CLOCK_THREAD_CPUTIME_ID);
    while (std::chrono::steady_clock::now() - begin < 300ms) {}
    const auto spun = processor_time(CLOCK_THREAD_CPUTIME_ID) - own_before;
    const auto spent = processor_time(CLOCK_PROCESS_CPUTIME_ID) - all_before - spun;
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &limit) == 0);
    CHECK(connected);
    CHECK(spent < spun / 4);

    const auto request = Client::request("/");
    CHECK(::send(own, request.data(), request.size(), 0) == static_cast<ssize_t>(request.size()));
    char answer[8] = {};
    CHECK(::recv(own, answer, sizeof answer, MSG_WAITALL) == sizeof answer);
    CHECK(std::string_view(answer, sizeof answer) == "HTTP/1.1");
    ::close(own);
}

TEST_CASE("a client behind a trusted proxy counts at its own address") {
    RunningServer running({.listen = {.max_per_address = 2, .trusted_proxies = {"127.0.0.0/8"}}});
    const std::string header = "X-Forwarded-For: 1.1.1.1, 203.0.113.7\r\n";
    Client first(running.port());
    first.open(header);
    auto second = std::make_unique<Client>(running.port());
    second->open(header);
    CHECK(running.host.sessions().front()->remote_address() == "203.0.113.7");

    {
        Client third(running.port());
        third.write(Client::upgrade(header));
        CHECK(third.read_all().starts_with("HTTP/1.1 429 "));
    }
    Client other(running.port());
    other.open("X-Forwarded-For: 203.0.113.8\r\n");

    second->reset();
    CHECK(eventually([&] { return running.host.closes == 1; }));
    CHECK(eventually([&] { return running.server.connection_count() == 2; }));  // its place is free too
    Client again(running.port());
    CHECK_NOTHROW(again.open(header));
}

TEST_CASE("loopback is exempt from the cap for an address, and strangers' headers are not believed") {
    RunningServer running({.listen = {.max_per_address = 1}});
    std::vector<std::unique_ptr<Client>> clients;
    for (int i = 0; i < 5; ++i) {
        clients.push_back(std::make_unique<Client>(running.port()));
        clients.back()->open("X-Forwarded-For: 203.0.113.7\r\n");
    }
    REQUIRE(eventually([&] { return running.host.opens == 5; }));
    for (const auto& session : running.host.sessions()) CHECK(session->remote_address() == "127.0.0.1");
}

TEST_CASE("after stop_accepting the port is free and sessions go on") {
    RunningServer running;
    Client client(running.port());
    client.open();
    running.server.stop_accepting();
    EchoHost host;
    EchoServer successor(host, {.listen = {.port = running.port()}});
    CHECK(eventually([&] {
        try {
            successor.listen();
            return true;
        } catch (const std::system_error&) {
            return false;
        }
    }));
    client.send_text("still here");
    CHECK(client.read_frame().text("still here"));
}
