// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "model/operation.hpp"
#include "model/reference.hpp"

namespace model {

/// One registry's options, and who uses it.
struct Setting {
    Options options{};
    std::vector<int> encodings{};  // one for each connection
    std::size_t users = 6;
    std::size_t rooms = 5;
    bool reentrant = false;
    bool bursts = false;  // some operations come from within one callback
    bool short_turns = false;
    bool healthy = false;  // no send is refused or fails
};

Setting random_setting(roomcast::Membership membership, bool reentrant, Random& random);
std::string describe(const Setting& setting);

/// Draws operations that have a chance to do something.
class Generator {
public:
    Generator(const Setting& setting, Random& random) : setting_(setting), random_(random) {}

    Operation next(const Reference& reference, Time now, std::size_t counter);

private:
    Operation draw(const Reference& reference, Time now);
    void draw_join(Operation& op, const Reference& reference);
    void draw_room(Operation& op, Time now);
    void draw_reason(Operation& op);
    void draw_worth(Operation& op);
    Kind draw_kind();

    const Setting& setting_;
    Random& random_;
};

}  // namespace model
