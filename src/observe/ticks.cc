#include "observe/ticks.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <array>
#include <cmath>
#include <ctime>

#include "core/quantity_text.h"

namespace backfill {
namespace {

constexpr double kMarks = 4;
constexpr double kClockMarks = 6;
constexpr double kApartMin = 0.1;  // of the axis: a label's width on a phone
constexpr double kMinute = 60;
constexpr double kHour = 60 * kMinute;
constexpr double kDay = 24 * kHour;
constexpr std::array kRoundTimes = {
    1.0,      2.0,         5.0,         10.0,         15.0,         30.0,
    kMinute,  2 * kMinute, 5 * kMinute, 10 * kMinute, 15 * kMinute, 30 * kMinute,
    kHour,    2 * kHour,   3 * kHour,   6 * kHour,    12 * kHour,   kDay,
    2 * kDay, 7 * kDay,    14 * kDay,   28 * kDay,    91 * kDay,    364 * kDay};
// What a file that somebody edited may hold is no time of any calendar.
constexpr double kUnixMax_s = 4e9;

std::tm utc_of(double unix_s) {
  return fmt::gmtime(static_cast<std::time_t>(std::clamp(unix_s, 0.0, kUnixMax_s)));
}

double round_time(double span_s) {
  for (const double step : kRoundTimes) {
    if (span_s / step <= kClockMarks) return step;
  }
  return std::ceil(span_s / kClockMarks / kDay) * kDay;
}

std::string tick_text(double unix_s, double step_s) {
  if (step_s < kMinute) return fmt::format("{:%H:%M:%S}", utc_of(unix_s));
  return fmt::format("{:%H:%M}", utc_of(unix_s));
}

}  // namespace

Scale round_scale(double highest, bool whole) {
  if (!(highest > 0)) return {};
  if (whole && highest < kMarks) return {std::ceil(highest), 1};
  const double rough = highest / kMarks;
  const double magnitude = std::pow(10, std::floor(std::log10(rough)));
  double step = 10 * magnitude;
  for (const double times : {1.0, 2.0, 2.5, 5.0}) {
    const bool is_between = whole && times * magnitude != std::floor(times * magnitude);
    if (is_between) continue;
    if (rough <= times * magnitude * (1 + 1e-9)) {
      step = times * magnitude;
      break;
    }
  }
  return {std::ceil(highest / step - 1e-9) * step, step};
}

std::string figure_text(double figure, double step) {
  const double largest = std::max(std::abs(figure), step);
  if (largest >= 1e12) return fmt::format("{:.3g}", figure);
  if (step >= 1e5 && largest >= 1e6) return fmt::format("{:g} M", std::round(figure / 1e4) / 1e2);
  if (step >= 1 && step == std::floor(step)) return count_text(std::llround(figure));
  const int digits = static_cast<int>(std::clamp(std::ceil(-std::log10(step) - 1e-9), 0.0, 6.0));
  // A step of 2.5 or 0.25 has a digit more than its magnitude.
  const bool has_quarter =
      std::abs(std::round(step * std::pow(10, digits)) - step * std::pow(10, digits)) > 1e-6;
  return fmt::format("{:.{}f}", figure, digits + (has_quarter ? 1 : 0));
}

std::vector<ClockTick> clock_ticks(const std::vector<Segment>& segments) {
  std::vector<ClockTick> ticks;
  if (segments.empty()) return ticks;
  const double span_s = segments.back().end_s;
  const double step_s = round_time(span_s);
  std::string day;
  for (const Segment& segment : segments) {
    const double ended_at = segment.began_at + segment.end_s - segment.begin_s;
    for (double at = std::ceil(segment.began_at / step_s) * step_s; at <= ended_at; at += step_s) {
      const double at_s = segment.begin_s + at - segment.began_at;
      if (!ticks.empty() && at_s - ticks.back().at_s < kApartMin * span_s) continue;
      std::string today = fmt::format("{:%b %d}", utc_of(at));
      ticks.push_back({at_s, tick_text(at, step_s), today == day ? "" : today});
      day = std::move(today);
    }
  }
  return ticks;
}

std::string moment_text(double unix_s) {
  return fmt::format("{:%Y-%m-%d %H:%M:%S}", utc_of(unix_s));
}

std::string time_of_day(double unix_s) { return fmt::format("{:%H:%M:%S}", utc_of(unix_s)); }

}  // namespace backfill
