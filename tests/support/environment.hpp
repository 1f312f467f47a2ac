// SPDX-License-Identifier: MIT
#pragma once

#include <cstdlib>
#include <iostream>
#include <optional>
#include <sstream>

namespace tests {

/// The number that the environment gives under this name, if it gives any. What is not
/// one as a whole, or less than `least`, ends the process: taken for 0 it would test nothing.
template <class Number>
std::optional<Number> from_environment(const char* name, Number least = 0) {
    const char* const text = std::getenv(name);
    if (!text) return std::nullopt;
    std::istringstream in(text);
    Number number = 0;
    // A stream takes -1 for the largest of unsigned ones.
    if (*text != '-' && in >> number && in.peek() == std::istringstream::traits_type::eof() && number >= least)
        return number;
    std::cerr << name << '=' << text << " is not a number of at least " << least << std::endl;
    std::exit(2);
}

}  // namespace tests
