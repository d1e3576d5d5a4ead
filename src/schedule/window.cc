#include "schedule/window.h"

#include <date/tz.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <exception>

#include "core/error.h"

namespace backfill {
namespace {

using std::chrono::minutes;

constexpr std::array<std::string_view, 7> kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
constexpr minutes kDay{24 * 60};
constexpr int kDaysBack = 2;    // a window of the day before may still be open
constexpr int kDaysAhead = 15;  // of a weekly window, one may fall into a change of clocks
constexpr double kLatencyIncreaseMax = 100;

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

// Takes what stands in front of the mark, and leaves what stands behind it.
std::string_view take_until(std::string_view& text, char mark) {
  const std::size_t at = text.find(mark);
  const std::string_view front = text.substr(0, at);
  text = at == text.npos ? std::string_view() : text.substr(at + 1);
  return front;
}

std::optional<int> day_of(std::string_view text) {
  const auto found = std::find(kDays.begin(), kDays.end(), text);
  if (found == kDays.end()) return std::nullopt;
  return static_cast<int>(found - kDays.begin());
}

// `Mon`, `Mon-Fri`, `Fri-Mon`, `Mon,Wed-Fri`.
std::optional<unsigned> days_of(std::string_view text) {
  unsigned days = 0;
  if (text.empty() || text.back() == ',') return std::nullopt;
  while (!text.empty()) {
    std::string_view item = take_until(text, ',');
    const bool is_range = item.find('-') != item.npos;
    const auto first = day_of(take_until(item, '-'));
    const auto last = is_range ? day_of(item) : first;
    if (!first || !last) return std::nullopt;
    for (int day = *first;; day = (day + 1) % 7) {
      days |= 1U << day;
      if (day == *last) break;
    }
  }
  return days;
}

std::optional<int> number_of(std::string_view text) {
  int number = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failure != std::errc() || end != text.data() + text.size() || text.front() == '-')
    return std::nullopt;
  return number;
}

// `22:00`; 24:00 is the end of the day.
std::optional<minutes> time_of_day(std::string_view text) {
  if (text.size() != 5 || text[2] != ':') return std::nullopt;
  const auto hour = number_of(text.substr(0, 2));
  const auto minute = number_of(text.substr(3));
  if (!hour || !minute || *minute > 59) return std::nullopt;
  const minutes time(*hour * 60 + *minute);
  return time > kDay ? std::nullopt : std::optional(time);
}

// `share=0.5`
bool take_limit(std::string_view text, WindowLimits& limits) {
  const std::string_view name = take_until(text, '=');
  double value = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failure != std::errc() || end != text.data() + text.size() || !(value >= 0)) return false;
  if (name == "share" && value <= 1 && !limits.share_max) {
    limits.share_max = value;
    return true;
  }
  if (name == "max_latency_increase" && value <= kLatencyIncreaseMax &&
      !limits.latency_increase_max) {
    limits.latency_increase_max = value;
    return true;
  }
  return false;
}

std::optional<Window> parse_window(std::string_view text) {
  Window window;
  std::string_view word = take_until(text, ' ');
  if (word.find(':') == word.npos) {
    const auto days = days_of(word);
    if (!days) return std::nullopt;
    window.days = *days;
    word = take_until(text, ' ');
  }
  const auto opens = time_of_day(take_until(word, '-'));
  const auto closes = time_of_day(word);
  if (!opens || !closes || *opens >= kDay || opens == closes) return std::nullopt;
  window.opens = *opens;
  window.closes = *closes;
  while (!text.empty()) {
    if (!take_limit(take_until(text, ' '), window.limits)) return std::nullopt;
  }
  return window;
}

// UTC needs no zone files, which a small image may lack.
const date::time_zone* zone_of(const std::string& name) {
  return name == "UTC" ? nullptr : date::locate_zone(name);
}

