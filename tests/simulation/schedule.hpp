// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "simulation/scheduler.hpp"

#include "roomcast/options.hpp"

namespace simulation {

/// What went wrong in the schedule of this seed; empty: nothing. Its trace is
/// the scheduler's until the next one begins.
[[nodiscard]] std::string run_schedule(roomcast::Membership membership, std::uint64_t seed);

/// The last schedule's trace, a line each.
[[nodiscard]] std::string trace_text();

}  // namespace simulation
