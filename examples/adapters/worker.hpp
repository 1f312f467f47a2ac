// SPDX-License-Identifier: MIT
#pragma once

#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "roomcast/frame.hpp"

namespace roomcast::adapters {

class Worker;

/// Something that lives on one worker, whose thread alone calls these.
class Resident : public std::enable_shared_from_this<Resident> {
public:
    using clock = std::chrono::steady_clock;

    virtual ~Resident() = default;

protected:
    Resident() = default;
    Resident(const Resident&) = delete;
    Resident& operator=(const Resident&) = delete;

private:
    friend class Worker;

    /// A frame that another thread handed over.
    virtual void take(Frame frame) noexcept = 0;
    /// `Worker::attend` was called for it.
    virtual void attend() noexcept = 0;
    virtual void tick(clock::time_point now) noexcept = 0;
    /// The worker ends.
    virtual void cut() noexcept = 0;

    std::size_t index_ = 0;             // among the worker's residents
    std::atomic<bool> listed_ = false;  // waits to be attended to
    std::shared_ptr<Resident> next_;    // behind it in that list
};

/// One thread with an io_context of its own, what lives there, and what other
/// threads hand over to it: many frames for one wake-up.
///
/// Thread safety: `context`, `hand_over`, `attend` and `stop` may be called by
/// any thread, the others by the worker's own only (or before it runs).
class Worker {
public:
    using clock = Resident::clock;

    explicit Worker(clock::duration tick) : tick_(tick) {}

    /// The worker whose thread this is, or null.
    [[nodiscard]] static Worker* current() noexcept { return current_; }

    [[nodiscard]] asio::io_context& context() noexcept { return context_; }

    /// For whoever reads at the moment; its contents do not outlive the event.
    [[nodiscard]] std::array<char, 16 * 1024>& read_buffer() noexcept { return read_buffer_; }

    /// Works until `stop`.
    void run() {
        current_ = this;
        arm();
        context_.run();
        current_ = nullptr;
    }

    /// Cuts all residents, then ends `run`.
    void stop() {
        asio::post(context_, [this] {
            stopping_ = true;
            timer_.cancel();
            while (!residents_.empty()) {
                const auto resident = residents_.back();
                resident->cut();
                remove(*resident);
            }
            // Behind the completions that the cuts have caused.
            asio::post(context_, [this] {
                drain();
                context_.stop();
            });
        });
    }

    [[nodiscard]] bool stopping() const noexcept { return stopping_; }

    void add(std::shared_ptr<Resident> resident) {
        residents_.push_back(std::move(resident));
        residents_.back()->index_ = residents_.size() - 1;
    }

    /// Nothing happens when it is no resident (any more).
    void remove(Resident& resident) noexcept {
        const std::size_t index = resident.index_;
        if (index >= residents_.size() || residents_[index].get() != &resident) return;
        const auto keep = std::move(residents_[index]);
        if (index + 1 != residents_.size()) {
            residents_[index] = std::move(residents_.back());
            residents_[index]->index_ = index;
        }
        residents_.pop_back();
    }

    /// `resident.take(frame)` soon, in the order of these calls. Throws
    /// std::bad_alloc, and then nothing was handed over.
    void hand_over(std::shared_ptr<Resident> resident, Frame frame) {
        bool wake = false;
        {
            const std::lock_guard lock(mutex_);
            inbox_.emplace_back(std::move(resident), std::move(frame));
            wake = !std::exchange(woken_, true);
        }
        if (wake) wake_up();
    }

    /// `resident.attend()` soon, once for several calls, and after the frames
    /// that were handed over before. Needs no memory.
    void attend(Resident& resident) noexcept {
        if (resident.listed_.exchange(true, std::memory_order_acq_rel)) return;
        bool wake = false;
        {
            auto self = resident.shared_from_this();
            const std::lock_guard lock(mutex_);
            resident.next_ = std::exchange(listed_, std::move(self));
            wake = !std::exchange(woken_, true);
        }
        if (wake) wake_up();
    }

private:
    using Handed = std::pair<std::shared_ptr<Resident>, Frame>;

    void wake_up() noexcept {
        try {
            asio::post(context_, [this] { drain(); });
        } catch (...) {  // out of memory: the next call tries again, and every tick drains too
            const std::lock_guard lock(mutex_);
            woken_ = false;
        }
    }

    void drain() noexcept {
        std::shared_ptr<Resident> listed;
        {
            const std::lock_guard lock(mutex_);
            taken_.swap(inbox_);
            listed = std::move(listed_);
            woken_ = false;
        }
        for (auto& [resident, frame] : taken_) resident->take(std::move(frame));
        if (taken_.capacity() > 4096) taken_ = {};
        else taken_.clear();
        while (listed) {
            auto next = std::move(listed->next_);
            listed->listed_.store(false, std::memory_order_release);
            listed->attend();
            listed = std::move(next);
        }
    }

    void arm() {
        timer_.expires_after(tick_);
        timer_.async_wait([this](const asio::error_code& error) {
            if (error || stopping_) return;
            drain();
            const auto now = clock::now();
            // Backwards: whoever goes is replaced by one that was visited already.
            for (std::size_t i = residents_.size(); i-- > 0;) {
                if (i >= residents_.size()) continue;
                const auto resident = residents_[i];
                resident->tick(now);
            }
            arm();
        });
    }

    inline static thread_local constinit Worker* current_ = nullptr;

    asio::io_context context_{1};
    asio::executor_work_guard<asio::io_context::executor_type> guard_{context_.get_executor()};
    const clock::duration tick_;
    asio::steady_timer timer_{context_};
    std::vector<std::shared_ptr<Resident>> residents_;
    std::vector<Handed> taken_;  // being worked off; kept for its memory
    bool stopping_ = false;
    std::array<char, 16 * 1024> read_buffer_;

    std::mutex mutex_;  // guards what follows
    std::vector<Handed> inbox_;
    std::shared_ptr<Resident> listed_;
    bool woken_ = false;
};

}  // namespace roomcast::adapters
