// SPDX-License-Identifier: MIT
#include "roomcast/detail/outbox.hpp"

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "support/catch.hpp"
#include "unit/allocations.hpp"

namespace {
using roomcast::MessageClass;
using roomcast::SlowReaders;
struct Session {
    void send(std::string_view) {}
    void close(roomcast::CloseCode, std::string_view) {}
};
using OutboxTypes = roomcast::detail::Types<Session*, roomcast::DefaultTraits>;
using Outbox = roomcast::detail::Outbox<OutboxTypes>;
using Sender = roomcast::detail::Membership<OutboxTypes>;
using Texts = std::vector<std::string>;

struct Fixture {
    roomcast::detail::ConnectionRecord<OutboxTypes> connection{nullptr, 0, 0};
    Sender a, b;
    std::size_t memory = 0;
    roomcast::detail::SeededHash hash;
    Outbox outbox{connection, memory, hash};

    bool message(Sender& m, const char* text, std::uint64_t seq, MessageClass message_class = MessageClass::normal,
                 std::uint64_t key = 0) {
        const roomcast::Frame frame(text);
        return outbox.take_in({frame, &m, message_class, seq, key}, {});
    }
    void control(const char* text) {
        const roomcast::Frame frame(text);
        outbox.take_in({frame}, {});
    }
    /// Gives up `n` messages, the least valuable first.
    void shed(int n, SlowReaders policy = SlowReaders::drop_oldest) {
        for (; n > 0; --n) outbox.give_up(*outbox.least_valuable(policy));
    }
    /// Takes all out: `text`, or `~missed:first-last` for a gap.
    Texts content() {
        Texts texts;
        while (!outbox.empty()) {
            auto& e = outbox.take_out();
            texts.push_back(!e.is_gap() ? std::string(e.frame.view())
                                        : '~' + std::to_string(e.missed) + ':' + std::to_string(e.seq) + '-' +
                                              std::to_string(e.last));
            outbox.finish(e);
        }
        return texts;
    }
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
    auto& first = f.outbox.take_out();
    CHECK(first.frame.view() == "abc");
    CHECK(f.outbox.data_count == 0);
    CHECK(f.outbox.data_bytes == 0);
    f.outbox.put_back(first);
    CHECK(f.outbox.data_bytes == 3);
    CHECK(f.content() == Texts{"abc", "reply"});
}

TEST_CASE("an outbox gives up the oldest message, never control events, and marks where it lay", "[invariant-10]") {
    Fixture f;
    f.control("reply");
    f.message(f.a, "a1", 1);
    f.message(f.b, "b9", 9);
    f.message(f.a, "a2", 2);
    f.message(f.a, "a3", 3);
    f.shed(3);
    CHECK(f.outbox.data_count == 1);
    CHECK(f.outbox.control_count == 1);
    CHECK(f.content() == Texts{"reply", "~2:1-2", "~1:9-9", "a3"});
}

TEST_CASE("a gap grows while nothing of its room lies between") {
    Fixture f;
    f.message(f.a, "a1", 1);
    f.message(f.a, "paid", 2, MessageClass::paid);
    f.message(f.a, "a3", 3);
    f.message(f.a, "a4", 4);
    f.shed(3);
    CHECK(f.outbox.data_count == 1);
    SECTION("what is worth more splits it") { CHECK(f.content() == Texts{"~1:1-1", "paid", "~2:3-4"}); }
    SECTION("with that gone it is one") {
        f.shed(1);
        CHECK(f.outbox.least_valuable(SlowReaders::drop_oldest) == nullptr);
        CHECK(f.content() == Texts{"~4:1-4"});
    }
}

TEST_CASE("an outbox gives up the least valuable class first", "[invariant-10]") {
    Fixture f;
    f.message(f.a, "paid", 1, MessageClass::paid);
    f.message(f.a, "staff", 2, MessageClass::moderator);
    f.message(f.a, "old", 3);
    f.message(f.a, "count", 0, MessageClass::bulk);
    f.message(f.a, "new", 4);
    f.shed(2);
    CHECK(f.content() == Texts{"paid", "staff", "~1:3-3", "new"});
}

TEST_CASE("an outbox may give up the newest instead") {
    Fixture f;
    f.message(f.a, "a1", 1);
    f.message(f.a, "a2", 2);
    f.message(f.a, "paid", 3, MessageClass::paid);
    f.shed(1, SlowReaders::drop_newest);
    CHECK(f.content() == Texts{"a1", "~1:2-2", "paid"});
}

TEST_CASE("a message takes the place of an earlier one with its key in its room") {
    Fixture f;
    CHECK_FALSE(f.message(f.a, "1 like", 0, MessageClass::bulk, 7));
    CHECK_FALSE(f.message(f.b, "other room", 0, MessageClass::bulk, 7));
    CHECK_FALSE(f.message(f.a, "other key", 0, MessageClass::bulk, 8));
    f.message(f.a, "a1", 1);
    CHECK(f.message(f.a, "2 likes", 0, MessageClass::bulk, 7));
    CHECK(f.outbox.data_count == 4);
    CHECK(f.content() == Texts{"other room", "other key", "a1", "2 likes"});
}

TEST_CASE("a numbered message that is replaced leaves a gap") {
    Fixture f;
    f.message(f.a, "v1", 1, MessageClass::normal, 7);
    f.message(f.a, "a2", 2);
    f.message(f.a, "v3", 3, MessageClass::normal, 7);
    CHECK(f.content() == Texts{"~1:1-1", "a2", "v3"});
}

TEST_CASE("what was taken out is not put back before a newer one with its key") {
    Fixture f;
    f.message(f.a, "v1", 1, MessageClass::normal, 7);
    auto& first = f.outbox.take_out();
    CHECK_FALSE(f.message(f.a, "v2", 2, MessageClass::normal, 7));
    CHECK(f.outbox.put_back(first));
    CHECK(f.outbox.data_count == 1);
    CHECK(f.content() == Texts{"~1:1-1", "v2"});
}

TEST_CASE("of what comes with the key of a message under way the newest alone waits") {
    Fixture f;
    f.message(f.a, "v1", 0, MessageClass::bulk, 7);
    auto& first = f.outbox.take_out();
    CHECK_FALSE(f.message(f.a, "v2", 0, MessageClass::bulk, 7));
    CHECK(f.message(f.a, "v3", 0, MessageClass::bulk, 7));
    f.outbox.finish(first);
    CHECK(f.content() == Texts{"v3"});
}

TEST_CASE("what is put back is replaced by what comes then") {
    Fixture f;
    f.message(f.a, "v1", 0, MessageClass::bulk, 7);
    CHECK_FALSE(f.outbox.put_back(f.outbox.take_out()));
    CHECK(f.message(f.a, "v2", 0, MessageClass::bulk, 7));
    f.outbox.finish(f.outbox.take_out());
    CHECK_FALSE(f.message(f.a, "v3", 0, MessageClass::bulk, 7));
    CHECK(f.content() == Texts{"v3"});
}

TEST_CASE("what had no number is given up without a mark") {
    Fixture f;
    f.message(f.a, "likes", 0);
    const roomcast::Frame personal("personal");
    f.outbox.take_in({personal, nullptr, MessageClass::normal}, {});
    f.message(f.a, "a1", 1);
    f.shed(2);
    CHECK(f.content() == Texts{"a1"});
}

TEST_CASE("an outbox forgets a membership's traffic, its gap with it") {
    Fixture f;
    f.message(f.a, "a1", 1);
    f.message(f.b, "b1", 1);
    f.message(f.a, "a2", 2, MessageClass::normal, 7);
    f.control("reply");
    f.shed(1);
    f.outbox.drop(f.a);
    CHECK(f.outbox.data_count == 1);
    CHECK(f.outbox.control_count == 1);
    CHECK(f.content() == Texts{"b1", "reply"});
}

TEST_CASE("an outbox adds what it holds to the memory of all, and takes it away again") {
    Fixture f;
    f.message(f.a, "a1", 1);
    const std::size_t one = f.memory;
    CHECK(one > 2);
    f.message(f.a, "a2", 2, MessageClass::normal, 7);
    f.message(f.a, "a3", 3, MessageClass::normal, 7);
    f.control("reply");
    CHECK(f.memory == f.outbox.memory());
    f.shed(2);
    f.outbox.drop_data();
    CHECK(f.memory == one + 3);
    f.outbox.write_off();
    CHECK(f.memory == 0);
}

TEST_CASE("gaps between which something without a number was given up become one") {
    Fixture f;
    for (std::uint64_t seq = 1; seq <= 3; ++seq) {
        f.message(f.a, "numbered", seq, MessageClass::bulk);
        f.message(f.a, "likes", 0);
    }
    f.shed(6);
    CHECK(f.content() == Texts{"~3:1-3"});
}

TEST_CASE("a gap that is put back takes in the one that was made meanwhile") {
    Fixture f;
    f.message(f.a, "a1", 1);
    f.message(f.a, "a2", 2);
    f.message(f.a, "a3", 3);
    f.shed(1);
    auto& gap = f.outbox.take_out();
    f.shed(1);
    CHECK_FALSE(f.outbox.put_back(gap));
    CHECK(f.content() == Texts{"~2:1-2", "a3"});
}

TEST_CASE("an outbox in which something waits gives its memory back when it goes", "[invariant-11]") {
    const auto before = unit::allocations::live_bytes();
    {
        Fixture f;
        f.message(f.a, "likes", 0, MessageClass::bulk, 7);
        f.message(f.b, "likes", 0, MessageClass::bulk, 7);
        f.message(f.a, "a1", 1);
        f.shed(1);
    }
    CHECK(unit::allocations::live_bytes() == before);
}
