// SPDX-License-Identifier: MIT
#include "roomcast/detail/gate.hpp"

#include <array>
#include <set>
#include <thread>
#include <vector>

#include "support/catch.hpp"

using roomcast::detail::Gate;
using roomcast::detail::Gates;

TEST_CASE("a gate lets one through at a time, and counts who goes on") {
    Gate gate;
    REQUIRE(gate.enter());
    CHECK_FALSE(gate.enter());
    gate.leave(true);
    CHECK(gate.count() == 1);
    REQUIRE(gate.enter());
    gate.leave(false);
    CHECK(gate.count() == 1);
    CHECK(gate.enter());
    CHECK(gate.count() == 1);
}

TEST_CASE("threads that share gates never meet behind one, and none is missing in the count") {
    Gates gates;
    std::vector<std::size_t> behind(64);
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t)
        threads.emplace_back([&] {
            for (std::size_t went = 0, i = 0; went < 10'000; ++i) {
                std::size_t& shared = behind[i % behind.size()];
                Gate& gate = gates.of(&shared);
                if (!gate.enter()) continue;
                ++shared;  // plain: two at once would lose one
                gate.leave(true);
                ++went;
            }
        });
    for (auto& thread : threads) thread.join();
    std::size_t sum = 0;
    for (const std::size_t went : behind) sum += went;
    CHECK(sum == 40'000);
    CHECK(gates.count() == 40'000);
}

TEST_CASE("objects side by side have gates apart") {
    Gates gates;
    std::vector<std::array<char, 40>> objects(64);
    std::set<const Gate*> different;
    for (const auto& object : objects) different.insert(&gates.of(&object));
    CHECK(different.size() > 8);
}
