// engine/progress.h
//
// How far a run is, how fast, and when it will be done: as a range from this process's own
// rate, unknown rather than guessed.
//
// Not thread-safe: the Recorder guards it.

#pragma once

#include <cstdint>
#include <deque>
#include <optional>

#include "checkpoint/saved_run.h"
#include "support/clock.h"

namespace backfill {

class Progress {
 public:
  // `before`: the run as it was when this process took it up.
  Progress(const SavedRun& before, const Clock& clock);

  // Fills the figures of `run` that follow from its counts and the time: elapsed, progress,
  // rate, time left.
  void update(SavedRun& run);

 private:
  struct Point {
    TimePoint at;
    std::int64_t rows;
  };

  std::optional<double> recent_rate() const;

  const Clock& clock_;
  const TimePoint began_;
  const double elapsed_before_s_;
  const std::int64_t rows_before_;
  std::deque<Point> recent_;  // of the last half minute; bounded by its spacing
};

}  // namespace backfill
