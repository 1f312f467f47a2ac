// SPDX-License-Identifier: MIT
// The first byte picks the policy and whether callbacks call back; all others
// are the choices of the model's generator: of a setting, then of operations,
// which a registry and its reference do side by side.
#include <cstddef>
#include <cstdint>
#include <span>

#include "fuzz/demand.hpp"
#include "model/world.hpp"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const unsigned kind = data[0] % 6;
    model::Random random(std::span(data + 1, size - 1));
    const auto setting =
        model::random_setting(static_cast<roomcast::Membership>(kind % 3), kind >= 3, random);
    model::World<model::StringIds> world(setting, random);
    bool same = true;
    // However short the input, its world lives long enough for something to happen.
    constexpr std::size_t least = 200;
    for (std::size_t i = 0; same && (i < least || random.bytes_left() != 0); ++i) {
        same = world.step();
        if (same && i % 16 == 15) same = world.compare_all();
    }
    same = same && world.finish();
    if (!same) fuzz::demand(false, "the registry is not as its reference: " + describe(setting), world.fault());
    return 0;
}
