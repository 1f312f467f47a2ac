// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>
#include <spdlog/spdlog.h>

#include "live_comment/chat_session.hpp"
#include "live_comment/messages.hpp"
#include "live_comment/service.hpp"
#include "roomcast/testing/fake_connection.hpp"
#include "roomcast/testing/manual_clock.hpp"

namespace tests {

using nlohmann::json;

/// A connection of the service without a socket: its wire is the JSON itself.
class FakeChatSession : public roomcast::testing::FakeSession {
public:
    explicit FakeChatSession(std::uint64_t id) : chat_(id) {}
    live_comment::ChatSession& chat() noexcept { return chat_; }
    static roomcast::Frame encode(const roomcast::Message& message, int) {
        if (message.position.seq == 0) return message.payload;
        return roomcast::Frame(live_comment::with_seq(message.payload, message.position.seq));
    }

private:
    live_comment::ChatSession chat_;
};

/// One client: what it says goes to the service, what it hears is read back.
class Chatter {
public:
    using Handle = std::shared_ptr<FakeChatSession>;
    using Service = live_comment::Service<Handle, roomcast::testing::ManualClock>;

    Chatter(Service& service, std::uint64_t id) : service_(&service), handle_(std::make_shared<FakeChatSession>(id)) {
        service.opened(handle_);
    }

    const Handle& handle() const { return handle_; }
    void say_raw(std::string_view text) { service_->received(handle_, text); }
    void say(const json& message) { say_raw(message.dump()); }
    /// Says it, and returns the messages that came since the last look.
    std::vector<json> ask(const json& message) {
        say(message);
        return heard();
    }
    std::vector<json> heard() {
        std::vector<json> messages;
        for (const auto& text : handle_->take_frames()) messages.push_back(json::parse(text));
        return messages;
    }
    void gone() { service_->closed(handle_); }

private:
    Service* service_;
    Handle handle_;
};

/// A service under a clock that stands still.
class Stage {
public:
    using Service = Chatter::Service;

    explicit Stage(live_comment::ServiceOptions options = {}, Service::Registry::Options rooms = default_rooms())
        : service(std::move(rooms), [&] {
              options.unix_ms = [] { return std::int64_t{1'234'567}; };
              return std::move(options);
          }(), clock) {
        spdlog::set_level(spdlog::level::off);
    }

    /// As the server has them by default.
    static Service::Registry::Options default_rooms() {
        Service::Registry::Options rooms;
        rooms.max_devices = 8;
        rooms.user_rate = {1, 5};
        rooms.room.presence = std::chrono::seconds(1);
        rooms.room.history = 1'000;
        rooms.room.linger = std::chrono::seconds(60);
        return rooms;
    }

    Chatter enter() { return {service, ++last_id_}; }
    /// Enters, joins, and forgets what it heard of that.
    Chatter enter(std::string_view room, std::string_view user) {
        Chatter chatter = enter();
        chatter.ask({{"event", "join"}, {"room", room}, {"user", user}});
        return chatter;
    }
    /// Without rates.
    static Service::Registry::Options unlimited_rooms() {
        auto rooms = default_rooms();
        rooms.user_rate = {};
        return rooms;
    }

    void pass(std::chrono::nanoseconds time) {
        clock.advance(time);
        service.tick();
    }

    roomcast::testing::ManualClock clock;

private:
    std::uint64_t last_id_ = 0;

public:
    Service service;
};

/// The field of the only message; null when there is not exactly one.
inline json only(const std::vector<json>& messages, const char* field) {
    if (messages.size() != 1 || !messages[0].contains(field)) return nullptr;
    return messages[0][field];
}

/// The events, in order.
inline std::vector<std::string> events(const std::vector<json>& messages) {
    std::vector<std::string> names;
    for (const auto& message : messages) names.push_back(message.at("event"));
    return names;
}

}  // namespace tests
