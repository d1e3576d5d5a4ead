#include "support/clock.h"

#include <condition_variable>
#include <ctime>
#include <mutex>

#include <fmt/chrono.h>

namespace backfill {

TimePoint SystemClock::now() const { return std::chrono::steady_clock::now(); }

bool SystemClock::wait(Duration duration, std::stop_token stop) {
  // Nobody notifies: only the stop token or the deadline ends the wait.
  std::mutex mutex;
  std::condition_variable_any never;
  std::unique_lock lock(mutex);
  never.wait_for(lock, stop, duration, [] { return false; });
  return !stop.stop_requested();
}

std::string utc_now() {
  const auto now =
      std::chrono::time_point_cast<std::chrono::milliseconds>(std::chrono::system_clock::now());
  const std::time_t seconds = std::chrono::system_clock::to_time_t(now);
  const auto milliseconds = now.time_since_epoch().count() % 1000;
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", fmt::gmtime(seconds), milliseconds);
}

}  // namespace backfill
