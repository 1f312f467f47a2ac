// SPDX-License-Identifier: MIT
#include "roomcast/detail/tally.hpp"

#include <thread>
#include <vector>

#include "support/catch.hpp"

TEST_CASE("a tally of many threads loses nothing") {
    roomcast::detail::Tally tally;
    std::vector<std::thread> threads;
    for (int t = 0; t < 20; ++t)
        threads.emplace_back([&] {
            for (int i = 0; i < 1000; ++i) tally.add();
        });
    for (auto& thread : threads) thread.join();
    CHECK(tally.sum() == 20'000);
}
