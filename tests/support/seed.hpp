// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <iostream>
#include <random>

#include "support/environment.hpp"

namespace tests {

/// The seed of this run: ROOMCAST_SEED where it is set, so that a failure can
/// be repeated, otherwise a new one; printed once.
inline std::uint64_t seed() {
    static const std::uint64_t value = [] {
        const auto given = from_environment<std::uint64_t>("ROOMCAST_SEED");
        const std::uint64_t chosen = given ? *given : std::random_device()();
        std::cout << "ROOMCAST_SEED=" << chosen << std::endl;
        return chosen;
    }();
    return value;
}

}  // namespace tests
