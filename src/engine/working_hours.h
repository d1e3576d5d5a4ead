// engine/working_hours.h
//
// What a job's windows mean to work that goes on: it waits until one opens, keeps to its limits,
// and is over when it closes.
//
// One thread.

#pragma once

#include "schedule/window.h"
#include "support/clock.h"
#include "throttle/controller.h"

namespace backfill {

inline constexpr const char* kWindowClosed = "schedule.window has closed";

class WorkingHours {
 public:
  explicit WorkingHours(const Clock& clock) : clock_(clock) {}

  // What is allowed at this time of day of what the job allows; a standstill outside of windows.
  ThrottleLimits limits(ThrottleLimits of_job, const Schedule& schedule) const;

  // To be asked from the beginning of the work, again and again: true where a window was open
  // before, and none is any more.
  bool are_over(const Schedule& schedule);

 private:
  WallTime now() const;

  const Clock& clock_;
  bool has_been_open_ = false;
};

}  // namespace backfill