date::local_seconds to_local(const date::time_zone* zone, WallTime time) {
  return zone == nullptr ? date::local_seconds(time.time_since_epoch()) : zone->to_local(time);
}

WallTime to_wall(const date::time_zone* zone, date::local_seconds time, date::choose choose) {
  return zone == nullptr ? WallTime(time.time_since_epoch()) : zone->to_sys(time, choose);
}

}  // namespace

std::optional<std::vector<Window>> parse_windows(std::string_view text) {
  std::vector<Window> windows;
  text = trimmed(text);
  if (text.empty() || text.back() == ';') return std::nullopt;
  while (!text.empty()) {
    const auto window = parse_window(trimmed(take_until(text, ';')));
    if (!window) return std::nullopt;
    windows.push_back(*window);
  }
  return windows;
}

Schedule::Schedule(const std::string& text, const std::string& zone) : timezone_(zone) {
  if (text.empty()) return;
  const auto windows = parse_windows(text);
  if (!windows) {
    throw Error(ExitCode::usage, fmt::format("schedule.window = \"{}\" says no times", text));
  }
  windows_ = *windows;
  try {
    zone_of(timezone_);
  } catch (const std::exception& error) {
    throw Error(ExitCode::usage,
                fmt::format("schedule.timezone = \"{}\": {}; zones come with the package tzdata",
                            timezone_, error.what()));
  }
}

std::vector<Schedule::Opening> Schedule::openings_around(WallTime now) const {
  const date::time_zone* zone = zone_of(timezone_);
  const auto today = date::floor<date::days>(to_local(zone, now));
  std::vector<Opening> openings;
  for (int ahead = -kDaysBack; ahead <= kDaysAhead; ++ahead) {
    const date::local_days day = today + date::days(ahead);
    const unsigned weekday = date::weekday(day).c_encoding();
    for (const Window& window : windows_) {
      if ((window.days >> weekday & 1U) == 0) continue;
      const minutes length = window.closes - window.opens;
      const minutes closes = window.closes + (length > minutes(0) ? minutes(0) : kDay);
      const WallTime from = to_wall(zone, day + window.opens, date::choose::earliest);
      const WallTime to = to_wall(zone, day + closes, date::choose::latest);
      if (from < to) openings.push_back({from, to, &window});
    }
  }
  std::stable_sort(openings.begin(), openings.end(),
                   [](const Opening& a, const Opening& b) { return a.from < b.from; });
  return openings;
}

bool Schedule::is_open(WallTime now) const {
  if (!is_limited()) return true;
  const auto openings = openings_around(now);
  return std::any_of(openings.begin(), openings.end(),
                     [&](const Opening& one) { return one.from <= now && now < one.to; });
}

WindowLimits Schedule::limits(WallTime now) const {
  const Window* first = nullptr;
  if (!is_limited()) return {};
  for (const Opening& one : openings_around(now)) {
    if (one.from > now || now >= one.to) continue;
    if (first == nullptr || one.window < first) first = one.window;
  }
  return first == nullptr ? WindowLimits() : first->limits;
}

std::optional<WallTime> Schedule::opens_after(WallTime now) const {
  if (!is_limited()) return std::nullopt;
  for (const Opening& one : openings_around(now)) {
    if (one.from > now) return one.from;
  }
  return std::nullopt;
}

std::optional<WallTime> Schedule::closes_after(WallTime now) const {
  if (!is_limited()) return std::nullopt;
  WallTime closes = now;
  const auto openings = openings_around(now);
  for (const Opening& one : openings) {
    if (one.from <= closes) closes = std::max(closes, one.to);
  }
  // As far as was looked: it may be that it never does.
  if (closes >= openings.back().to) return std::nullopt;
  return closes;
}

std::string Schedule::local_text(WallTime time) const {
  const auto local = to_local(zone_of(timezone_), time);
  return date::format("%Y-%m-%d %H:%M ", date::floor<minutes>(local)) + timezone_;
}

}  // namespace backfill
