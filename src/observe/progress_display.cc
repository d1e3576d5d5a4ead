#include "observe/progress_display.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace backfill {
namespace {

constexpr Duration kBarInterval = std::chrono::milliseconds(200);
constexpr Duration kLogInterval = std::chrono::seconds(10);
constexpr int kBarWidth = 24;
constexpr double kCountMax = 1e15;  // what is beyond comes from a file that somebody edited

std::string bar(double progress) {
  const int full = static_cast<int>(std::clamp(progress, 0.0, 1.0) * kBarWidth);
  std::string text = "[";
  for (int i = 0; i < kBarWidth; ++i) text += i < full ? '=' : (i == full ? '>' : ' ');
  return text + "]";
}

std::int64_t whole(double number) {
  return static_cast<std::int64_t>(std::clamp(number, -kCountMax, kCountMax));
}

std::size_t terminal_width() {
  winsize size{};
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return 80;
}

}  // namespace

ProgressDisplay::ProgressDisplay(ProgressStyle style, Log& log, const Clock& clock)
    : style_(style), log_(log), clock_(clock), shown_at_(clock.now()) {
  if (style_ == ProgressStyle::automatic) {
    style_ = isatty(STDERR_FILENO) != 0 ? ProgressStyle::bar : ProgressStyle::log;
  }
}

void ProgressDisplay::show(const SavedRun& run) {
  if (style_ == ProgressStyle::none) return;
  const Duration interval = style_ == ProgressStyle::bar ? kBarInterval : kLogInterval;
  if (clock_.now() - shown_at_ < interval) return;
  shown_at_ = clock_.now();
  if (style_ == ProgressStyle::log) {
    log_.write(LogLevel::info, "progress",
               {{"rows_read", std::to_string(run.rows.read)},
                {"rows_written", std::to_string(run.rows.written)},
                {"rejected", std::to_string(run.rows.rejected)},
                {"batch_size", std::to_string(run.batch_size)},
                {"share", fmt::format("{:.2f}", run.share)},
                {"at", progress_line(run)}});
    return;
  }
  std::string line = bar(run.progress) + " " + progress_line(run);
  line.resize(std::min(line.size(), terminal_width() - 1));
  fmt::print(stderr, "\r{}\033[K", line);
  std::fflush(stderr);
  is_drawn_ = true;
}

void ProgressDisplay::clear() {
  if (!is_drawn_) return;
  fmt::print(stderr, "\r\033[K");
  std::fflush(stderr);
  is_drawn_ = false;
}

std::string progress_line(const SavedRun& run) {
  std::string line;
  if (run.estimated_total) {
    line = fmt::format("{:.0f} %  {} of about {} rows", run.progress * 100,
                       count_text(run.rows.read), count_text(*run.estimated_total));
  } else {
    line = fmt::format("{} rows", count_text(run.rows.read));
  }
  if (run.rate_rows_per_s) {
    line += fmt::format("  {} rows/s", count_text(whole(*run.rate_rows_per_s)));
  }
  if (run.eta_low_s && run.eta_high_s && *run.eta_high_s > 0) {
    line += fmt::format("  {} to {} left", duration_text(*run.eta_low_s),
                        duration_text(*run.eta_high_s));
  }
  if (run.rows.rejected > 0) line += fmt::format("  {} rejected", count_text(run.rows.rejected));
  return line;
}

std::string duration_text(double seconds) {
  if (seconds < 1) return fmt::format("{:.0f} ms", seconds * 1000);
  if (seconds < 60) return fmt::format("{:.1f} s", seconds);
  const std::int64_t rounded = whole(seconds);
  if (rounded < 3600) return fmt::format("{}m{:02}s", rounded / 60, rounded % 60);
  return fmt::format("{}h{:02}m", rounded / 3600, rounded % 3600 / 60);
}

std::string count_text(std::int64_t count) {
  std::string digits = std::to_string(count);
  const std::size_t first = count < 0 ? 1 : 0;
  for (std::size_t at = digits.size(); at > first + 3;) {
    at -= 3;
    digits.insert(at, 1, ',');
  }
  return digits;
}

}  // namespace backfill
