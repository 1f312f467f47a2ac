// SPDX-License-Identifier: MIT
#pragma once

#include <cstdlib>
#include <iostream>
#include <optional>
#include <sstream>

namespace tests {

/// The number that the environment gives under this name, if it gives any. A text that
/// is none, or 0 where it has to be above, ends the process: otherwise nobody saw that
/// less was tested.
template <class Number>
std::optional<Number> from_environment(const char* name, bool above_zero = false) {
    const char* const text = std::getenv(name);
    if (!text) return std::nullopt;
    std::istringstream in(text);
    Number number = 0;
    // A stream takes -1 for the largest of unsigned ones.
    if (*text != '-' && in >> number && in.peek() == std::istringstream::traits_type::eof() &&
        (number > 0 || !above_zero))
        return number;
    std::cerr << name << '=' << text << " is not a number" << (above_zero ? " above 0" : "") << std::endl;
    std::exit(2);
}

}  // namespace tests
