#include "throttle/throttle.h"

#include <algorithm>

namespace backfill {
namespace {

constexpr double kJitter = 0.2;  // of a rest, either way
constexpr Duration kRestMax = std::chrono::seconds(30);

}  // namespace

Throttle::Throttle(double share, std::uint64_t seed) : share_(share), random_(seed) {}

bool Throttle::rest_after(Duration work, std::stop_token stop) {
  std::unique_lock lock(mutex_);
  const auto began = std::chrono::steady_clock::now();
  // Each turn is one stretch of rest at one share; a new share starts the reckoning anew, with
  // the rest already had counted.
  while (!stop.stop_requested()) {
    const double share = share_;
    const Duration had = std::chrono::steady_clock::now() - began;
    const Duration left = rest_for(work) - had;
    if (share > 0 && left <= Duration::zero()) break;
    const auto share_changed = [&] { return share_ != share; };
    const bool changed = share > 0 ? changed_.wait_for(lock, stop, left, share_changed)
                                   : changed_.wait(lock, stop, share_changed);
    if (!changed && share > 0) break;
  }
  rested_ += std::chrono::steady_clock::now() - began;
  return !stop.stop_requested();
}

void Throttle::set_share(double share, Pressure pressure) {
  const std::lock_guard lock(mutex_);
  share_ = std::clamp(share, 0.0, 1.0);
  pressure_ = std::move(pressure);
  changed_.notify_all();
}

double Throttle::share() const {
  const std::lock_guard lock(mutex_);
  return share_;
}

Pressure Throttle::pressure() const {
  const std::lock_guard lock(mutex_);
  return pressure_;
}

Duration Throttle::rested() const {
  const std::lock_guard lock(mutex_);
  return rested_;
}

Duration Throttle::rest_for(Duration work) {
  if (share_ >= 1) return Duration::zero();
  if (share_ <= 0) return kRestMax;
  std::uniform_real_distribution<double> jitter(1 - kJitter, 1 + kJitter);
  const double rest = static_cast<double>(work.count()) * (1 / share_ - 1) * jitter(random_);
  return std::min(Duration(static_cast<std::int64_t>(std::min(rest, 1e18))), kRestMax);
}

}  // namespace backfill
