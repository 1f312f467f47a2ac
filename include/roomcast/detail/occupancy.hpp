// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <cstdint>

#include "roomcast/config.hpp"

namespace roomcast::detail {

/// Who works in a room: nobody, whoever gives it a turn, or whoever is in it for
/// one message alone, an *express*, for which the lock is not needed. When
/// something comes during an express the room is *called*: whoever is in it gives
/// it a turn afterwards.
///
/// Thread safety: `begin_express` and `end_express` may be called by any thread, the rest
/// under the lock.
class Occupancy {
    enum class State : std::uint8_t { free, express, called, taken, ended };

public:
    /// Who gives a called room its turn.
    enum class Turn : std::uint8_t {
        ours,    ///< the caller, who has the room now
        theirs,  ///< whoever is in it, afterwards
        known,   ///< whoever has it already, or was to give it one anyway; nobody, once it has ended
    };

    /// The room needs a turn; once it has ended, nobody gives it one.
    Turn call() noexcept {
        for (State state = State::free;;) {  // an express may end meanwhile, or begin
            const bool express = state == State::express;
            if (state_.compare_exchange_strong(state, express ? State::called : State::taken,
                                               std::memory_order_acq_rel, std::memory_order_relaxed))
                return express ? Turn::theirs : Turn::ours;
            if (state != State::free && state != State::express) return Turn::known;
        }
    }
    /// For work under this hold of the lock; `give_back` comes next.
    [[nodiscard]] bool take() noexcept { return move(State::free, State::taken); }
    /// Nothing is left to be done. A room that does not live any more is never
    /// used again.
    void give_back(bool lives) noexcept {
        state_.store(lives ? State::free : State::ended, std::memory_order_release);
    }
    /// Nobody is to enter it any more; false: somebody is in it.
    bool end() noexcept { return move(State::free, State::ended); }

    /// It has a turn, or is to have one. An express alone does not count.
    [[nodiscard]] bool busy() const noexcept {
        const State state = state_.load(std::memory_order_relaxed);
        return state == State::called || state == State::taken;
    }
    /// Nobody works in it. An express may begin at any time.
    [[nodiscard]] bool free() const noexcept { return state_.load(std::memory_order_relaxed) == State::free; }

    /// Begins an express. What was done in the room before is seen from here on.
    [[nodiscard]] bool begin_express() noexcept { return move(State::free, State::express); }
    /// Ends it; false: the room was called, and is the caller's now, who has to
    /// give it its turn.
    [[nodiscard]] bool end_express() noexcept {
        if (move(State::express, State::free)) return true;
        state_.store(State::taken, std::memory_order_relaxed);  // the turn begins with the lock
        return false;
    }

private:
    // Acquire and release: who comes sees what was done in the room before.
    bool move(State from, State to) noexcept {
        return state_.compare_exchange_strong(from, to, std::memory_order_acq_rel, std::memory_order_relaxed);
    }

    ROOMCAST_ATOMIC<State> state_{State::free};
};

}  // namespace roomcast::detail
