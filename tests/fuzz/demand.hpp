// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

/// A target: libFuzzer calls it with what it makes up, replay.cpp with files.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace fuzz {

/// Ends the process, which is how a target says that something is wrong.
inline void demand(bool holds, std::string_view what, std::string_view about = {}) {
    if (holds) return;
    std::fprintf(stderr, "FAULT: %.*s\n%.*s\n", static_cast<int>(what.size()), what.data(),
                 static_cast<int>(about.size()), about.data());
    std::abort();
}

}  // namespace fuzz
