// throttle/contrast.h
//
// How much worse something gets for others because of us: its mean while our batches run against
// its mean while none does. A difference of the two at the same time of day leaves out what others
// do to each other. One thread.

#pragma once

#include <deque>
#include <optional>
#include <string>

#include "support/clock.h"

namespace backfill {

// A mean of which the last `memory` of time counts most, and how well it is known.
class RecentMean {
 public:
  explicit RecentMean(Duration memory) : memory_(memory) {}

  void add(double value, TimePoint now);

  double mean() const { return weight_ > 0 ? sum_ / weight_ : 0; }
  // As many equally weighted samples tell as much.
  double samples(TimePoint now) const;
  // Variance of the mean.
  double variance_of_mean(TimePoint now) const;

 private:
  void fade(TimePoint now);
  double fading(TimePoint now) const;

  const Duration memory_;
  TimePoint faded_at_;
  double weight_ = 0;
  double weight_squared_ = 0;
  double sum_ = 0;
  double sum_squared_ = 0;
};

// What one in ten of recent values is beyond. None while there are too few of them to tell.
class SlowValues {
 public:
  void add(double value);
  std::optional<double> tenth() const { return tenth_; }

 private:
  std::deque<double> recent_;
  std::optional<double> tenth_;
};

// Whether nearly all of the last samples are slow: load has gone up just now, whoever's it is. A
// mean that is smoothed tells it seconds later. One that is many times too slow counts twice.
class Surge {
 public:
  // `times`: the sample in parts of what is slow. Of those that follow within kApart the first
  // counts: a machine that stalls for a moment is no surge.
  void add(double times, TimePoint now);
  bool is_on() const { return slow_ >= kSlow; }

  // Of samples of which one in ten is slow, so many are by chance once in 40,000 times; of those of
  // which every other is, once in seven.
  static constexpr int kSlow = 6;
  static constexpr std::size_t kOf = 8;
  static constexpr Duration kApart = std::chrono::milliseconds(50);

 private:
  std::optional<TimePoint> counted_at_;
  std::deque<int> recent_;  // 0, 1 or 2 each
  int slow_ = 0;            // their sum
};

class Contrast {
 public:
  Contrast();

  // `ours`: beside a batch of ours; else none ran, and had not for a while.
  void add(double value, bool ours, TimePoint now);

  // False while there is too little to compare with.
  bool is_known(TimePoint now) const;
  // Samples without us, of late.
  double samples_without(TimePoint now) const { return without_.samples(now); }

  double with() const { return with_.mean(); }
  double without() const { return without_.mean(); }

  struct Harm {
    double increase = 0;  // 0.2: a fifth worse for others, over all their time
    double error = 0;     // standard error of that
  };
  // `busy` is the part of the time that batches of ours run.
  Harm harm(double busy, TimePoint now) const;

 private:
  RecentMean with_;
  RecentMean without_;
};

}  // namespace backfill
