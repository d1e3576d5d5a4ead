// observe/sample_builder.h
//
// Samples of a run as a test wants them: one a step, ten rows a second. One thread.

#pragma once

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <string>
#include <vector>

#include "observe/timeline.h"

namespace backfill {

class SampleBuilder {
 public:
  static constexpr double kStart = 1795352400;  // 2026-11-22T13:00:00Z

  // The run goes on for `seconds`; then there is a sample, to be changed as wanted.
  Sample& after(double seconds) {
    Sample next = samples_.empty() ? Sample() : samples_.back();
    next.elapsed_s += seconds;
    next.rows_read += static_cast<std::int64_t>(seconds * 10);
    next.rows_written = next.rows_read;
    next.batch_size = 100;
    next.batch_ms = 20;
    next.taken_at = utc(kStart + away_s_ + next.elapsed_s);
    samples_.push_back(next);
    return samples_.back();
  }

  // No process is there for so long.
  void away(double seconds) { away_s_ += seconds; }

  Timeline timeline() const {
    Timeline timeline(static_cast<std::int64_t>(samples_.size()));
    for (const Sample& sample : samples_) timeline.add(sample);
    return timeline;
  }

  static std::string utc(double unix_s) {
    const auto whole = static_cast<std::time_t>(unix_s);
    const auto milliseconds = static_cast<int>((unix_s - static_cast<double>(whole)) * 1000);
    return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", fmt::gmtime(whole), milliseconds);
  }

 private:
  std::vector<Sample> samples_;
  double away_s_ = 0;
};

}  // namespace backfill
