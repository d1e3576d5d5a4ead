// observe/timeline.h
//
// A run's samples folded into a bounded number of stretches, each drawn as one point of a chart.
// A stretch keeps the lowest and the highest of what it covers, so that a spike of one sample is
// seen among a hundred thousand. Moments are seconds of running time: while no process was at work,
// time stands still.
//
// One thread.

#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "checkpoint/saved_run.h"

namespace backfill {

// What one figure was during a stretch.
struct Spread {
  double low = 0;
  double high = 0;
  double sum = 0;  // each value times the seconds that it held for
  double seconds = 0;

  bool is_known() const { return seconds > 0; }
  double mean() const { return sum / seconds; }
  void add(double value, double held_s);
};

struct Stretch {
  double begin_s = 0;
  double end_s = 0;
  double ended_at = 0;  // seconds since 1970
  Spread read_per_s;
  Spread written_per_s;
  Spread share;
  Spread batch_rows;
  Spread batch_ms;
  std::map<std::string, Spread> signals;
  Figures phases_ms;      // work in all of it
  std::string slowed_by;  // the reason of its lowest share; empty: none
  // At its end:
  double progress = 0;
  std::int64_t rows_read = 0;
  std::int64_t batches_retried = 0;
  std::int64_t rows_conflicts = 0;
  std::int64_t rows_rejected = 0;
};

// The workers rested all the time.
struct Pause {
  double begin_s = 0;
  double end_s = 0;
  double began_at = 0;  // seconds since 1970
  std::string reason;   // as it was first
};

// No process was at work.
struct Absence {
  double at_s = 0;
  double from = 0;  // seconds since 1970
  double until = 0;
};

// Running time in which the clock of the wall and that of the run went alike.
struct Segment {
  double begin_s = 0;
  double end_s = 0;
  double began_at = 0;  // seconds since 1970
};

class Timeline {
 public:
  static constexpr std::int64_t kStretchesMax = 240;  // one in four points of a wide screen

  explicit Timeline(std::int64_t sample_count) : sample_count_(sample_count) {}

  // The samples in their order, `sample_count` of them. Figures that cannot be, in a file that
  // somebody edited, are taken for zero, or for as much as a figure may be.
  void add(const Sample& sample);

  const std::vector<Stretch>& stretches() const { return stretches_; }
  const std::vector<Pause>& pauses() const { return pauses_; }
  const std::vector<Absence>& absences() const { return absences_; }
  const std::vector<Segment>& segments() const { return segments_; }
  double end_s() const { return stretches_.empty() ? 0 : stretches_.back().end_s; }

  // Of all of it.
  const Spread& read_per_s() const { return read_per_s_; }
  double fastest_at() const { return fastest_at_; }  // seconds since 1970
  const Figures& phases_ms() const { return phases_ms_; }

 private:
  struct Rate {
    double read = 0;
    double written = 0;
  };
  void follow_clock(double elapsed_s, const Sample& sample);
  void follow_rate(double elapsed_s, const Sample& sample);
  void follow_pause(double elapsed_s, const Sample& sample);
  Stretch& stretch_of_next();

  std::int64_t sample_count_;
  std::int64_t samples_ = 0;  // that were added
  std::vector<Stretch> stretches_;
  std::vector<Pause> pauses_;
  std::vector<Absence> absences_;
  std::vector<Segment> segments_;
  Spread read_per_s_;
  double fastest_at_ = 0;
  Figures phases_ms_;

  // Of the sample before.
  double elapsed_s_ = 0;
  double taken_at_ = 0;
  bool was_paused_ = false;
  // Where the rate was last looked at, and what it was.
  double rated_s_ = 0;
  double rated_read_ = 0;
  double rated_written_ = 0;
  Rate rate_;
};

}  // namespace backfill
