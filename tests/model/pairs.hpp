// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <bitset>
#include <cstddef>
#include <optional>
#include <string>

#include "model/operation.hpp"

namespace model {

/// Which kinds of operation have followed which.
class Pairs {
public:
    void note(Kind kind) {
        if (last_) seen_[static_cast<std::size_t>(*last_)].set(static_cast<std::size_t>(kind));
        last_ = kind;
    }
    /// A new world begins: what came before was another one's.
    void restart() { last_.reset(); }

    /// One line each, "join, kick_user".
    [[nodiscard]] std::string missing() const {
        std::string lines;
        for (std::size_t a = 0; a < kinds; ++a)
            for (std::size_t b = 0; b < kinds; ++b)
                if (!seen_[a][b]) lines.append(kind_names[a]).append(", ").append(kind_names[b]).append("\n");
        return lines;
    }

private:
    static constexpr std::size_t kinds = kind_names.size();

    std::array<std::bitset<kinds>, kinds> seen_{};
    std::optional<Kind> last_{};
};

}  // namespace model
