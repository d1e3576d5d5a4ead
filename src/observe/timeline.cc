#include "observe/timeline.h"

#include <cmath>

#include "support/clock.h"

namespace backfill {
namespace {

// Wall and run agree to less than this, but for the moments that a killed process did not save.
constexpr double kAbsenceMin_s = 1;
constexpr double kRateOver_s = 0.5;  // the last sample may come right after the one before
constexpr double kLeastTime_s = 1e-3;
constexpr double kFigureMax = 1e15;  // no run comes near it, and sums stay figures

double sound(double figure) {
  return std::isfinite(figure) ? std::clamp(figure, 0.0, kFigureMax) : 0;
}

// A reason without its figures: `replica lag 12.4s >= 10s` and `replica lag 11s >= 10s` are one.
std::string without_figures(const std::string& reason) {
  std::string words;
  for (const char c : reason) {
    if ((c < '0' || c > '9') && c != '.') words += c;
  }
  return words;
}

}  // namespace

void Spread::add(double value, double held_s) {
  low = is_known() ? std::min(low, value) : value;
  high = is_known() ? std::max(high, value) : value;
  sum += value * held_s;
  seconds += held_s;
}

void Timeline::add(const Sample& sample) {
  // It may have been saved by a process that knew less than one that died before it.
  const double elapsed_s = std::max(sound(sample.elapsed_s), elapsed_s_);
  follow_clock(elapsed_s, sample);
  follow_rate(elapsed_s, sample);
  follow_pause(elapsed_s, sample);

  const double held_s = std::max(elapsed_s - elapsed_s_, kLeastTime_s);
  Stretch& stretch = stretch_of_next();
  stretch.end_s = elapsed_s;
  stretch.ended_at = taken_at_;
  stretch.read_per_s.add(rate_.read, held_s);
  stretch.written_per_s.add(rate_.written, held_s);
  const double share = std::min(sound(sample.share), 1.0);
  if (!stretch.share.is_known() || share < stretch.share.low) stretch.slowed_by = sample.reason;
  stretch.share.add(share, held_s);
  stretch.batch_rows.add(sound(static_cast<double>(sample.batch_size)), held_s);
  if (sample.batch_ms > 0) stretch.batch_ms.add(sound(sample.batch_ms), held_s);
  for (const auto& [name, level] : sample.signals) stretch.signals[name].add(sound(level), held_s);
  for (const auto& [name, ms] : sample.phases_ms) {
    stretch.phases_ms[name] += sound(ms);
    phases_ms_[name] += sound(ms);
  }
  stretch.progress = std::min(sound(sample.progress), 1.0);
  stretch.rows_read = sample.rows_read;
  stretch.batches_retried = sample.batches_retried;
  stretch.rows_conflicts = sample.rows_conflicts;
  stretch.rows_rejected = sample.rows_rejected;

  if (!read_per_s_.is_known() || rate_.read > read_per_s_.high) fastest_at_ = taken_at_;
  read_per_s_.add(rate_.read, held_s);
  elapsed_s_ = elapsed_s;
  ++samples_;
}

// Sample n of m belongs to stretch n·max/m: as many samples each, none empty.
Stretch& Timeline::stretch_of_next() {
  const std::int64_t all = std::max(sample_count_, samples_ + 1);
  const std::int64_t many = std::min(all, kStretchesMax);
  const std::int64_t place = samples_ * many / all;
  if (place >= static_cast<std::int64_t>(stretches_.size())) {
    stretches_.emplace_back();
    stretches_.back().begin_s = elapsed_s_;
  }
  return stretches_.back();
}

void Timeline::follow_clock(double elapsed_s, const Sample& sample) {
  const double passed_s = elapsed_s - elapsed_s_;
  const double taken_at = unix_time_of(sample.taken_at).value_or(taken_at_ + passed_s);
  const double away_s = taken_at - taken_at_ - passed_s;
  if (segments_.empty()) {
    segments_.push_back({0, elapsed_s, taken_at - elapsed_s});
  } else if (std::abs(away_s) >= kAbsenceMin_s) {
    // A clock that was set back is no absence, but what comes after has other times.
    if (away_s > 0) absences_.push_back({elapsed_s_, taken_at_, taken_at - passed_s});
    segments_.push_back({elapsed_s_, elapsed_s, taken_at - passed_s});
  } else {
    segments_.back().end_s = elapsed_s;
  }
  taken_at_ = taken_at;
}

void Timeline::follow_rate(double elapsed_s, const Sample& sample) {
  const double passed_s = elapsed_s - rated_s_;
  const bool is_first = samples_ == 0;
  if (passed_s < (is_first ? kLeastTime_s : kRateOver_s)) return;
  const auto read = static_cast<double>(sample.rows_read);
  const auto written = static_cast<double>(sample.rows_written);
  rate_.read = sound((read - rated_read_) / passed_s);
  rate_.written = sound((written - rated_written_) / passed_s);
  rated_s_ = elapsed_s;
  rated_read_ = read;
  rated_written_ = written;
}

void Timeline::follow_pause(double elapsed_s, const Sample& sample) {
  const bool is_paused = sample.share <= 0;
  if (is_paused) {
    const bool goes_on =
        was_paused_ && without_figures(pauses_.back().reason) == without_figures(sample.reason);
    if (!goes_on)
      pauses_.push_back(
          {elapsed_s_, elapsed_s, taken_at_ - (elapsed_s - elapsed_s_), sample.reason});
    pauses_.back().end_s = elapsed_s;
  }
  was_paused_ = is_paused;
}

}  // namespace backfill
