// SPDX-License-Identifier: MIT
#include "roomcast/frame.hpp"

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

#include "support/catch.hpp"
#include "unit/allocations.hpp"

using roomcast::Frame, roomcast::FrameCopies;
namespace allocations = unit::allocations;

TEST_CASE("a frame holds a copy of its bytes, zeros among them") {
    std::string text("a\0b", 3);
    const Frame frame(text);
    text = "changed";
    CHECK(frame.view() == std::string_view("a\0b", 3));
    CHECK(frame.size() == 3);
    CHECK(std::string_view(frame.data(), frame.size()) == frame.view());
    CHECK_FALSE(frame.empty());
}

TEST_CASE("copies of a frame share its bytes") {
    const Frame one("bytes");
    const auto made = allocations::made();
    const Frame two = one;
    Frame three;
    three = two;
    CHECK(allocations::made() == made);
    CHECK(three.data() == one.data());
}

TEST_CASE("a frame that was moved from is empty") {
    Frame one("bytes");
    const Frame two = std::move(one);
    CHECK(one.empty());
    CHECK(two.view() == "bytes");
}

TEST_CASE("an empty frame allocates nothing") {
    const auto made = allocations::made();
    const Frame none;
    const Frame empty("");
    CHECK(allocations::made() == made);
    CHECK(none.empty());
    CHECK(empty.size() == 0);
    CHECK(empty.view().empty());
}

TEST_CASE("the last of a frame's holders frees its bytes") {
    const auto before = allocations::live_bytes();
    {
        Frame one(std::string_view("some bytes that are shared"));
        Frame two = one;
        one = Frame();
        CHECK(allocations::live_bytes() > before);
        CHECK(two.view() == "some bytes that are shared");
        const Frame& itself = two;
        two = itself;
        CHECK(two.view() == "some bytes that are shared");
    }
    CHECK(allocations::live_bytes() == before);
}

TEST_CASE("copies for many are counted beforehand, and those that nobody took are none") {
    const auto before = allocations::live_bytes();
    {
        Frame first, second;
        {
            Frame frame(std::string_view("some bytes that are shared"));
            FrameCopies copies(frame, 3);
            frame = Frame();
            first = copies.take();
            second = copies.take();
        }
        CHECK(first.view() == "some bytes that are shared");
        first = Frame();
        CHECK(allocations::live_bytes() > before);
        CHECK(second.view() == "some bytes that are shared");
        FrameCopies of_nothing(Frame(), 2), none(second, 0);
        CHECK(of_nothing.take().empty());
    }
    CHECK(allocations::live_bytes() == before);
}

TEST_CASE("what is let go of while copies are handed out is freed by the time that ends") {
    const Frame frame(std::string_view("what all get"));
    std::vector<Frame> kept(9);
    const auto before = allocations::live_bytes();
    for (std::size_t i = 0; i < 3; ++i) kept[i] = i == 0 ? Frame(std::string_view("what some had")) : kept[0];
    for (std::size_t i = 3; i < 9; ++i) kept[i] = i % 3 ? Frame(std::string_view("what one had")) : kept[i % 2];
    const auto with_theirs = allocations::live_bytes();
    {
        FrameCopies copies(frame, kept.size());
        for (Frame& last : kept) {
            last = copies.take();
            FrameCopies others(frame, 2);  // as of a send that itself sends to many
            const Frame other = others.take();
        }
    }
    const auto with_one = allocations::live_bytes();
    {
        FrameCopies copies(frame, kept.size());
        for (Frame& last : kept) last = copies.take();
    }
    const auto again = allocations::live_bytes();
    CHECK(with_theirs > before);
    CHECK(with_one == before);
    CHECK(again == before);
    for (const Frame& each : kept) CHECK(each.view() == "what all get");
}

TEST_CASE("an encoder can write a frame in place") {
    const Frame frame = Frame::filled(4, [](char* bytes) { std::fill_n(bytes, 4, 'x'); });
    CHECK(frame.view() == "xxxx");
    CHECK(Frame::filled(0, [](char*) { FAIL("nothing to write"); }).empty());
}
