#include "support/clock.h"

#include <condition_variable>
#include <ctime>
#include <iomanip>
#include <mutex>
#include <sstream>

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

std::optional<double> unix_time_of(const std::string& utc) {
  std::istringstream text(utc);
  std::tm time{};
  text >> std::get_time(&time, "%Y-%m-%dT%H:%M:%S");
  double fraction = 0;
  if (text.peek() == '.') text >> fraction;
  if (!text || text.get() != 'Z') return std::nullopt;
  return static_cast<double>(timegm(&time)) + fraction;
}

}  // namespace backfill
