// observe/metrics.h
//
// What a run or a `verify` says of itself in numbers, in Prometheus' text format: counts and gauges
// from the run's own snapshots, durations from its batches as they end. What is not known is left
// out, never guessed. Safe from any thread.

#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "checkpoint/saved_run.h"
#include "core/chunk.h"
#include "support/clock.h"

namespace backfill {

// What the last pass of `verify` found, and those before it.
struct Discrepancies {
  std::int64_t missing = 0;    // from the target
  std::int64_t extra = 0;      // in the target
  std::int64_t different = 0;  // from transform(source)
  // When a whole pass last found nothing, in seconds since 1970.
  std::optional<double> clean_at = std::nullopt;
  // Those that came up within the last hour, while pass after pass went on.
  std::optional<std::int64_t> drift_within_hour = std::nullopt;
};

class Metrics {
 public:
  explicit Metrics(const std::string& job);

  // A batch has come to its end in the target.
  void observe(const ChunkReport& report);
  // The checkpoint was written.
  void observe_checkpoint(Duration duration);

  // The run as it is now. Its counts go on from the checkpoint, so a resumed run's do not start
  // at 0 again.
  void show(const SavedRun& run);
  void show(const Discrepancies& discrepancies);

  // Nobody works any more.
  void end();
  // A run of this job has ended with exit code 0, at this time of day.
  void succeeded_at(double unix_s);

  // False until something was shown: there is nothing to tell yet.
  bool has_run() const;

  std::string text() const;

 private:
  // Observed durations, each counted in the first bucket that is not below it.
  struct Histogram {
    static constexpr auto bounds_s = std::to_array<double>(
        {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60});

    void observe(double seconds);

    std::array<std::uint64_t, bounds_s.size() + 1> counts{};
    double sum_s = 0;
  };

  void observe_phase(std::string_view phase, Duration duration);  // needs mutex_
  void append_counts(std::string& text) const;
  void append_durations(std::string& text) const;
  void append_gauges(std::string& text) const;
  void append_times(std::string& text) const;
  void append_discrepancies(std::string& text) const;

  const std::string job_label_;

  mutable std::mutex mutex_;
  // Guarded by mutex_.
  std::optional<SavedRun> run_;
  double began_at_;
  bool is_running_ = false;
  std::map<std::string_view, Histogram> phases_;
  std::optional<double> committed_at_;
  std::optional<double> succeeded_at_;
  std::optional<Discrepancies> discrepancies_;
};

// The time of day in seconds since 1970.
double unix_time();

}  // namespace backfill
