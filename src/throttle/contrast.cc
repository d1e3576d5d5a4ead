#include "throttle/contrast.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace backfill {
namespace {

// What others feel with us changes as we do; what they feel without us changes with the time of
// day.
constexpr Duration kMemoryWith = std::chrono::seconds(4);
constexpr Duration kMemoryWithout = std::chrono::seconds(15);
constexpr double kSamplesEnough = 8;
// Of a value that is many times the mean without us so much is counted: how long a machine stalls
// says little, and makes a mean uncertain.
constexpr double kOutlier = 3;

constexpr double kFarTooSlow = 10;

constexpr std::size_t kRecent = 200;
constexpr std::size_t kRecentEnough = 40;

double seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }

}  // namespace

double RecentMean::fading(TimePoint now) const {
  if (weight_ <= 0 || now <= faded_at_) return 1;
  return std::exp(-seconds(now - faded_at_) / seconds(memory_));
}

void RecentMean::fade(TimePoint now) {
  const double factor = fading(now);
  weight_ *= factor;
  weight_squared_ *= factor * factor;
  sum_ *= factor;
  sum_squared_ *= factor;
  faded_at_ = now;
}

void RecentMean::add(double value, TimePoint now) {
  fade(now);
  weight_ += 1;
  weight_squared_ += 1;
  sum_ += value;
  sum_squared_ += value * value;
}

double RecentMean::samples(TimePoint now) const {
  if (weight_squared_ <= 0) return 0;
  // Old samples lose their say also when no new ones come.
  return std::min(weight_ * weight_ / weight_squared_, 2 * weight_ * fading(now));
}

double RecentMean::variance_of_mean(TimePoint now) const {
  const double count = samples(now);
  if (count <= 1) return 0;
  const double variance = std::max(0.0, sum_squared_ / weight_ - mean() * mean());
  return variance / (count - 1);
}

void SlowValues::add(double value) {
  recent_.push_back(value);
  if (recent_.size() > kRecent) recent_.pop_front();
  if (recent_.size() < kRecentEnough) return;
  std::vector<double> sorted(recent_.begin(), recent_.end());
  std::sort(sorted.begin(), sorted.end());
  tenth_ = sorted[sorted.size() * 9 / 10];
}

void Surge::add(double times, TimePoint now) {
  if (counted_at_ && now - *counted_at_ < kApart) return;
  counted_at_ = now;
  const int counted = times > kFarTooSlow ? 2 : times > 1 ? 1 : 0;
  recent_.push_back(counted);
  slow_ += counted;
  if (recent_.size() <= kOf) return;
  slow_ -= recent_.front();
  recent_.pop_front();
}

Contrast::Contrast() : with_(kMemoryWith), without_(kMemoryWithout) {}

void Contrast::add(double value, bool ours, TimePoint now) {
  const bool has_base = without_.samples(now) >= kSamplesEnough && without_.mean() > 0;
  const double counted = has_base ? std::min(value, kOutlier * without_.mean()) : value;
  (ours ? with_ : without_).add(counted, now);
}

bool Contrast::is_known(TimePoint now) const {
  return with_.samples(now) >= kSamplesEnough && without_.samples(now) >= kSamplesEnough &&
         without() > 0;
}

Contrast::Harm Contrast::harm(double busy, TimePoint now) const {
  if (!is_known(now)) return {};
  const double base = without();
  const double variance = with_.variance_of_mean(now) + without_.variance_of_mean(now);
  return {busy * (with_.mean() / base - 1), busy * std::sqrt(variance) / base};
}

}  // namespace backfill
