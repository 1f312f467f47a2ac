// SPDX-License-Identifier: MIT
#include "roomcast/wake.hpp"

#include <functional>
#include <memory>
#include <utility>

#include "support/catch.hpp"

namespace {

using roomcast::Wake;

int woken_at = 0;
void wake_up(int time) { woken_at = time; }

TEST_CASE("a wake that was given nothing to call is none") {
    CHECK_FALSE(Wake<int>());
    CHECK_FALSE(Wake<int>(nullptr));
    CHECK_FALSE(Wake<int>(std::function<void(int)>()));
    CHECK_FALSE(Wake<int>(static_cast<void (*)(int)>(nullptr)));
}

TEST_CASE("a wake calls a lambda, a function, or what a std::function holds") {
    const Wake<int> lambda = [](auto time) { woken_at = time; };
    const Wake<int> function = wake_up;
    const Wake<int> held = std::function<void(int)>(wake_up);
    int time = 0;
    for (const Wake<int>& wake : {lambda, function, held}) {
        REQUIRE(wake);
        wake(++time);
        CHECK(woken_at == time);
    }
}

TEST_CASE("copies of a wake share its callable, which goes with the last of them") {
    auto count = std::make_shared<int>(0);
    Wake<int> wake = [count, calls = 0](int) mutable { *count = ++calls; };
    Wake<int> copy = wake;
    wake(0);
    copy(0);
    CHECK(*count == 2);
    const Wake<int> moved = std::move(wake);
    CHECK_FALSE(wake);
    moved(0);
    CHECK(*count == 3);
    copy = nullptr;
    CHECK_FALSE(copy);
    CHECK(count.use_count() == 2);
}

}  // namespace
