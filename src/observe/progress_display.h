// observe/progress_display.h
//
// Shows how far a run is: two lines that are drawn anew on a terminal, or one log line an
// interval elsewhere. It is the Log of a run as well, so that log lines come out whole, above the
// two. Safe from any thread.

#pragma once

#include <mutex>
#include <optional>
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

class ProgressDisplay : public Log {
 public:
  ProgressDisplay(ProgressStyle style, Log& log, const Clock& clock);
  ~ProgressDisplay() override { clear(); }
  ProgressDisplay(const ProgressDisplay&) = delete;
  ProgressDisplay& operator=(const ProgressDisplay&) = delete;

  void write(LogLevel level, std::string_view event, const Fields& fields = {}) override;
  bool writes(LogLevel level) const override { return log_.writes(level); }
  void set_run_id(const std::string& run_id) override { log_.set_run_id(run_id); }

  void show(const SavedRun& run);

  // Takes the lines off the terminal, before something else is printed.
  void clear();

 private:
  void draw();   // needs mutex_
  void erase();  // needs mutex_

  ProgressStyle style_;
  bool has_color_ = false;
  Log& log_;
  const Clock& clock_;

  std::mutex mutex_;
  // Guarded by mutex_.
  TimePoint shown_at_;
  std::optional<SavedRun> drawn_;
};

// `41 %  82,300 of about 200,000 rows  95,000 rows/s  1m10s to 1m30s left`; what is unknown is left
// out.
std::string progress_line(const SavedRun& run);

// `2 workers  share 0.50  pressure 0.62 replica_lag  batches of 1,000`, or, when it is paused, why.
std::string pace_line(const SavedRun& run);

// The first columns of a line; what a terminal would act on is taken out.
std::string fitted(const std::string& line, std::size_t columns);

// `12.3 s replica_lag, 2.0 s share`: what made workers rest, the longest first; empty: hardly
// anything did.
std::string rests_text(const SavedRun& run);

}  // namespace backfill
