// SPDX-License-Identifier: MIT
#include "simulation/schedule.hpp"

#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "simulation/sanitizer.hpp"
#include "support/catch.hpp"
#include "support/environment.hpp"
#include "support/scale.hpp"
#include "support/seed.hpp"

namespace {

using roomcast::Membership;
using simulation::run_schedule;
using simulation::Scheduler;
using simulation::trace_text;

std::uint64_t running_seed = 0;

/// What a schedule was about when it went so wrong that nobody can look at it.
void tell_where() {
    std::fprintf(stderr, "ROOMCAST_SEED=%llu crashes in\n", static_cast<unsigned long long>(running_seed));
    alarm(5);  // the heap may be of no use any more
    std::fputs(trace_text().c_str(), stderr);
}
void tell_of_crash(int signal) {
    tell_where();
    std::signal(signal, SIG_DFL);
    std::raise(signal);
}

/// ROOMCAST_SCHEDULES, or as many as ROOMCAST_TEST_SCALE makes of `count`.
std::size_t schedules(std::size_t count, std::size_t of) {
    const auto given = tests::from_environment<std::size_t>("ROOMCAST_SCHEDULES", true);
    return given ? *given * count / of : tests::scaled(count);
}

/// The first schedule is the seed's own, the next that of the next seed.
void check(Membership membership, std::size_t count) {
#ifdef SIMULATION_ASAN
    __sanitizer_set_death_callback(tell_where);
#else
    std::signal(SIGSEGV, tell_of_crash);
#endif
    std::signal(SIGABRT, tell_of_crash);
    std::signal(SIGALRM, tell_of_crash);  // a loop without any hook
    const std::size_t all = std::max<std::size_t>(1, schedules(count, 100'000));
    std::size_t done = 0, hooks = 0;
    for (; done < all; ++done) {
        if (done % 1000 == 0) alarm(60);
        running_seed = tests::seed() + done;
        const std::string fault = run_schedule(membership, running_seed);
        if (!fault.empty()) FAIL("ROOMCAST_SEED=" << running_seed << ": " << fault << '\n' << trace_text());
        hooks += Scheduler::current().trace().size();
    }
    alarm(0);
    CHECK(hooks / done > 20);
}

}  // namespace

TEST_CASE("no schedule breaks a promise, one room a user", "[invariant-4]") {
    check(Membership::one_room_per_user, 50'000);
}
TEST_CASE("no schedule breaks a promise, one room a connection", "[invariant-10]") {
    check(Membership::one_room_per_connection, 20'000);
}
TEST_CASE("no schedule breaks a promise, many rooms") { check(Membership::many_rooms, 30'000); }

TEST_CASE("a seed replays its schedule, step for step") {
    for (std::uint64_t seed = tests::seed(); seed < tests::seed() + 50; ++seed) {
        static_cast<void>(run_schedule(Membership::many_rooms, seed));
        const auto first = Scheduler::current().trace();
        const std::string elsewhere(1 + seed % 100'000, 'x');  // addresses are others now
        static_cast<void>(run_schedule(Membership::one_room_per_user, seed + 1));
        static_cast<void>(run_schedule(Membership::many_rooms, seed));
        CAPTURE(seed, elsewhere.size());
        REQUIRE(first == Scheduler::current().trace());
    }
}

TEST_CASE("threads that wait for each other are found, in some schedules and not in others") {
    Scheduler& scheduler = Scheduler::current();
    int found = 0;
    for (std::uint64_t seed = 0; seed < 100; ++seed) {
        simulation::Mutex first, second;
        scheduler.begin(seed);
        const auto both = [](simulation::Mutex& outer, simulation::Mutex& inner) {
            outer.lock(), inner.lock(), inner.unlock(), outer.unlock();
        };
        const std::vector<Scheduler::Body> bodies{[&] { both(first, second); }, [&] { both(second, first); }};
        if (scheduler.run(bodies)) continue;
        ++found;
        CHECK(scheduler.fault() == "deadlock: every thread waits for the lock");
    }
    CHECK(found > 10);
    CHECK(found < 90);
}
