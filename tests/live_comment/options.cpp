// SPDX-License-Identifier: MIT
#include "live_comment/options.hpp"

#include <nlohmann/json.hpp>

#include <optional>
#include <string>
#include <vector>

#include "support/catch.hpp"

using live_comment::ServerOptions;
using Words = std::vector<std::string>;

namespace {

/// Nothing when the process would end, with an error.
std::optional<ServerOptions> read(std::vector<const char*> arguments) {
    arguments.insert(arguments.begin(), "live_comment_server");
    int exit_code = 0;
    auto options = ServerOptions::parse(static_cast<int>(arguments.size()), arguments.data(), exit_code);
    CHECK((exit_code == 0) == options.has_value());
    return options;
}

ServerOptions accepted(std::vector<const char*> arguments) {
    const auto options = read(std::move(arguments));
    REQUIRE(options);
    return *options;
}

}  // namespace

TEST_CASE("sizes may have a unit") {
    CHECK(accepted({}).memory == 1024u * 1024 * 1024);
    CHECK(accepted({"--memory", "512M"}).memory == 512u * 1024 * 1024);
    CHECK(accepted({"--memory", "2G"}).memory == 2048u * 1024 * 1024);
    CHECK(accepted({"--memory", "0"}).memory == 0);
    CHECK(accepted({"--history-bytes", "64k"}).history_bytes == 64u * 1024);
    CHECK(accepted({"--outbox-bytes", "100000"}).outbox_bytes == 100'000);
    for (const char* bad : {"-1", "1X", "", "M", "1.5G", "2000000G", "99999999999999999999999"}) CHECK_FALSE(read({"--memory", bad}));
}

TEST_CASE("what slow readers cost is chosen by name") {
    CHECK(accepted({}).slow_readers == roomcast::SlowReaders::drop_oldest);
    CHECK(accepted({"--slow-readers", "drop_newest"}).slow_readers == roomcast::SlowReaders::drop_newest);
    CHECK(accepted({"--slow-readers", "disconnect"}).slow_readers == roomcast::SlowReaders::disconnect);
    CHECK_FALSE(read({"--slow-readers", "wait"}));
    CHECK_FALSE(read({"--outbox-messages", "0"}));
    CHECK_FALSE(read({"--outbox-bytes", "0"}));
}

TEST_CASE("a catalogue of gifts is words between commas") {
    CHECK(accepted({}).gifts.size() == 5);
    CHECK(accepted({"--gifts", "rose,kiss of life"}).gifts == Words{"rose", "kiss of life"});
    CHECK(accepted({"--gifts", ",rose,,"}).gifts == Words{"rose"});
    CHECK(accepted({"--gifts", ""}).gifts.empty());
    CHECK_FALSE(read({"--gifts", "rose, heart"}));
    CHECK_FALSE(read({"--gifts", "a\nb"}));
}

TEST_CASE("without a rate of comments a room has none either, unless it is asked for") {
    CHECK(accepted({}).room_rate == 200);
    CHECK(accepted({"--comment-rate", "0"}).room_rate == 0);
    CHECK(accepted({"--comment-rate", "0", "--room-rate", "30"}).room_rate == 30);
    CHECK(accepted({"--room-rate", "0"}).room_rate == 0);
    CHECK(accepted({"--room-rate", "30", "--limits", "off"}).room_rate == 0);
}

TEST_CASE("a rate is a number of 0 or more") {
    const char* flag = GENERATE("--comment-rate", "--command-rate", "--room-rate");
    CHECK(accepted({flag, "0.5"}).on_loopback());
    for (const char* bad : {"nan", "-nan", "inf", "1e999", "-1", "-0.1", "x", ""}) CHECK_FALSE(read({flag, bad}));
}

TEST_CASE("what clients have to know of the limits is described") {
    const auto described = nlohmann::json::parse(accepted({"--gifts", "rose,\"", "--room-rate", "2.5"}).describe());
    CHECK(described["limits"]["gifts"] == Words{"rose", "\""});
    CHECK(described["limits"]["room_rate"] == 2.5);
    CHECK(nlohmann::json::parse(accepted({"--gifts", ""}).describe())["limits"]["gifts"] == nlohmann::json::array());
}
