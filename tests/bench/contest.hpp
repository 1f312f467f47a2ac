// SPDX-License-Identifier: MIT
#pragma once

#include <benchmark/benchmark.h>
#include <time.h>

#include <cstddef>
#include <utility>
#include <vector>

#include "harness.hpp"

namespace bench {

/// What this thread has used of its core: other programs take time, but no
/// place in a figure.
inline double processor_seconds() {
    ::timespec time{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

/// Seconds of one call in each round, of ours and of the baseline.
struct Samples {
    std::vector<double> ours{}, theirs{};

    /// The median of the ratios within each round: what slows the machine for
    /// a while slows both sides of a ratio.
    double ratio() const {
        std::vector<double> ratios;
        for (std::size_t round = 0; round < ours.size(); ++round) ratios.push_back(ours[round] / theirs[round]);
        return median(std::move(ratios));
    }
};

/// One call as Google Benchmark measures it, in processor time of this thread.
/// The first turn, which is not kept, chooses how many calls take about 40 ms.
template <class Call>
class Contender : benchmark::BenchmarkReporter {
public:
    explicit Contender(Call call) : call_(std::move(call)) { (void)turn(); }

    /// Seconds of one call, after one that is not counted: what others left in
    /// the caches is nobody's merit.
    double turn() {
        benchmark::ClearRegisteredBenchmarks();
        auto* const measured = benchmark::RegisterBenchmark("turn", [this](benchmark::State& state) {
            call_();
            for (auto _ : state) call_();
        });
        if (calls_ != 0) measured->Iterations(calls_);
        else measured->MinTime(0.04);
        benchmark::RunSpecifiedBenchmarks(this, ".*");
        return seconds_;
    }

private:
    bool ReportContext(const Context&) override { return true; }
    void ReportRuns(const std::vector<Run>& runs) override {
        calls_ = runs.front().iterations;
        seconds_ = runs.front().cpu_accumulated_time / static_cast<double>(calls_);
    }

    Call call_;
    benchmark::IterationCount calls_ = 0;
    double seconds_ = 0;
};

/// Runs both in turn, A B A B, `rounds` times.
template <class Ours, class Theirs>
Samples compare(int rounds, Ours ours, Theirs theirs) {
    Contender<Ours> a(std::move(ours));
    Contender<Theirs> b(std::move(theirs));
    Samples samples;
    for (int round = 0; round < rounds; ++round) {
        samples.ours.push_back(a.turn());
        samples.theirs.push_back(b.turn());
    }
    return samples;
}

}  // namespace bench
