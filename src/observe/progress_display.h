// observe/progress_display.h
//
// Shows how far a run is: one line that is drawn anew on a terminal, or one log line an
// interval elsewhere. One thread.

#pragma once

#include <string>

#include "checkpoint/saved_run.h"
#include "core/log.h"
#include "support/clock.h"

namespace backfill {

enum class ProgressStyle {
  automatic,  // bar on a terminal, else log
  bar,
  log,
  none,
};

class ProgressDisplay {
 public:
  ProgressDisplay(ProgressStyle style, Log& log, const Clock& clock);
  ~ProgressDisplay() { clear(); }
  ProgressDisplay(const ProgressDisplay&) = delete;
  ProgressDisplay& operator=(const ProgressDisplay&) = delete;

  void show(const SavedRun& run);

  // Takes the line off the terminal, before something else is printed.
  void clear();

 private:
  ProgressStyle style_;
  Log& log_;
  const Clock& clock_;
  TimePoint shown_at_;
  bool is_drawn_ = false;
};

// `41 %  82,300 of about 200,000 rows  95,000 rows/s  1m10s to 1m30s left`; what is unknown is left
// out.
std::string progress_line(const SavedRun& run);

// `250 ms`, `4.2 s`, `1m10s`, `2h05m`
std::string duration_text(double seconds);

// `82,300`
std::string count_text(std::int64_t count);

}  // namespace backfill
