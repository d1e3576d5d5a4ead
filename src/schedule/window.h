// schedule/window.h
//
// When a job may work: times of day on days of the week, in a time zone.
//
//   Mon-Fri 22:00-06:00 share=0.5; Sat,Sun 00:00-24:00 max_latency_increase=1
//
// A window belongs to the day on which it opens, and may end on the next. Where clocks are set
// forward, a time that is left out stands for the moment of the change; where they are set back,
// a window opens with the first of two equal times and closes with the last. Windows that touch
// are one.
//
// Constant once made; safe from any thread. Asks the machine's zone files.

#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace backfill {

using WallTime = std::chrono::time_point<std::chrono::system_clock, std::chrono::seconds>;

// What the throttle is allowed while a window is open; none: what the job says.
struct WindowLimits {
  std::optional<double> share_max;
  std::optional<double> latency_increase_max;

  bool operator==(const WindowLimits&) const = default;
};

struct Window {
  unsigned days = 0x7f;  // a bit for each on which it opens, Sunday the lowest
  std::chrono::minutes opens{0};
  std::chrono::minutes closes{0};  // of the same day, or of the next when not above `opens`
  WindowLimits limits;
};

// None when the text says no windows.
std::optional<std::vector<Window>> parse_windows(std::string_view text);

class Schedule {
 public:
  // Always open.
  Schedule() = default;
  // `text` as parse_windows() takes it, empty for always; `zone` an IANA name. Throws
  // Error(ExitCode::usage).
  Schedule(const std::string& text, const std::string& zone);

  bool is_limited() const { return !windows_.empty(); }

  bool is_open(WallTime now) const;
  // Of the windows that are open, those of the first as it was written.
  WindowLimits limits(WallTime now) const;
  // When a window opens next, while none is open; none: not within weeks.
  std::optional<WallTime> opens_after(WallTime now) const;
  // When no window is open any more, while one is; none: not within weeks.
  std::optional<WallTime> closes_after(WallTime now) const;

  // `2026-11-23 22:00 Europe/Berlin`
  std::string local_text(WallTime time) const;

 private:
  // From its opening until its end, which is not in it.
  struct Opening {
    WallTime from;
    WallTime to;
    const Window* window;
  };

  // In order of their beginning, of the days around this one and of weeks to come.
  std::vector<Opening> openings_around(WallTime now) const;

  std::vector<Window> windows_;
  std::string timezone_ = "UTC";
};

}  // namespace backfill
