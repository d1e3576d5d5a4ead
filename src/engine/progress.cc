#include "engine/progress.h"

#include <algorithm>

namespace backfill {
namespace {

constexpr Duration kRecent = std::chrono::seconds(30);
constexpr Duration kSpacing = std::chrono::milliseconds(250);
constexpr double kKnownAfter_s = 2;   // a rate of less time says nothing
constexpr double kNeverDone = 0.999;  // until the end is proven
constexpr double kEtaMargin = 0.1;    // either way, on top of the two rates

double seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }

}  // namespace

Progress::Progress(const SavedRun& before, const Clock& clock)
    : clock_(clock),
      began_(clock.now()),
      elapsed_before_s_(before.elapsed_s),
      rows_before_(before.rows.read) {
  recent_.push_back({began_, rows_before_});
}

void Progress::update(SavedRun& run) {
  const TimePoint now = clock_.now();
  if (now - recent_.back().at >= kSpacing) recent_.push_back({now, run.rows.read});
  while (recent_.size() > 1 && now - recent_.front().at > kRecent) recent_.pop_front();

  const double elapsed = seconds(now - began_);
  run.elapsed_s = elapsed_before_s_ + elapsed;

  if (run.all_visited) {
    run.progress = 1;
  } else if (run.estimated_total && *run.estimated_total > 0) {
    const double share =
        static_cast<double>(run.rows.read) / static_cast<double>(*run.estimated_total);
    run.progress = std::max(run.progress, std::min(share, kNeverDone));
  }

  run.rate_rows_per_s = recent_rate();
  run.eta_low_s.reset();
  run.eta_high_s.reset();
  if (run.all_visited) run.eta_low_s = run.eta_high_s = 0;
  if (!run.rate_rows_per_s || !run.estimated_total || run.all_visited) return;
  const double whole_rate = static_cast<double>(run.rows.read - rows_before_) / elapsed;
  const double left = static_cast<double>(*run.estimated_total - run.rows.read);
  const auto [slow, fast] = std::minmax(whole_rate, *run.rate_rows_per_s);
  // More rows than estimated, or nothing moves: nobody knows.
  if (left <= 0 || slow <= 0) return;
  run.eta_low_s = left / fast * (1 - kEtaMargin);
  run.eta_high_s = left / slow * (1 + kEtaMargin);
}

std::optional<double> Progress::recent_rate() const {
  const double span = seconds(clock_.now() - recent_.front().at);
  if (span < kKnownAfter_s) return std::nullopt;
  return static_cast<double>(recent_.back().rows - recent_.front().rows) / span;
}

}  // namespace backfill
