// SPDX-License-Identifier: MIT
#include "simulation/scheduler.hpp"

#include <chrono>
#include <utility>

namespace simulation {

void hook(const char* what, std::uint64_t detail) noexcept { Scheduler::current().hook(what, detail); }
bool holds_lock() noexcept { return Scheduler::current().holds_lock(); }
std::uint64_t next_random() noexcept { return Scheduler::current().random().next(); }

void host_code(const char* what, std::uint64_t detail) noexcept {
    Scheduler& scheduler = Scheduler::current();
    if (scheduler.holds_lock()) scheduler.fail(std::string("code of the host runs under the lock: ") + what);
    scheduler.hook(what, detail);
}

void Mutex::lock() noexcept { Scheduler::current().lock(holder_); }
bool Mutex::try_lock() noexcept { return Scheduler::current().try_lock(holder_); }
void Mutex::unlock() noexcept { Scheduler::current().unlock(holder_); }

Scheduler& Scheduler::current() noexcept {
    static Scheduler scheduler;
    return scheduler;
}

void Scheduler::begin(std::uint64_t seed) {
    random_ = Random(seed);
    clock_ = {};
    fault_.clear();
    trace_.clear();
    held_ = {};
    hooks_ = 0;
    stuck_ = false;
}

void Scheduler::draw_strategy() {
    by_priority_ = random_.one_in(2);
    switch_one_in_ = random_.pick(1u, 2u, 8u);
    const std::size_t length = random_.pick(30u, 100u, 300u);
    const std::size_t depth = random_.below(changes_.size() + 1);
    for (std::size_t i = 0; i < changes_.size(); ++i) changes_[i] = i < depth ? 1 + random_.below(length) : 0;
    lowest_ = 1000;
    for (std::size_t i = 0; i < count_; ++i) threads_[i].priority = lowest_ + i;
    for (std::size_t i = count_; i > 1; --i) std::swap(threads_[i - 1].priority, threads_[random_.below(i)].priority);
}

bool Scheduler::run(const std::vector<Body>& bodies) {
    count_ = bodies.size();
    for (std::size_t i = 0; i < count_; ++i) {
        Thread& thread = threads_[i];
        if (!thread.fiber) thread.fiber = std::make_unique<Fiber>(&Scheduler::live);
        thread.body = &bodies[i];
        thread.waits_for = nullptr;
        thread.done = false;
    }
    draw_strategy();
    if (Thread* first = choose()) {
        thread_ = static_cast<int>(first - threads_.data());
        Fiber::change(outside_, *first->fiber);
    }
    thread_ = -1;
    if (!stuck_) return true;
    // What stands on these stacks can neither go on nor be undone.
    for (Thread& thread : threads_) abandoned_.push_back(std::move(thread.fiber));
    return false;
}

void Scheduler::live() noexcept {
    Scheduler& self = current();
    for (;;) {
        Thread& me = self.threads_[static_cast<std::size_t>(self.thread_)];
        (*me.body)();
        me.done = true;
        Thread* const next = self.choose();
        if (!next) {
            for (std::size_t i = 0; i < self.count_; ++i)
                if (!self.threads_[i].done) self.give_up("deadlock: every thread waits for the lock");
            Fiber::change(*me.fiber, self.outside_);
        } else {
            self.go_on_with(next);
        }
    }
}

void Scheduler::fail(std::string fault) {
    if (fault_.empty()) fault_ = std::move(fault);
}

void Scheduler::give_up(std::string fault) noexcept {
    fail(std::move(fault));
    stuck_ = true;
    Thread& me = threads_[static_cast<std::size_t>(thread_)];
    Fiber::change(*me.fiber, outside_);
}

Scheduler::Thread* Scheduler::choose() noexcept {
    if (by_priority_) {
        Thread* best = nullptr;
        for (std::size_t i = 0; i < count_; ++i) {
            Thread& t = threads_[i];
            if (!t.done && !t.waits_for && (!best || t.priority > best->priority)) best = &t;
        }
        return best;
    }
    std::array<Thread*, most_threads> ready{};
    std::size_t n = 0;
    for (std::size_t i = 0; i < count_; ++i)
        if (!threads_[i].done && !threads_[i].waits_for) ready[n++] = &threads_[i];
    return n == 0 ? nullptr : n == 1 ? ready[0] : ready[random_.below(n)];
}

void Scheduler::go_on_with(Thread* next) noexcept {
    Thread& me = threads_[static_cast<std::size_t>(thread_)];
    if (next == &me) return;
    const int mine = thread_;
    thread_ = static_cast<int>(next - threads_.data());
    Fiber::change(*me.fiber, *next->fiber);
    thread_ = mine;
}

void Scheduler::hook(const char* what, std::uint64_t detail) noexcept {
    note(what, detail);
    if (thread_ < 0) return;
    if (++hooks_ > most_hooks) return give_up("a schedule without end");
    if (random_.one_in(64)) clock_.advance(std::chrono::milliseconds(1 + random_.below(4)));
    if (by_priority_) {
        for (const std::size_t change : changes_)
            if (change == hooks_) threads_[static_cast<std::size_t>(thread_)].priority = --lowest_;
    } else if (switch_one_in_ != 1 && !random_.one_in(switch_one_in_)) {
        return;
    }
    go_on_with(choose());
}

void Scheduler::lock(int& holder) noexcept {
    hook("lock", ~std::uint64_t{0});
    while (holder != -1) {
        if (thread_ < 0 || holder == static_cast<int>(place(thread_))) {
            fail("the lock is taken twice, or for ever");
            if (thread_ < 0) std::abort();
        }
        Thread& me = threads_[static_cast<std::size_t>(thread_)];
        me.waits_for = &holder;
        Thread* const next = choose();
        if (!next) return give_up("deadlock: every thread waits for the lock");
        go_on_with(next);
    }
    holder = static_cast<int>(place(thread_));
    ++held_[place(thread_)];
}

bool Scheduler::try_lock(int& holder) noexcept {
    hook("try_lock", ~std::uint64_t{0});
    if (holder != -1) return false;
    holder = static_cast<int>(place(thread_));
    ++held_[place(thread_)];
    return true;
}

void Scheduler::unlock(int& holder) noexcept {
    if (holder != static_cast<int>(place(thread_))) fail("the lock is given back by another thread");
    holder = -1;
    --held_[place(thread_)];
    for (std::size_t i = 0; i < count_; ++i)
        if (threads_[i].waits_for == &holder) threads_[i].waits_for = nullptr;
    hook("unlock", ~std::uint64_t{0});
}

}  // namespace simulation
