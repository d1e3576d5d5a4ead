// tests/support/manual_clock.h
//
// Time that moves only when the test says so, or when somebody waits: a wait moves it on at
// once and is written down. Waits of `holds_from` or longer are held instead, until the test
// has moved the time on far enough, or a stop was requested. Safe from any thread.

#pragma once

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <vector>

#include "support/clock.h"

namespace backfill {

class ManualClock : public Clock {
 public:
  explicit ManualClock(std::optional<Duration> holds_from = std::nullopt)
      : holds_from_(holds_from) {}

  TimePoint now() const override {
    const std::lock_guard lock(mutex_);
    return now_;
  }

  std::chrono::system_clock::time_point wall_time() const override {
    const std::lock_guard lock(mutex_);
    return wall_time_;
  }

  void set_wall_time(std::chrono::system_clock::time_point time) {
    const std::lock_guard lock(mutex_);
    wall_time_ = time;
  }

  bool wait(Duration duration, std::stop_token stop) override {
    std::unique_lock lock(mutex_);
    if (stop.stop_requested()) return false;
    waits_.push_back(duration);
    const TimePoint until = now_ + duration;
    if (holds_from_ && duration >= *holds_from_) {
      return changed_.wait(lock, stop, [&] { return now_ >= until; });
    }
    now_ = until;
    changed_.notify_all();
    return true;
  }

  void advance(Duration duration) {
    const std::lock_guard lock(mutex_);
    now_ += duration;
    changed_.notify_all();
  }

  // What was waited for, in order.
  std::vector<Duration> waits() const {
    const std::lock_guard lock(mutex_);
    return waits_;
  }

 private:
  const std::optional<Duration> holds_from_;
  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  TimePoint now_{std::chrono::hours(1)};             // guarded by mutex_
  std::vector<Duration> waits_;                      // guarded by mutex_
  std::chrono::system_clock::time_point wall_time_;  // guarded by mutex_
};

}  // namespace backfill
