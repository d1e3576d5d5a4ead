#include "engine/chunk_sizer.h"

#include <algorithm>

namespace backfill {
namespace {

constexpr std::size_t kSamples = 3;  // the median of so many decides
constexpr double kGrowthMax = 4;     // per step
constexpr double kShrinkMax = 0.5;
constexpr double kDeadBand = 0.15;      // nearer to the target than this, the size stays
constexpr int kOutlier = 4;             // times the target
constexpr double kBytesHeadroom = 0.8;  // rows vary in width
// How long a batch's rows take while others are at work: so many times as long as those wait
// anyway, within these parts of the target time.
struct Small {
  int usual_waits;
  int part_least;
  int part_most;
};
// Half of what a batch of 250 rows (1.5 ms) costs others is not its rows: of 500 and 1000 rows they
// felt 0.6 and 0.5 of what as many rows in batches of 250 did (bench/README.md).
constexpr Small kSmall{2, 40, 20};
constexpr Small kSmallWhereItLocks{1, 100, 40};
constexpr Duration kSmallMin = std::chrono::milliseconds(1);
constexpr std::int64_t kBytesEnough = 4 << 20;  // a larger batch takes memory and is no faster

// Up to double at once; beyond that half of what the time allows, so that a batch that lasts
// longer than its rows tell stays within the target all the same.
double growth(double factor) {
  return std::min(std::max(factor / 2, std::min(factor, 2.0)), kGrowthMax);
}

}  // namespace

ChunkSizer::ChunkSizer(const ChunkSizerOptions& options, bool locks_others_out)
    : locks_others_out_(locks_others_out),
      options_(options),
      target_time_(options.target_time),
      size_(options.size),
      size_for_bytes_(options.size_max) {}

std::int64_t ChunkSizer::size() const {
  const std::lock_guard lock(mutex_);
  return std::max<std::int64_t>(1, std::min(size_, size_for_bytes_));
}

void ChunkSizer::set_options(const ChunkSizerOptions& options) {
  const std::lock_guard lock(mutex_);
  if (options == options_) return;
  if (options.size != options_.size || !options.adaptive) size_ = options.size;
  size_ = std::clamp(size_, options.size_min, options.size_max);
  size_for_bytes_ = options.size_max;
  options_ = options;
  write_times_.clear();
}

void ChunkSizer::keep_small(bool is_small, Duration usual_wait) {
  const std::lock_guard lock(mutex_);
  const Duration full = options_.target_time;
  const Small& small = locks_others_out_ ? kSmallWhereItLocks : kSmall;
  const Duration least = std::min(full, std::max(full / small.part_least, kSmallMin));
  const Duration most = std::max(least, full / small.part_most);
  const Duration wanted = is_small ? std::clamp(small.usual_waits * usual_wait, least, most) : full;
  if (!options_.adaptive || wanted == target_time_) return;
  const double factor =
      static_cast<double>(wanted.count()) / static_cast<double>(target_time_.count());
  target_time_ = wanted;
  // What others wait changes little by little, and the size follows by what batches take.
  const bool stays_small = is_small && is_small_;
  is_small_ = is_small;
  if (!stays_small) resize(factor);
}

void ChunkSizer::observe(const ChunkReport& report) {
  const std::lock_guard lock(mutex_);
  // Bytes bound memory, so they count also when the size is fixed.
  learn_bytes(report);
  if (options_.adaptive) learn_time(report);
}

void ChunkSizer::learn_bytes(const ChunkReport& report) {
  if (report.rows.read == 0) return;
  const double bytes_per_row =
      static_cast<double>(report.bytes) / static_cast<double>(report.rows.read);
  const std::int64_t bytes = std::min(options_.bytes_max, kBytesEnough);
  const double fit = kBytesHeadroom * static_cast<double>(bytes) / std::max(bytes_per_row, 1.0);
  const auto rows = static_cast<std::int64_t>(std::min(fit, 1e15));
  // Narrow rows after wide ones let it rise again, but slowly.
  const std::int64_t risen = size_for_bytes_ + size_for_bytes_ / 2 + 1;
  size_for_bytes_ = std::max<std::int64_t>(1, std::min(rows, risen));
}

void ChunkSizer::learn_time(const ChunkReport& report) {
  // Another size: the feedback is stale. Few rows because of `where` or a gap say nothing of time
  // unless they took long.
  const Duration time = report.times.write;
  // A small one takes many times as long now and then, because the machine does.
  const Duration outlier = is_small_ ? options_.target_time : kOutlier * target_time_;
  if (time > outlier && report.chunk.size <= size_) return resize(kShrinkMax);
  if (report.chunk.size != size_ || report.splits > 0 || report.chunk.keys < size_) return;

  write_times_.push_back(time);
  if (write_times_.size() < kSamples) return;
  std::nth_element(write_times_.begin(), write_times_.begin() + kSamples / 2, write_times_.end());
  const Duration median =
      std::max<Duration>(write_times_[kSamples / 2], std::chrono::microseconds(1));
  const double factor =
      static_cast<double>(target_time_.count()) / static_cast<double>(median.count());
  if (factor > 1 - kDeadBand && factor < 1 + kDeadBand) {
    write_times_.clear();
    return;
  }
  resize(factor > 1 ? growth(factor) : std::max(factor, kShrinkMax));
}

void ChunkSizer::resize(double factor) {
  auto wanted = static_cast<std::int64_t>(static_cast<double>(size_) * factor);
  if (factor > 1) wanted = std::max(wanted, size_ + 1);  // half of a single row is no row
  size_ = std::clamp(wanted, options_.size_min, options_.size_max);
  write_times_.clear();
}

}  // namespace backfill
