// support/stop_signal.h
//
// SIGHUP as a request to look at the job file again; SIGTERM and SIGINT as a request to stop. The
// first asks; the second ends the process at once by the signal itself, which is a crash, and a
// crash is safe.
//
// Make one before any other thread is started: signals are blocked in the whole process and
// taken by a thread of its own.

#pragma once

#include <atomic>
#include <functional>
#include <thread>

namespace backfill {

class StopSignal {
 public:
  // Calls on_first(signal number) in the signal thread when the first one arrives,
  // and on_hangup() at each SIGHUP, which without it does nothing.
  explicit StopSignal(std::function<void(int)> on_first, std::function<void()> on_hangup = nullptr);
  ~StopSignal();
  StopSignal(const StopSignal&) = delete;
  StopSignal& operator=(const StopSignal&) = delete;

 private:
  void take();
  int next() const;

  std::function<void(int)> on_first_;
  std::function<void()> on_hangup_;
  std::atomic<bool> closing_{false};
  std::thread thread_;
};

}  // namespace backfill
