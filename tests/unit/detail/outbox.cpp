// SPDX-License-Identifier: MIT
#include "roomcast/detail/outbox.hpp"

#include <string>
#include <vector>

#include "support/catch.hpp"

namespace {
struct Session {
    void send(std::string_view) {}
    void close(roomcast::CloseCode, std::string_view) {}
};
using T = roomcast::detail::Types<Session*, roomcast::DefaultTraits>;
using Outbox = roomcast::detail::Outbox<T>;
using Membership = roomcast::detail::Membership<T>;

/// `text`, or `~missed:first-last` for a gap.
std::vector<std::string> content(const Outbox& outbox) {
    std::vector<std::string> texts;
    for (const auto& e : outbox.entries)
        texts.push_back(e.missed == 0 ? std::string(e.frame.view())
                                      : '~' + std::to_string(e.missed) + ':' + std::to_string(e.seq) + '-' +
                                            std::to_string(e.last));
    return texts;
}
using Texts = std::vector<std::string>;

struct Fixture {
    roomcast::detail::ConnectionRecord<T> connection{nullptr, 0, 0};
    Membership a, b;
    Outbox outbox{connection};

    void message(Membership& m, const char* text, std::uint64_t seq) {
        outbox.push_back({.frame = text, .membership = &m, .control = false, .seq = seq});
    }
    void control(const char* text) { outbox.push_back({.frame = text, .membership = nullptr, .control = true}); }
};
}  // namespace

TEST_CASE("an outbox counts messages and control events apart") {
    Fixture f;
    f.message(f.a, "abc", 1);
    f.control("reply");
    CHECK(f.outbox.data_count == 1);
    CHECK(f.outbox.data_bytes == 3);
    CHECK(f.outbox.control_count == 1);
    CHECK(f.outbox.control_bytes == 5);
    const auto first = f.outbox.pop_front();
    CHECK(first.frame.view() == "abc");
    CHECK(f.outbox.data_count == 0);
    CHECK(f.outbox.data_bytes == 0);
    f.outbox.push_front(first);
    CHECK(content(f.outbox) == Texts{"abc", "reply"});
    CHECK(f.outbox.data_bytes == 3);
}

TEST_CASE("an outbox sheds the oldest messages, never control events, and marks where they lay") {
    Fixture f;
    f.control("reply");
    f.message(f.a, "a1", 1);
    f.message(f.b, "b9", 9);
    f.message(f.a, "a2", 2);
    f.message(f.a, "a3", 3);
    CHECK(f.outbox.shed(4, 100) == 0);
    CHECK(f.outbox.shed(1, 100) == 3);
    CHECK(content(f.outbox) == Texts{"reply", "~2:1-2", "~1:9-9", "a3"});
    CHECK(f.outbox.data_count == 1);
    CHECK(f.outbox.shed(1, 1) == 1);
    CHECK(content(f.outbox) == Texts{"reply", "~3:1-3", "~1:9-9"});
    CHECK(f.outbox.data_bytes == 0);
    CHECK(f.outbox.control_count == 1);
}

TEST_CASE("what had no number is shed without a mark") {
    Fixture f;
    f.message(f.a, "likes", 0);
    f.outbox.push_back({.frame = "personal", .membership = nullptr});
    f.message(f.a, "a1", 1);
    CHECK(f.outbox.shed(1, 100) == 2);
    CHECK(content(f.outbox) == Texts{"a1"});
}

TEST_CASE("an outbox forgets a membership's traffic, its gap with it") {
    Fixture f;
    f.message(f.a, "a1", 1);
    f.message(f.b, "b1", 1);
    f.message(f.a, "a2", 2);
    f.control("reply");
    f.outbox.shed(2, 100);
    f.outbox.drop(f.a);
    CHECK(content(f.outbox) == Texts{"b1", "reply"});
    CHECK(f.outbox.data_count == 1);
    CHECK(f.outbox.control_count == 1);
}
