#include "core/quantity_text.h"

#include <fmt/format.h>

#include <algorithm>

namespace backfill {
namespace {

constexpr double kCountMax = 1e15;

}  // namespace

std::string count_text(std::int64_t count) {
  std::string digits = std::to_string(count);
  const std::size_t first = count < 0 ? 1 : 0;
  for (std::size_t at = digits.size(); at > first + 3;) {
    at -= 3;
    digits.insert(at, 1, ',');
  }
  return digits;
}

std::int64_t whole_count(double number) {
  return static_cast<std::int64_t>(std::clamp(number, -kCountMax, kCountMax));
}

std::string duration_text(double seconds) {
  if (seconds < 1) return fmt::format("{:.0f} ms", seconds * 1000);
  if (seconds < 60) return fmt::format("{:.1f} s", seconds);
  const std::int64_t rounded = whole_count(seconds);
  if (rounded < 3600) return fmt::format("{}m{:02}s", rounded / 60, rounded % 60);
  return fmt::format("{}h{:02}m", rounded / 3600, rounded % 3600 / 60);
}

}  // namespace backfill
