// SPDX-License-Identifier: MIT
#include "roomcast/testing/checked_mutex.hpp"

#include <mutex>
#include <thread>

#include "support/catch.hpp"

#ifdef __unix__
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#endif

using roomcast::testing::CheckedMutex;

TEST_CASE("a checked mutex knows which thread holds it") {
    CheckedMutex first;
    CheckedMutex second;
    CHECK_FALSE(CheckedMutex::locked_by_this_thread());
    {
        const std::scoped_lock lock(first, second);
        CHECK(CheckedMutex::locked_by_this_thread());
        bool elsewhere = true;
        std::thread([&] { elsewhere = CheckedMutex::locked_by_this_thread(); }).join();
        CHECK_FALSE(elsewhere);
    }
    CHECK_FALSE(CheckedMutex::locked_by_this_thread());
}

TEST_CASE("trying a checked mutex again fails for its holder and for others") {
    CheckedMutex mutex;
    const std::lock_guard lock(mutex);
    CHECK_FALSE(mutex.try_lock());
    bool taken = true;
    std::thread([&] { taken = mutex.try_lock(); }).join();
    CHECK_FALSE(taken);
}

#ifdef __unix__
namespace {

/// Whether `action` ends its process by SIGABRT.
template <class Action>
bool aborts(Action action) {
    std::fflush(nullptr);
    const pid_t child = ::fork();
    if (child == 0) {
        std::signal(SIGABRT, SIG_DFL);
        std::fclose(stderr);
        action();
        ::_exit(0);
    }
    int status = 0;
    if (child < 0 || ::waitpid(child, &status, 0) != child) return false;
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

}  // namespace

TEST_CASE("user code under a checked mutex aborts, without one it does not") {
    CheckedMutex mutex;
    CHECK(aborts([&] {
        const std::lock_guard lock(mutex);
        roomcast::testing::assert_unlocked("a test");
    }));
    CHECK_FALSE(aborts([&] {
        { const std::lock_guard lock(mutex); }
        roomcast::testing::assert_unlocked("a test");
    }));
}

TEST_CASE("a thread that locks a checked mutex twice aborts instead of waiting for itself") {
    CheckedMutex mutex;
    CHECK(aborts([&] {
        mutex.lock();
        mutex.lock();
    }));
}
#endif
