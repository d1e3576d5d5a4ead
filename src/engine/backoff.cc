#include "engine/backoff.h"

#include <algorithm>

namespace backfill {

bool Backoff::wait(std::stop_token stop) {
  if (retries_ >= options_.retries || stop.stop_requested()) return false;
  const int doublings = std::min(retries_, 30);
  const Duration whole =
      std::min(options_.first * (std::int64_t{1} << doublings), options_.longest);
  ++retries_;
  if (!random_) random_.emplace(seed_ ? *seed_ : std::random_device{}());
  // Workers that failed together do not come back together; even so, ten retries take a minute.
  std::uniform_real_distribution<double> jitter(0.8, 1.0);
  const Duration jittered(
      static_cast<std::int64_t>(static_cast<double>(whole.count()) * jitter(*random_)));
  return clock_.wait(jittered, stop);
}

}  // namespace backfill
