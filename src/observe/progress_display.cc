#include "observe/progress_display.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "core/quantity_text.h"

namespace backfill {
namespace {

constexpr Duration kBarInterval = std::chrono::milliseconds(200);
constexpr Duration kLogInterval = std::chrono::seconds(10);
constexpr int kBarWidth = 24;
constexpr int kBarWidthMin = 8;  // a shorter one says nothing
constexpr double kRestToTell_s = 0.1;

// What a terminal acts on. The cursor rests at the start of the first line: a terminal that
// is made narrower wraps both lines, but leaves the cursor where they begin.
constexpr const char* kEraseFromHere = "\r\033[J";
constexpr const char* kEraseBelow = "\033[J";
constexpr const char* kEraseLine = "\033[K";
constexpr const char* kWithoutWrapping = "\033[?7l";
constexpr const char* kWithWrapping = "\033[?7h";
constexpr const char* kUpToStart = "\033[1A\r";
constexpr const char* kDim = "\033[2m";
constexpr const char* kYellow = "\033[33m";
constexpr const char* kPlain = "\033[0m";

std::string bar(double progress, int width) {
  const int full = static_cast<int>(std::clamp(progress, 0.0, 1.0) * width);
  std::string text = "[";
  for (int i = 0; i < width; ++i) text += i < full ? '=' : (i == full ? '>' : ' ');
  return text + "]";
}

// As long a bar as there is room for beside the words.
std::string bar_line(const SavedRun& run, std::size_t columns) {
  const std::string words = progress_line(run);
  const int room = static_cast<int>(columns) - static_cast<int>(words.size()) - 3;
  if (room < kBarWidthMin) return words;
  return bar(run.progress, std::min(room, kBarWidth)) + " " + words;
}

bool is_paused(const SavedRun& run) { return run.share <= 0; }

std::size_t terminal_width() {
  winsize size{};
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return 80;
}

// Whether stderr is a terminal that can be drawn on.
bool is_terminal() {
  const char* kind = std::getenv("TERM");
  const bool can_draw = kind != nullptr && *kind != '\0' && std::string_view(kind) != "dumb";
  return can_draw && isatty(STDERR_FILENO) != 0;
}

// https://no-color.org
bool wants_color() {
  const char* refused = std::getenv("NO_COLOR");
  return is_terminal() && (refused == nullptr || *refused == '\0');
}

}  // namespace

ProgressDisplay::ProgressDisplay(ProgressStyle style, Log& log, const Clock& clock)
    : style_(style), has_color_(wants_color()), log_(log), clock_(clock), shown_at_(clock.now()) {
  if (style_ == ProgressStyle::automatic) {
    style_ = is_terminal() ? ProgressStyle::bar : ProgressStyle::log;
  }
}

void ProgressDisplay::write(LogLevel level, std::string_view event, const Fields& fields) {
  if (!writes(level)) return;
  const std::lock_guard lock(mutex_);
  if (drawn_) erase();
  log_.write(level, event, fields);
  if (drawn_) draw();
}

void ProgressDisplay::show(const SavedRun& run) {
  if (style_ == ProgressStyle::none) return;
  const std::lock_guard lock(mutex_);
  const Duration interval = style_ == ProgressStyle::bar ? kBarInterval : kLogInterval;
  if (clock_.now() - shown_at_ < interval) return;
  shown_at_ = clock_.now();
  if (style_ == ProgressStyle::bar) {
    drawn_ = run;
    draw();
    return;
  }
  log_.write(LogLevel::info, "progress",
             {{"rows_read", run.rows.read},
              {"written", run.rows.written},
              {"rejected", run.rows.rejected},
              {"batch_size", run.batch_size},
              {"share", std::round(run.share * 100) / 100},
              {"at", progress_line(run)}});
}

void ProgressDisplay::clear() {
  const std::lock_guard lock(mutex_);
  if (drawn_) erase();
  drawn_.reset();
}

void ProgressDisplay::draw() {
  const std::size_t columns = terminal_width() - 1;  // the last one would wait to wrap
  const std::string first = fitted(bar_line(*drawn_, columns), columns);
  std::string second = fitted(pace_line(*drawn_), columns);
  if (has_color_) second = (is_paused(*drawn_) ? kYellow : kDim) + second + kPlain;
  const std::string lines = fmt::format("\r{}{}{}\r\n{}{}{}{}", kWithoutWrapping, first, kEraseLine,
                                        second, kEraseBelow, kWithWrapping, kUpToStart);
  std::fputs(lines.c_str(), stderr);
  std::fflush(stderr);
}

void ProgressDisplay::erase() {
  std::fputs(kEraseFromHere, stderr);
  std::fflush(stderr);
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
    line += fmt::format("  {} rows/s", count_text(whole_count(*run.rate_rows_per_s)));
  }
  if (run.eta_low_s && run.eta_high_s && *run.eta_high_s > 0) {
    line += fmt::format("  {} to {} left", duration_text(*run.eta_low_s),
                        duration_text(*run.eta_high_s));
  }
  if (run.rows.rejected > 0) line += fmt::format("  {} rejected", count_text(run.rows.rejected));
  return line;
}

std::string pace_line(const SavedRun& run) {
  std::string line;
  if (is_paused(run)) {
    line = run.reason.empty() ? "paused" : "paused: " + run.reason;
  } else {
    line = fmt::format("{} worker{}  share {:.2f}", run.workers, run.workers == 1 ? "" : "s",
                       run.share);
  }
  if (run.pressure) line += fmt::format("  pressure {:.2f} {}", *run.pressure, run.pressure_signal);
  if (!is_paused(run) && !run.reason.empty()) line += ": " + run.reason;
  if (run.batch_size > 0) line += fmt::format("  batches of {}", count_text(run.batch_size));
  if (run.throttled_s >= 1) line += fmt::format("  {} at rest", duration_text(run.throttled_s));
  return line;
}

std::string fitted(const std::string& line, std::size_t columns) {
  std::string text;
  std::size_t column = 0;
  for (const char c : line) {
    const auto byte = static_cast<unsigned char>(c);
    const bool goes_on = (byte & 0xC0U) == 0x80U;  // of a character of several bytes
    if (!goes_on && ++column > columns) break;
    text += byte < 0x20 || byte == 0x7f ? ' ' : c;
  }
  return text;
}

std::string rests_text(const SavedRun& run) {
  std::vector<std::pair<double, std::string>> longest;
  for (const auto& [cause, rested_s] : run.rested_s) {
    if (rested_s >= kRestToTell_s) longest.emplace_back(rested_s, cause);
  }
  std::sort(longest.rbegin(), longest.rend());
  std::string text;
  for (const auto& [rested_s, cause] : longest)
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", duration_text(rested_s), cause);
  return text;
}

}  // namespace backfill
