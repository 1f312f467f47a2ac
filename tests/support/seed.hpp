// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <random>

namespace tests {

/// The seed of this run: ROOMCAST_SEED where it is set, so that a failure can
/// be repeated, otherwise a new one; printed once.
inline std::uint64_t seed() {
    static const std::uint64_t value = [] {
        const char* given = std::getenv("ROOMCAST_SEED");
        const std::uint64_t chosen = given ? std::strtoull(given, nullptr, 0) : std::random_device()();
        std::cout << "ROOMCAST_SEED=" << chosen << std::endl;
        return chosen;
    }();
    return value;
}

}  // namespace tests
