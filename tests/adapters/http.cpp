// SPDX-License-Identifier: MIT
#include "support/catch.hpp"

#include <stdexcept>
#include <string>
#include <utility>

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
    CHECK(posted.find("\r\nAllow: GET, HEAD\r\n") != std::string::npos);
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

TEST_CASE("a handshake with another method is answered as that method is, not as a bad handshake") {
    RunningServer running;
    const auto with_method = [](const std::string& method, const std::string& path) {
        auto request = Client::upgrade();
        return request.replace(0, request.find(" HTTP"), method + " " + path);
    };
    const auto posted = ask(running, with_method("POST", "/ws"));
    CHECK(posted.starts_with("HTTP/1.1 405 "));
    CHECK(posted.find("\r\nAllow: GET, HEAD\r\n") != std::string::npos);
    CHECK(ask(running, with_method("HEAD", "/ws")).starts_with("HTTP/1.1 426 "));
    CHECK(ask(running, with_method("POST", "/else")).ends_with("\r\n\r\nPOST /else"));
    const auto head = ask(running, with_method("HEAD", "/else"));
    CHECK(head.starts_with("HTTP/1.1 200 "));
    CHECK(head.find("\r\nContent-Length: 10\r\n") != std::string::npos);
    CHECK(running.host.opens == 0);
}

TEST_CASE("a handshake's key is the base64 of sixteen bytes, or the handshake is refused") {
    RunningServer running;
    const auto with_key = [](const std::string& line) {
        auto request = Client::upgrade();
        const auto at = request.find("Sec-WebSocket-Key:");
        return request.replace(at, request.find("\r\n", at) + 2 - at, line);
    };
    for (const std::string good :
         {"AAAAAAAAAAAAAAAAAAAAAA==", "+/+/+/+/+/+/+/+/+/+/+w==", "9azZ9azZ9azZ9azZ9azZ9Q=="}) {
        CAPTURE(good);
        CHECK(ask(running, with_key("Sec-WebSocket-Key: " + good + "\r\n") + Client::frame(8, ""))
                  .starts_with("HTTP/1.1 101 "));
    }
    for (const std::string bad : {"", "Sec-WebSocket-Key: \r\n", "Sec-WebSocket-Key: x\r\n",
                                  "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA\r\n",
                                  "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAAA=\r\n",
                                  "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAAAA\r\n",
                                  "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAA===\r\n",
                                  "Sec-WebSocket-Key: AAAAAAAAAA-AAAAAAAAAAA==\r\n",
                                  "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==A\r\n",
                                  "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAAAAAA==\r\n",
                                  "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
                                  "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"}) {
        CAPTURE(bad);
        CHECK(ask(running, with_key(bad)).starts_with("HTTP/1.1 400 "));
    }
}

TEST_CASE("a health check may speak HTTP/1.0, which knows no Host and no upgrade") {
    RunningServer running([](EchoHost& host) {
        host.http = [](const HttpRequest& request) {
            const std::string path(request.path), name(request.header("Host"));
            return HttpResponse{.body = path + " at '" + name + "'"};
        };
    });
    CHECK(ask(running, "GET /healthz HTTP/1.0\r\n\r\n").ends_with("\r\n\r\n/healthz at ''"));
    CHECK(ask(running, "GET / HTTP/1.0\r\nUser-Agent: x\r\n\r\n").starts_with("HTTP/1.1 200 "));
    CHECK(ask(running, "GET / HTTP/1.0\r\nHost: a.example:80\r\n\r\n").ends_with("/ at 'a.example:80'"));
    CHECK(ask(running, "GET / HTTP/1.0\r\nHost: \r\n\r\n").ends_with("/ at ''"));
    auto upgrade = Client::upgrade();
    upgrade.replace(upgrade.find("HTTP/1.1"), 8, "HTTP/1.0");
    CHECK(ask(running, upgrade).starts_with("HTTP/1.1 426 "));
    CHECK(ask(running, "GET / HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 400 "));
    CHECK(ask(running, "GET / \r\nHost: b\r\n\r\nmore").ends_with("/ at 'b'"));  // no version at all

    Client slow(running.port());
    for (const char c : std::string("GET /slow HTTP/1.0\r\nX: y\r\n\r\n")) slow.write({&c, 1});
    CHECK(slow.read_all().ends_with("/slow at ''"));
}

TEST_CASE("every answer says what a browser may do with it, whoever wrote it") {
    RunningServer running([](EchoHost& host) {
        host.http = [](const HttpRequest&) {
            return HttpResponse{.headers = {{"Content-Security-Policy", "default-src 'self'"}}};
        };
    });
    const auto foreign = "Origin: http://evil.example\r\n";
    for (const auto& [request, status] : {std::pair(std::string("what\r\n\r\n"), "400"),
                                          std::pair(Client::upgrade("Sec-WebSocket-Key: again\r\n"), "400"),
                                          std::pair(Client::upgrade(foreign), "403"),
                                          std::pair(Client::request("/ws", foreign), "403"),
                                          std::pair(Client::request("/ws", {}, "POST"), "405"),
                                          std::pair(Client::request("/ws"), "426"),
                                          std::pair(Client::request("/", "Content-Length: 5000\r\n", "POST"), "413")}) {
        const auto answer = ask(running, request);
        CAPTURE(answer);
        CHECK(answer.starts_with(std::string("HTTP/1.1 ") + status + " "));
        CHECK(answer.find("\r\nX-Content-Type-Options: nosniff\r\n") != std::string::npos);
        CHECK(answer.find("\r\nContent-Security-Policy: default-src 'none'; ") != std::string::npos);
    }
    running.host.refuse = 503;
    CHECK(ask(running, Client::upgrade()).find("\r\nX-Content-Type-Options: nosniff\r\n") != std::string::npos);
    const auto own = ask(running, Client::request("/"));
    CHECK(own.find("\r\nContent-Security-Policy: default-src 'self'\r\n") != std::string::npos);
    CHECK(own.find("\r\nX-Content-Type-Options: nosniff\r\n") != std::string::npos);
}
