// SPDX-License-Identifier: MIT
#include "roomcast/connection.hpp"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "support/catch.hpp"

namespace {
using namespace roomcast;

struct Minimal {
    std::vector<std::string> heard;
    void send(std::string_view frame) { heard.emplace_back(frame); }
    void close(CloseCode code, std::string_view reason) {
        heard.push_back(std::to_string(static_cast<int>(code)) + ' ' + std::string(reason));
    }
};

struct Full : Minimal {
    SendStatus answer = SendStatus::busy;
    SendStatus send(const Frame& frame) {
        heard.emplace_back(frame.view());
        return answer;
    }
    void terminate() { heard.emplace_back("terminate"); }
    static Frame encode(const Message& message, int encoding) {
        return Frame(std::to_string(encoding) + std::string(message.payload.view()));
    }
    enum class Wire { text, binary };
    Wire encoding() const { return Wire::binary; }
};

struct Keeper {
    Frame kept;
    SendStatus send(Frame frame) noexcept {
        kept = std::move(frame);
        return SendStatus::accepted;
    }
    void close(CloseCode, std::string_view) {}
};

/// A foreign type, known by a number.
enum class Foreign : int {};
std::string foreign_heard;

}  // namespace

template <>
struct roomcast::connection_traits<Foreign> {
    static SendStatus send(Foreign c, const Frame& frame) {
        foreign_heard = std::to_string(static_cast<int>(c)) + std::string(frame.view());
        return SendStatus::closed;
    }
    static void close(Foreign, CloseCode, std::string_view) {}
    static void terminate(Foreign, CloseCode, std::string_view) {}
    static Frame encode(const Message& message, int) { return message.payload; }
    static int encoding(Foreign) { return 0; }
};

static_assert(connection<Minimal*>);
static_assert(connection<std::shared_ptr<Minimal>>);
static_assert(connection<std::unique_ptr<Minimal>>);
static_assert(connection<Foreign>);
static_assert(connection<Keeper*> && connection_traits<Keeper*>::keeps_frames);
static_assert(!connection_traits<Minimal*>::keeps_frames && !connection_traits<Full*>::keeps_frames);

TEST_CASE("what a session leaves out has a default") {
    using Access = connection_traits<Minimal*>;
    Minimal session;
    CHECK(Access::send(&session, "frame") == SendStatus::accepted);
    Access::close(&session, CloseCode::banned, "why");
    Access::terminate(&session, CloseCode::banned, "why");
    CHECK(session.heard == std::vector<std::string>{"frame", "4005 why", "4005 why"});
    const Frame payload("as it is");
    CHECK(Access::encode({.payload = payload}, 0).data() == payload.data());
    CHECK(Access::encoding(&session) == 0);
}

TEST_CASE("what a session says is taken from behind its pointer") {
    using Access = connection_traits<std::shared_ptr<Full>>;
    const auto session = std::make_shared<Full>();
    CHECK(Access::send(session, "frame") == SendStatus::busy);
    Access::terminate(session, CloseCode::banned, "");
    CHECK(session->heard == std::vector<std::string>{"frame", "terminate"});
    CHECK(Access::encode({.payload = "x"}, 2).view() == "2x");
    CHECK(Access::encoding(session) == 1);
}

TEST_CASE("a session that takes its frames by value can be lent one or given one") {
    using Access = connection_traits<Keeper*>;
    Keeper session;
    Frame frame("lent");
    CHECK(Access::send_to(session, frame) == SendStatus::accepted);
    CHECK(session.kept.data() == frame.data());
    CHECK(Access::send_to(session, std::move(frame)) == SendStatus::accepted);
    CHECK(session.kept.view() == "lent");
}

TEST_CASE("a foreign type is described by a specialization") {
    CHECK(connection_traits<Foreign>::send(Foreign{7}, "x") == SendStatus::closed);
    CHECK(foreign_heard == "7x");
}
