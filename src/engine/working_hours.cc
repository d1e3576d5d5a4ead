#include "engine/working_hours.h"

#include <algorithm>

namespace backfill {

ThrottleLimits WorkingHours::limits(ThrottleLimits of_job, const Schedule& schedule) const {
  const WindowLimits of_window = schedule.limits(now());
  if (of_window.share_max) of_job.share_max = std::min(of_job.share_max, *of_window.share_max);
  if (of_window.latency_increase_max) of_job.latency_increase_max = *of_window.latency_increase_max;
  if (of_job.standstill || schedule.is_open(now())) return of_job;
  const auto opens = schedule.opens_after(now());
  of_job.standstill =
      Standstill{"window", "outside schedule.window" +
                               (opens ? "; opens at " + schedule.local_text(*opens) : "")};
  return of_job;
}

bool WorkingHours::are_over(const Schedule& schedule) {
  const bool is_open = schedule.is_open(now());
  if (is_open) has_been_open_ = true;
  return !is_open && has_been_open_;
}

WallTime WorkingHours::now() const {
  return std::chrono::floor<std::chrono::seconds>(clock_.wall_time());
}

}  // namespace backfill
