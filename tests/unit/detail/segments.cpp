// SPDX-License-Identifier: MIT
#include "roomcast/detail/segments.hpp"

#include <cstddef>
#include <cstdint>
#include <new>
#include <vector>

#include "support/catch.hpp"
#include "unit/allocations.hpp"

namespace {
using Numbers = roomcast::detail::Segments<std::uint32_t>;
}  // namespace

TEST_CASE("an array of segments doubles up to the first one, then grows by one at a time, and keeps what is in it") {
    Numbers numbers;
    std::vector<std::uint32_t> capacities;
    std::uint32_t set = 0;
    while (numbers.capacity() < 5 * Numbers::segment) {
        numbers.grow();
        capacities.push_back(numbers.capacity());
        for (; set < numbers.capacity(); ++set) {
            REQUIRE(numbers[set] == 0);
            numbers[set] = set + 1;
        }
        for (std::uint32_t i = 0; i < set; ++i) REQUIRE(numbers[i] == i + 1);
    }
    CHECK(capacities == std::vector<std::uint32_t>{8, 16, 32, 64, 128, 256, 512, 1024, 1536, 2048, 2560});
}

TEST_CASE("an array of segments that cannot grow is as before", "[invariant-9]") {
    Numbers numbers;
    std::size_t thrown = 0;
    while (numbers.capacity() < 5 * Numbers::segment) {
        const std::uint32_t before = numbers.capacity();
        const auto bytes = unit::allocations::live_bytes();
        for (std::size_t n = 1;; ++n) {
            const unit::allocations::Failure failure(n);
            try {
                numbers.grow();
                break;
            } catch (const std::bad_alloc&) {
                ++thrown;
                REQUIRE(numbers.capacity() == before);
                REQUIRE(unit::allocations::live_bytes() == bytes);
                for (std::uint32_t i = 0; i < before; ++i) REQUIRE(numbers[i] == i);
            }
        }
        for (std::uint32_t i = before; i < numbers.capacity(); ++i) numbers[i] = i;
    }
    CHECK(thrown > numbers.capacity() / Numbers::segment);
}

TEST_CASE("an array of segments gives memory back, by a segment and all of it", "[invariant-11]") {
    const auto before = unit::allocations::live_bytes();
    {
        Numbers numbers;
        for (int i = 0; i < 12; ++i) numbers.grow();
        const auto full = unit::allocations::live_bytes();
        numbers[0] = 7;
        const std::uint32_t capacity = numbers.capacity();
        numbers.shrink();
        CHECK(numbers.capacity() == capacity - Numbers::segment);
        CHECK(unit::allocations::live_bytes() <= full - Numbers::segment * sizeof(std::uint32_t));
        CHECK(numbers[0] == 7);
        numbers.clear();
        CHECK(numbers.capacity() == 0);
        CHECK(unit::allocations::live_bytes() == before);
        numbers.grow();
        CHECK(numbers[0] == 0);
    }
    CHECK(unit::allocations::live_bytes() == before);
}
