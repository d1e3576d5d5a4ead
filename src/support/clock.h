// support/clock.h
//
// Time and waiting, behind a seam so that tests can hold both in their hands. Every wait
// ends at once when a stop is requested. Safe to use from any thread.

#pragma once

#include <chrono>
#include <optional>
#include <stop_token>
#include <string>

namespace backfill {

using Duration = std::chrono::nanoseconds;
using TimePoint = std::chrono::time_point<std::chrono::steady_clock, Duration>;

class Clock {
 public:
  virtual ~Clock() = default;
  // For measuring; never set back.
  virtual TimePoint now() const = 0;
  // The time of day, which may be set back; never measured with.
  virtual std::chrono::system_clock::time_point wall_time() const {
    return std::chrono::system_clock::now();
  }
  // Returns false when a stop ended the wait early.
  virtual bool wait(Duration duration, std::stop_token stop) = 0;
};

// The machine's clock.
class SystemClock : public Clock {
 public:
  TimePoint now() const override;
  bool wait(Duration duration, std::stop_token stop) override;
};

// The time of day as `2026-11-22T13:05:00.123Z`, for people and the checkpoint; never measured
// with.
std::string utc_now();

// Such a time in seconds since 1970; none when it is none.
std::optional<double> unix_time_of(const std::string& utc);

}  // namespace backfill
