// SPDX-License-Identifier: MIT
#pragma once

#include <time.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace bench {

inline double median(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    const std::size_t half = values.size() / 2;
    return values.size() % 2 != 0 ? values[half] : (values[half - 1] + values[half]) / 2;
}

/// What this thread has used of its core: other programs take time, but no
/// place in a figure.
inline double processor_seconds() {
    ::timespec time{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

/// Seconds of one call in each round, by contender.
template <std::size_t Contenders>
struct Samples {
    std::array<std::vector<double>, Contenders> seconds;

    double typical(std::size_t contender) const { return median(seconds[contender]); }

    /// The median of the ratios within each round: what slows the machine for
    /// a while slows both sides of a ratio.
    double ratio(std::size_t contender, std::size_t against) const {
        std::vector<double> ratios;
        for (std::size_t round = 0; round < seconds[contender].size(); ++round)
            ratios.push_back(seconds[contender][round] / seconds[against][round]);
        return median(std::move(ratios));
    }
};

/// Runs the contenders in turn, A B A B, `rounds` times. Each is called
/// often enough in its turn to take about `least`, after one call that is not
/// counted: what the one before left in the caches is nobody's merit.
template <class... Contender>
Samples<sizeof...(Contender)> interleave(int rounds, std::chrono::duration<double> least,
                                         Contender&&... contender) {
    const auto turn = [](auto& call, std::size_t times) {
        const double start = processor_seconds();
        for (std::size_t i = 0; i < times; ++i) call();
        return processor_seconds() - start;
    };
    const auto times_needed = [&](auto& call) {
        std::size_t times = 1;
        while (true) {
            const double taken = turn(call, times);
            if (taken >= least.count()) return times;
            times = taken * 10 < least.count()
                        ? times * 10
                        : static_cast<std::size_t>(static_cast<double>(times) * least.count() / taken) + 1;
        }
    };
    const std::array<std::size_t, sizeof...(Contender)> times{times_needed(contender)...};
    Samples<sizeof...(Contender)> samples;
    for (int round = 0; round < rounds; ++round) {
        std::size_t index = 0;
        const auto measure = [&](auto& call) {
            call();
            samples.seconds[index].push_back(turn(call, times[index]) / static_cast<double>(times[index]));
            ++index;
        };
        (measure(contender), ...);
    }
    return samples;
}

/// While one lives, the process has a second thread. libstdc++ counts
/// shared_ptr references without atomics as long as there is only one, which
/// no server has.
class SecondThread {
public:
    SecondThread()
        : thread_([this] {
              std::unique_lock lock(mutex_);
              ended_.wait(lock, [this] { return end_; });
          }) {}
    SecondThread(const SecondThread&) = delete;
    SecondThread& operator=(const SecondThread&) = delete;
    ~SecondThread() {
        {
            const std::lock_guard lock(mutex_);
            end_ = true;
        }
        ended_.notify_one();
        thread_.join();
    }

private:
    std::mutex mutex_;
    std::condition_variable ended_;
    bool end_ = false;
    std::thread thread_;
};

/// A measurement of something that did not happen as it should is none.
inline void require(bool holds, const char* what) {
    if (holds) return;
    std::fprintf(stderr, "benchmark fault: %s\n", what);
    std::exit(1);
}

/// One row of the table: measurement, load, baseline, roomcast's figure, the
/// baseline's figure, the largest ratio that is accepted ("" for none), ratio.
inline void print_row(const std::string& measurement, const std::string& load, const std::string& baseline,
                      double ours, double theirs, const char* unit, const char* must, double ratio) {
    std::printf("| %s | %s | %s | %.4g %s | %.4g %s | %s | %.2f |\n", measurement.c_str(), load.c_str(),
                baseline.c_str(), ours, unit, theirs, unit, must, ratio);
    std::fflush(stdout);
}

/// 1234567 as 1,234,567.
inline std::string grouped(std::size_t number) {
    std::string text = std::to_string(number);
    for (std::size_t at = text.size(); at > 3;) text.insert(at -= 3, 1, ',');
    return text;
}

}  // namespace bench
