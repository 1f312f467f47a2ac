// SPDX-License-Identifier: MIT
#pragma once

#include "simulation/hooks.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "roomcast/testing/manual_clock.hpp"
#include "simulation/fiber.hpp"
#include "support/random.hpp"

namespace simulation {

using tests::Random;

/// Runs logical threads on one thread of the system, and decides at each hook
/// who goes on, by one of two strategies that a schedule draws:
///
/// *uniform*: any of those who can, with equal chances, at each hook or only at
/// every second or eighth, so that some schedules have long runs;
/// *PCT* (Burckhardt et al., "A randomized scheduler with probabilistic
/// guarantees of finding bugs", 2010): threads have random priorities, the
/// highest runs, and at few random hooks it becomes the lowest. That finds
/// faults which need one thread to stand still for long.
class Scheduler {
public:
    static constexpr std::size_t most_threads = 4;
    static constexpr std::size_t most_hooks = 50'000;  // more is a schedule without end
    using Body = std::function<void()>;

    struct Step {
        int thread;  // -1: the host's own thread, before or after the schedule
        const char* what;
        std::uint64_t detail;
        friend bool operator==(const Step&, const Step&) = default;
    };

    /// What runs in the process.
    static Scheduler& current() noexcept;

    /// A new schedule: its random numbers and its clock.
    void begin(std::uint64_t seed);
    /// Runs the bodies to their end. False: they cannot come to it (`fault`
    /// says why); what they used must be kept for ever then.
    bool run(const std::vector<Body>& bodies);

    /// The first thing that went wrong; further ones are forgotten.
    void fail(std::string fault);
    [[nodiscard]] const std::string& fault() const noexcept { return fault_; }

    [[nodiscard]] Random& random() noexcept { return random_; }
    [[nodiscard]] roomcast::testing::ManualClock& clock() noexcept { return clock_; }
    [[nodiscard]] const std::vector<Step>& trace() const noexcept { return trace_; }
    void note(const char* what, std::uint64_t detail) { trace_.push_back({thread_, what, detail}); }
    [[nodiscard]] int thread() const noexcept { return thread_; }
    [[nodiscard]] bool holds_lock() const noexcept { return held_[place(thread_)] != 0; }

    // For hooks.hpp.
    void hook(const char* what, std::uint64_t detail) noexcept;
    void lock(int& holder) noexcept;
    bool try_lock(int& holder) noexcept;
    void unlock(int& holder) noexcept;

private:
    struct Thread {
        std::unique_ptr<Fiber> fiber;
        const Body* body = nullptr;
        const int* waits_for = nullptr;  // a mutex's holder
        bool done = true;
        std::size_t priority = 0;
    };

    static std::size_t place(int thread) noexcept { return static_cast<std::size_t>(thread + 1); }
    static void live() noexcept;
    void draw_strategy();
    /// Who goes on; null: nobody can.
    Thread* choose() noexcept;
    void go_on_with(Thread* next) noexcept;
    void give_up(std::string fault) noexcept;

    Fiber outside_;
    std::array<Thread, most_threads> threads_;
    std::vector<std::unique_ptr<Fiber>> abandoned_;
    std::size_t count_ = 0;
    int thread_ = -1;
    std::array<int, most_threads + 1> held_{};
    std::size_t hooks_ = 0;
    bool stuck_ = false;

    bool by_priority_ = false;
    std::size_t switch_one_in_ = 1;
    std::array<std::size_t, 4> changes_{};
    std::size_t lowest_ = 0;

    Random random_;
    roomcast::testing::ManualClock clock_;
    std::string fault_;
    std::vector<Step> trace_;
};

}  // namespace simulation
