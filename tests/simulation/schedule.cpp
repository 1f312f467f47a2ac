// SPDX-License-Identifier: MIT
#include "simulation/schedule.hpp"

#include <functional>
#include <memory>
#include <vector>

#include "simulation/world.hpp"

namespace simulation {

std::string run_schedule(roomcast::Membership membership, std::uint64_t seed) {
    Scheduler& scheduler = Scheduler::current();
    scheduler.begin(seed * 4 + static_cast<std::uint64_t>(membership));
    auto world = std::make_unique<World>(membership);
    world->prepare();
    const std::vector<Scheduler::Body> bodies(world->threads(), [&] { world->work(); });
    if (scheduler.run(bodies)) world->finish();
    else static_cast<void>(world.release());  // threads still stand in it
    return scheduler.fault();
}

std::string trace_text() {
    std::string text;
    for (const auto& step : Scheduler::current().trace()) {
        text += step.thread < 0 ? std::string("  host  ") : "  " + std::to_string(step.thread) + "     ";
        text += in_words(step.what, step.detail) + '\n';
    }
    return text;
}

}  // namespace simulation
