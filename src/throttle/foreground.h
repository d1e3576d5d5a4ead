// throttle/foreground.h
//
// How the others on a server fare with batches of ours and without, from what a probe of it has
// found of late, and what that says of how hard we may work. One thread.

#pragma once

#include <optional>
#include <vector>

#include "core/sensor.h"
#include "support/clock.h"
#include "throttle/contrast.h"
#include "throttle/controller.h"

namespace backfill {

class Foreground {
 public:
  // So many samples without anybody tell that nobody is there.
  Foreground(int samples_to_tell, TimePoint now);

  // What of ours a sample was taken beside.
  enum class Ours { batch, none, unclear };
  void add(const ForegroundSample& sample, Ours ours, TimePoint now);

  int samples() const { return samples_; }  // so far
  bool is_somebody_there() const { return is_somebody_there_; }
  // Whether all that it shows can be compared; growth waits for it.
  bool is_known(TimePoint now) const;
  // Too little is known of how others fare without us.
  bool lacks_base(TimePoint now) const;
  // Of others without us, one time in ten; zero: not known.
  Duration usual_wait() const;

  // What steers. Others may fare worse by `increase_max` (0.2: a fifth), which all backfills at
  // work on the server share; batches of ours run for the part `busy` of the time.
  std::vector<Signal> signals(double busy, double increase_max, TimePoint now) const;

 private:
  // A statement like others', asked by the probe.
  struct Statement {
    bool is_shown = false;
    Contrast seconds;
    SlowValues slow;  // without us
    Surge surge;      // of slow ones

    void add(const std::optional<double>& sample, bool had_batches, TimePoint now);
    bool is_known(TimePoint now) const { return seconds.is_known(now) && slow.tenth(); }
  };

  double part_that_writes() const;

  const int samples_to_tell_;
  const TimePoint began_;
  Statement commits_;
  Statement reads_;
  Contrast active_;     // sessions
  RecentMean at_work_;  // the same, whatever of ours ran
  RecentMean writing_;  // those of them that write
  TimePoint sampled_at_;
  TimePoint somebody_at_;
  bool is_somebody_there_;
  bool shows_active_ = false;
  bool shows_writing_ = false;
  int samples_ = 0;
  int backfills_ = 1;  // that share what others may lose
};

}  // namespace backfill
