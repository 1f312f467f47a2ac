// SPDX-License-Identifier: MIT
#include "live_comment/http_routes.hpp"

#include <string>
#include <string_view>

#include "live_comment/fake_chat.hpp"
#include "support/catch.hpp"

using namespace tests;
using namespace live_comment;

namespace {

constexpr Asset page[] = {{"/", "text/html; charset=utf-8", "<!doctype html>"}};
constexpr HttpOptions everything{true, page};

HttpResponse get(Stage& stage, std::string_view path, std::string_view query = {}, std::string_view method = "GET",
                 HttpOptions options = everything) {
    return answer_http({.method = method, .path = path, .query = query, .remote_address = {}, .headers = {}},
                       stage.service, options);
}

std::string header(const HttpResponse& response, std::string_view name) {
    for (const auto& [key, value] : response.headers)
        if (key == name) return value;
    return {};
}

}  // namespace

TEST_CASE("the page is served, under rules for what it may do") {
    Stage stage;
    const auto response = get(stage, "/");
    CHECK(response.status == 200);
    CHECK(response.body == "<!doctype html>");
    CHECK(header(response, "Content-Type") == "text/html; charset=utf-8");
    CHECK(header(response, "X-Content-Type-Options") == "nosniff");
    CHECK(header(response, "Content-Security-Policy") ==
          "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
          "frame-ancestors 'none'; base-uri 'none'");
    CHECK(header(get(stage, "/nope"), "X-Content-Type-Options") == "nosniff");
}

TEST_CASE("health and readiness") {
    Stage stage;
    CHECK(get(stage, "/healthz").status == 200);
    CHECK(get(stage, "/readyz").status == 200);
    stage.service.drain(false);
    CHECK(get(stage, "/healthz").status == 200);
    CHECK(get(stage, "/readyz").status == 503);
}

TEST_CASE("info is what a first join tells") {
    Stage stage({.server = R"({"protocol":1})"});
    CHECK(get(stage, "/api/info").body == R"({"protocol":1})");
}

TEST_CASE("unknown paths are not found, known ones are only read") {
    Stage stage;
    for (const char* path : {"/nope", "/api", "/metrics", "/admin/", "//", "/index.html", "/api/roomsx"}) {
        const auto response = get(stage, path, {}, "POST");
        CHECK(response.status == 404);
        CHECK(json::parse(response.body)["error"]["code"] == "not_found");
    }
    for (const char* path : {"/", "/healthz", "/api/info", "/api/rooms", "/api/rooms/r"}) {
        const auto response = get(stage, path, {}, "POST");
        CHECK(response.status == 405);
        CHECK(header(response, "Allow") == "GET, HEAD");
        const auto code = get(stage, path).status;
        CHECK(get(stage, path, {}, "HEAD").status == code);
    }
}

TEST_CASE("rooms are listed largest first, a page at a time") {
    Stage stage;
    std::vector<Chatter> all;
    for (const char* user : {"a", "b", "c"}) all.push_back(stage.enter("three", user));
    for (const char* user : {"d", "e"}) all.push_back(stage.enter("t:w o&", user));
    all.push_back(stage.enter("one", "f"));
    all.push_back(stage.enter("empty", "g"));
    all.back().gone();

    const auto first = json::parse(get(stage, "/api/rooms", "limit=2").body);
    CHECK(first["total"] == 4);
    REQUIRE(first["rooms"].size() == 2);
    CHECK(first["rooms"][0] == json({{"room", "three"}, {"users", 3}, {"connections", 3}}));
    CHECK(first["rooms"][1]["room"] == "t:w o&");
    REQUIRE(first["next"] == "2:t:w o&");
    const auto second = json::parse(get(stage, "/api/rooms", "after=2%3At%3Aw%20o%26&limit=2").body);
    REQUIRE(second["rooms"].size() == 2);
    CHECK(second["rooms"][0]["room"] == "one");
    CHECK(second["rooms"][1] == json({{"room", "empty"}, {"users", 0}, {"connections", 0}}));
    CHECK(second["next"] == nullptr);
    CHECK(json::parse(get(stage, "/api/rooms", "limit=0").body)["rooms"].size() == 1);
    CHECK(json::parse(get(stage, "/api/rooms", "limit=x&after=y").body)["rooms"].size() == 4);
}

TEST_CASE("a listing has at most two hundred rooms, and needs leave") {
    Stage stage;
    std::vector<Chatter> all;
    for (int i = 0; i < 210; ++i) all.push_back(stage.enter("room" + std::to_string(i), "user" + std::to_string(i)));
    CHECK(json::parse(get(stage, "/api/rooms").body)["rooms"].size() == 50);
    CHECK(json::parse(get(stage, "/api/rooms", "limit=100000").body)["rooms"].size() == 200);
    CHECK(get(stage, "/api/rooms", {}, "GET", {false, page}).status == 404);
    CHECK(get(stage, "/api/rooms/room1", {}, "GET", {false, page}).status == 200);
}

TEST_CASE("a limit beyond what is allowed becomes the nearest that is, whatever its size") {
    Stage stage;
    std::vector<Chatter> all;
    for (int i = 0; i < 210; ++i) all.push_back(stage.enter("room" + std::to_string(i), "user" + std::to_string(i)));
    const auto listed = [&](std::string_view limit) {
        return json::parse(get(stage, "/api/rooms", "limit=" + std::string(limit)).body)["rooms"].size();
    };
    for (const char* limit : {"0", "-0", "-1", "-5", "-99999999999999999999999"}) {
        CAPTURE(limit);
        CHECK(listed(limit) == 1);
    }
    for (const char* limit : {"201", "4294967297", "18446744073709551617", "99999999999999999999999"}) {
        CAPTURE(limit);
        CHECK(listed(limit) == 200);
    }
    for (const char* limit : {"", "x", "5x", "-", "1.5", "+5", "%205"}) {
        CAPTURE(limit);
        CHECK(listed(limit) == 50);
    }
}

TEST_CASE("a space in the query is a plus or %20, a plus is %2B, and in the path a plus is itself") {
    Stage stage;
    std::vector<Chatter> all;
    for (const char* room : {"c d", "c+a", "c+d", "z"}) all.push_back(stage.enter(room, room));
    const auto after = [&](std::string_view place) {
        const auto next = json::parse(get(stage, "/api/rooms", "limit=1&after=" + std::string(place)).body);
        return next["rooms"].at(0)["room"].get<std::string>();
    };
    CHECK(after("1%3Ac+d") == "c+a");
    CHECK(after("1%3Ac%20d") == "c+a");
    CHECK(after("1:c%2Bd") == "z");
    CHECK(after("1:c%2bd") == "z");
    CHECK(get(stage, "/api/rooms/c%20d").status == 200);
    CHECK(json::parse(get(stage, "/api/rooms/c+d").body)["room"] == "c+d");
}

TEST_CASE("a room is asked for by its name, percent-decoded once") {
    Stage stage;
    auto alice = stage.enter("a/b%20", "alice");
    CHECK(json::parse(get(stage, "/api/rooms/a%2Fb%2520").body)["room"] == "a/b%20");
    CHECK(get(stage, "/api/rooms/a%2Fb%20").status == 404);
    CHECK(get(stage, "/api/rooms/%zz").status == 404);
    CHECK(get(stage, "/api/rooms/%2").status == 404);
    CHECK(get(stage, "/api/rooms/").status == 404);
}
