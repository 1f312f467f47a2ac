// SPDX-License-Identifier: MIT
#include "roomcast/detail/kept_reason.hpp"

#include <chrono>
#include <optional>
#include <string>

#include "support/catch.hpp"
#include "unit/allocations.hpp"

using roomcast::CloseCode;
using roomcast::detail::KeptReason;
using namespace std::chrono_literals;

TEST_CASE("a kept reason is what it was made of, in every copy, and its text is there once", "[invariant-11]") {
    const auto before = unit::allocations::live_bytes();
    {
        std::optional<KeptReason> first(roomcast::CloseReason{CloseCode::slow_consumer, std::string(100, 'x'), 1500ms});
        const auto with_one = unit::allocations::live_bytes();
        KeptReason copy = *first;
        KeptReason other;
        CHECK(other.code() == CloseCode::normal);
        CHECK(other.view().text.empty());
        other = copy;
        copy = KeptReason();
        first.reset();
        CHECK(unit::allocations::live_bytes() == with_one);
        CHECK(other.code() == CloseCode::slow_consumer);
        CHECK(other.view().text == std::string(100, 'x'));
        CHECK(other.view().retry_after == 1500ms);
        CHECK(other.keeps({CloseCode::slow_consumer, std::string(100, 'x'), 1500ms}));
        CHECK_FALSE(other.keeps({CloseCode::slow_consumer, std::string(99, 'x'), 1500ms}));
        CHECK_FALSE(other.keeps({CloseCode::normal, std::string(100, 'x'), 1500ms}));
        CHECK_FALSE(other.keeps({CloseCode::slow_consumer, "", 1500ms}));
        CHECK(copy.keeps({CloseCode::normal}));
        CHECK_FALSE(copy.keeps({CloseCode::normal, "x"}));
    }
    CHECK(unit::allocations::live_bytes() == before);
}

TEST_CASE("without memory, or without text, a kept reason still knows its numbers", "[invariant-9]") {
    KeptReason kept;
    {
        const unit::allocations::Failure failure(1, true);
        kept = KeptReason(roomcast::CloseReason{CloseCode::room_closed, "gone", 1h});
    }
    CHECK(kept.code() == CloseCode::room_closed);
    CHECK(kept.view().text.empty());
    CHECK(kept.view().retry_after == 1h);
    CHECK(KeptReason(roomcast::CloseReason{CloseCode::normal, "", -1s}).view().retry_after == 0s);
    CHECK(KeptReason(roomcast::CloseReason{CloseCode::normal, "", 9999h}).view().retry_after == 4'294'967'295ms);
}
