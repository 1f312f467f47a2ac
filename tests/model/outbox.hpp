// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <string>

#include "model/operation.hpp"

namespace model {

/// What is handed to one connection.
struct Letter {
    std::string text{};
    int room = none;         // whose traffic it is; none: the connection's own
    std::uint64_t stay = 0;  // and by which stay there
    roomcast::MessageClass message_class = roomcast::MessageClass::control;
    std::uint64_t seq = 0;   // numbered
    std::uint64_t key = 0;
    bool lasting = false;    // it is told even when that stay has ended
};

/// What waits for a busy connection: a list that is searched from end to end.
class Outbox {
public:
    struct Entry {
        Letter letter;
        Time since;              // when it came; of a gap, when its first message came
        std::uint64_t last = 0;  // of a gap, which is from letter.seq
        std::uint64_t missed = 0;

        [[nodiscard]] bool is_gap() const { return missed != 0; }
        [[nodiscard]] bool is_control() const { return letter.message_class == roomcast::MessageClass::control; }
    };
    using Entries = std::list<Entry>;

    Entries entries{};
    Time oldest{};            // since when the reader has made no progress
    std::uint64_t stamp = 0;  // of when it was made
    bool may_wait = true;     // it was not found too slow yet

    /// Messages and bytes, of control or of data.
    struct Size {
        std::size_t messages = 0, bytes = 0;
    };
    [[nodiscard]] Size size(bool control) const;

    /// Behind what waits already; answers whether something with its key made
    /// way.
    bool take_in(const Letter& letter, Time now);
    /// The message to lose; end(): there is none but control.
    [[nodiscard]] Entries::iterator least_valuable(roomcast::SlowReaders policy);
    /// Loses it; where it had a number, a gap is left.
    void give_up(Entries::iterator lost);
    /// A gap and those of its room between which nothing of it lies are one.
    void merge(Entries::iterator gap);
    /// A membership has ended.
    void forget(std::uint64_t stay);
    /// All but control.
    void forget_data();
};

}  // namespace model
