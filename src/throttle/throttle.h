// throttle/throttle.h
//
// Makes workers rest so that each is busy only its share of the time: after work of t comes
// a rest of t × (1/share − 1), with a little jitter so that workers do not march in step.
// Outside any transaction; ended at once by a stop or by a better share. At share 0 workers
// pause. Safe from any thread.

#pragma once

#include <condition_variable>
#include <mutex>
#include <random>
#include <stop_token>
#include <string>

#include "support/clock.h"
#include "throttle/pressure.h"

namespace backfill {

class Throttle {
 public:
  // `share` in 0..1; `seed` feeds the jitter.
  explicit Throttle(double share, std::uint64_t seed = std::random_device{}());

  // Rests after `work`. Returns false when a stop ended it.
  bool rest_after(Duration work, std::stop_token stop);

  // Sets the share and why it is so; workers at rest take it up at once.
  void set_share(double share, Pressure pressure);

  double share() const;
  Pressure pressure() const;
  // All rests so far, over all workers.
  Duration rested() const;

 private:
  Duration rest_for(Duration work);  // needs mutex_

  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  // Guarded by mutex_.
  double share_;
  Pressure pressure_;
  Duration rested_{0};
  std::mt19937_64 random_;
};

}  // namespace backfill
