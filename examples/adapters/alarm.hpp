// SPDX-License-Identifier: MIT
#pragma once

#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>

#include <chrono>
#include <functional>
#include <mutex>
#include <utility>

namespace roomcast::adapters {

/// Calls one function on the context's thread whenever it is due: at the time
/// that it returned last, or earlier when `wake` asked for it.
///
/// Thread safety: `wake` may be called by any thread, also by the function.
class Alarm {
public:
    using clock = std::chrono::steady_clock;

    explicit Alarm(asio::io_context& context) : context_(context), timer_(context) {}

    /// To be set before the context runs. It must not throw.
    void set(std::function<clock::time_point()> due) { due_ = std::move(due); }

    /// At this time at the latest; `time_point::max()` is never.
    void wake(clock::time_point when) noexcept {
        const std::lock_guard lock(mutex_);
        if (when >= next_) return;
        next_ = when;
        if (std::exchange(posted_, true)) return;
        try {
            asio::post(context_, [this] { arm(); });
        } catch (...) {  // out of memory: the next call tries again
            posted_ = false;
            next_ = clock::time_point::max();
        }
    }

private:
    void arm() {
        {
            const std::lock_guard lock(mutex_);
            posted_ = false;
            if (next_ == clock::time_point::max()) return;
            if (next_ > clock::now()) {
                timer_.expires_at(next_);
                timer_.async_wait([this](const asio::error_code& error) {
                    if (!error) arm();
                });
                return;
            }
            next_ = clock::time_point::max();
            timer_.cancel();
        }
        if (due_) wake(due_());
    }

    asio::io_context& context_;
    std::function<clock::time_point()> due_;
    asio::steady_timer timer_;  // of the context's thread
    std::mutex mutex_;          // guards what follows
    clock::time_point next_ = clock::time_point::max();
    bool posted_ = false;  // an `arm` is under way
};

}  // namespace roomcast::adapters
