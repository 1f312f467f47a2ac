// SPDX-License-Identifier: MIT
#include "support/catch.hpp"

#include <stdexcept>
#include <string>

#include "adapters/client.hpp"
#include "adapters/running_server.hpp"

using namespace tests;

namespace {

std::string ask(RunningServer& running, const std::string& request) {
    Client client(running.port());
    client.write(request);
    return client.read_all();
}

}  // namespace

TEST_CASE("plain HTTP is answered on the same port, and the connection closed") {
    RunningServer running([](EchoHost& host) {
        host.http = [](const HttpRequest& request) {
            HttpResponse response{.status = 404, .headers = {{"X-Test", "yes"}}};
            for (const auto part : {request.method, request.path, request.query, request.remote_address,
                                    request.header("x-asked"), request.header("missing")})
                response.body.append(part).append("|");
            return response;
        };
    });
    const auto answer = ask(running, Client::request("/a/b?c=%20d?", "X-Asked: it\r\n"));
    CHECK(answer.starts_with("HTTP/1.1 404 Not Found\r\n"));
    CHECK(answer.find("\r\nX-Test: yes\r\n") != std::string::npos);
    CHECK(answer.find("\r\nConnection: close\r\n") != std::string::npos);
    CHECK(answer.find("\r\nContent-Length: 31\r\n") != std::string::npos);
    CHECK(answer.ends_with("\r\n\r\nGET|/a/b|c=%20d?|127.0.0.1|it||"));
}

TEST_CASE("HEAD is answered as GET, without the body") {
    RunningServer running([](EchoHost& host) {
        host.http = [](const HttpRequest&) { return HttpResponse{.body = "0123456789"}; };
    });
    const auto answer = ask(running, Client::request("/", {}, "HEAD"));
    CHECK(answer.find("\r\nContent-Length: 10\r\n") != std::string::npos);
    CHECK(answer.ends_with("\r\n\r\n"));
}

TEST_CASE("a large answer arrives whole, also after the client ended its side") {
    const std::string page(3'000'000, 'p');
    RunningServer running([&](EchoHost& host) {
        host.http = [&](const HttpRequest&) { return HttpResponse{.body = page}; };
    });
    Client client(running.port(), 4096);
    client.write(Client::request("/"));
    client.end_output();
    CHECK(client.read_all().ends_with("\r\n\r\n" + page));
}

TEST_CASE("a handler that throws is a 500") {
    RunningServer running([](EchoHost& host) {
        host.http = [](const HttpRequest&) -> HttpResponse { throw std::runtime_error("a mistake"); };
    });
    CHECK(ask(running, Client::request("/")).starts_with("HTTP/1.1 500 "));
}

TEST_CASE("the WebSocket's path without an upgrade is 426, another path with one is the host's") {
    RunningServer running;
    const auto plain = ask(running, Client::request("/ws"));
    CHECK(plain.starts_with("HTTP/1.1 426 "));
    CHECK(plain.find("\r\nSec-WebSocket-Version: 13\r\n") != std::string::npos);
    const auto posted = ask(running, Client::request("/ws", "", "POST"));
    CHECK(posted.starts_with("HTTP/1.1 405 "));
    CHECK(posted.find("\r\nAllow: GET\r\n") != std::string::npos);
    auto elsewhere = Client::upgrade();
    elsewhere.replace(elsewhere.find("/ws"), 3, "/else");
    CHECK(ask(running, elsewhere).ends_with("\r\n\r\nGET /else"));
    CHECK(running.host.opens == 0);
}

TEST_CASE("a host may refuse upgrades while HTTP goes on") {
    RunningServer running;
    running.host.refuse = 503;
    CHECK(ask(running, Client::upgrade()).starts_with("HTTP/1.1 503 "));
    CHECK(ask(running, Client::request("/")).starts_with("HTTP/1.1 200 "));
}
