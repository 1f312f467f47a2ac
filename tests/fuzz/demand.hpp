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
    for (const std::string_view text : {std::string_view("FAULT: "), what, std::string_view("\n"), about,
                                        std::string_view("\n")})
        if (!text.empty()) std::fwrite(text.data(), 1, text.size(), stderr);
    std::abort();
}

}  // namespace fuzz
