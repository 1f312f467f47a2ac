// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
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
