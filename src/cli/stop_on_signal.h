// cli/stop_on_signal.h
//
// The first SIGTERM or SIGINT as a stop request, handed on to whatever is at work then, also when
// the work begins later; and whether there was a SIGHUP. Safe from any thread.

#pragma once

#include <atomic>
#include <csignal>
#include <functional>
#include <mutex>
#include <stop_token>
#include <string>
#include <utility>

#include "core/log.h"
#include "support/stop_signal.h"

namespace backfill {

class StopOnSignal {
 public:
  explicit StopOnSignal(Log& log)
      : log_(log),
        signal_(
            [this](int signal) {
              take(signal == SIGINT ? "stopped by SIGINT" : "stopped by SIGTERM");
            },
            [this] { has_hung_up_ = true; }) {}

  // Whether SIGHUP has come since this was asked before.
  bool take_hangup() { return has_hung_up_.exchange(false); }

  std::stop_token token() const { return stop_.get_token(); }

  // `stop` is called once, with the reason; until detach().
  void attach(std::function<void(const std::string&)> stop) {
    const std::lock_guard lock(mutex_);
    on_stop_ = std::move(stop);
    if (!reason_.empty()) on_stop_(reason_);
  }
  void detach() {
    const std::lock_guard lock(mutex_);
    on_stop_ = nullptr;
  }

 private:
  void take(const std::string& reason) {
    log_.write(LogLevel::info, "stop requested; batches in flight are finished",
               {{"reason", reason}});
    stop_.request_stop();
    const std::lock_guard lock(mutex_);
    reason_ = reason;
    if (on_stop_) on_stop_(reason);
  }

  Log& log_;
  std::stop_source stop_;
  std::atomic<bool> has_hung_up_ = false;
  std::mutex mutex_;
  std::function<void(const std::string&)> on_stop_;  // guarded by mutex_
  std::string reason_;                               // guarded by mutex_; empty: no signal yet
  StopSignal signal_;                                // last: its thread uses all of the above
};

}  // namespace backfill
