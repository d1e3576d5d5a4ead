#include "throttle/controller.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace backfill {
namespace {

using std::chrono::seconds;

constexpr double kShareMin = 0.02;           // of a share that is steered; a trickle, no standstill
constexpr double kShareStart = 0.05;         // of a run that finds others at work
constexpr double kDoublingSeconds = 1;       // of a slow start
constexpr double kSlowStartEnds = 0.75;      // of the limit; or where the noise may hide that
constexpr double kGrowthSeconds = 30;        // from nothing to all, far below the limit
constexpr double kGrowthNearTooMuch = 0.25;  // of that pace, near the share that was too much
constexpr double kNearTooMuch = 0.9;         // of that share
constexpr double kAimSeconds = 4;   // to where harm would be at its limit, were noise against us
constexpr double kAgainstUs = 1.5;  // standard errors; more are once in fifteen times
constexpr Duration kTooMuchFor = seconds(30);
constexpr double kShrinkGain = 0.4;  // of the overshoot, a second
constexpr double kPanicLevel = 3;    // times the limit: half at once
constexpr Duration kPanicEvery = seconds(1);
constexpr Duration kSurgeEvery = std::chrono::milliseconds(500);
constexpr double kSmoothing = 1.5;  // seconds, of a level without noise
constexpr double kSmoothingMax = 8;
constexpr double kNoiseWanted = 0.25;  // of a level, once smoothed
constexpr double kSeenAfter = 0.7;     // seconds, a share in what others feel
constexpr double kUnused = 0.5;        // of the share: more is no use

constexpr double kBudgetSoft = 0.5;  // from here on a budget caps
constexpr double kClear = 0.8;       // a stop ends below this part of its limit
constexpr Duration kClearFor = seconds(3);
constexpr Duration kStaleGrowth = seconds(3);
constexpr Duration kStale = seconds(15);
constexpr double kStaleHalving = 5;  // seconds
constexpr double kShareStale = 0.05;

double seconds_of(Duration duration) { return std::chrono::duration<double>(duration).count(); }

bool is_steering(const Signal& signal) { return signal.reading.kind == SignalKind::steering; }

// At its limit, or not known though it must be.
bool is_over(const Signal& signal) {
  if (is_steering(signal)) return false;
  if (!signal.is_known) return signal.is_required;
  if (signal.age > kStale) return signal.is_required;
  return signal.reading.level >= 1 && signal.reading.share_min <= 0;
}

std::string over_words(const Signal& signal) {
  if (!signal.is_known && signal.age <= kStale) {
    return signal.reading.signal + " is not known yet";
  }
  if (signal.age <= kStale) return signal.reading.reason;
  return fmt::format("{} is not known for {:.0f}s", signal.reading.signal, seconds_of(signal.age));
}

}  // namespace

Controller::Controller() : share_(kShareStart), share_of_level_(share_), seen_share_(share_) {}

Decision Controller::step(const Readings& readings, const ThrottleLimits& limits, TimePoint now) {
  const double passed = has_begun_ ? std::min(seconds_of(now - stepped_at_), 5.0) : 0;
  has_begun_ = true;
  stepped_at_ = now;

  Decision decision;
  for (const Signal& signal : readings.signals) {
    decision.must_give_way |= signal.age < kStaleGrowth && signal.reading.must_give_way;
    if (signal.age > kStale || !signal.is_known) continue;
    double& level = decision.levels[signal.reading.signal];
    level = std::max(level, signal.reading.level);
    if (signal.reading.level <= decision.pressure.level) continue;
    decision.pressure = {signal.reading.level, signal.reading.signal, signal.reading.reason};
  }
  if (limits.standstill) {
    decision.share = 0;
    decision.cause = limits.standstill->cause;
    decision.reason = limits.standstill->reason;
    return decision;
  }
  if (limits.share_max < 1) {
    decision.share = limits.share_max;
    decision.cause = "share";
    decision.reason = fmt::format("throttle.share = {}", limits.share_max);
  }
  decision.is_small = readings.is_somebody_there;
  decision.usual_wait = readings.usual_wait;
  if (readings.is_somebody_there) {
    steer(readings, passed, now);
    if (share_ < decision.share) {
      decision.share = share_;
      const bool is_slow = steering_.signal.empty() || level_ < kSlowStartEnds;
      decision.cause = is_slow ? "others_at_work" : steering_.signal;
      decision.reason = is_slow ? "others are at work; the pace rises slowly" : steering_.reason;
    }
  }
  const Reading* tightest = nullptr;
  if (const double most = cap(readings, tightest); most < decision.share) {
    decision.share = most;
    decision.cause = tightest->signal;
    decision.reason = tightest->reason;
    share_ = std::min(share_, std::max(most * 1.25, kShareMin));  // nothing winds up meanwhile
  }
  hold_and_free(readings, now);
  if (!holds_.empty()) {
    decision.share = 0;
    decision.cause = holds_.begin()->first;
    decision.reason = holds_.begin()->second.reason;
  }
  // What the share is low for is shown, whatever else there is.
  for (const Signal& signal : readings.signals) {
    if (signal.reading.signal != decision.cause) continue;
    decision.pressure = {signal.reading.level, signal.reading.signal, decision.reason};
  }
  return decision;
}

void Controller::steer(const Readings& readings, double passed, TimePoint now) {
  double level = 0;
  double noise = 0;
  double noise_most = 0;
  bool is_of_ours = false;
  steering_ = {};
  bool is_stale = false;
  bool is_long_stale = false;
  bool is_surge = false;
  for (const Signal& signal : readings.signals) {
    is_stale |= signal.age > kStaleGrowth && (is_steering(signal) || signal.is_required);
    if (!is_steering(signal)) continue;
    is_stale |= !signal.is_known;
    is_long_stale |= signal.age > kStale;
    if (signal.is_known && !known_since_) known_since_ = now;
    is_surge |= signal.is_surge && signal.age <= kStaleGrowth;
    if (signal.age > kStaleGrowth) continue;
    noise_most = std::max(noise_most, signal.noise);
    if (!signal.is_known || (!steering_.signal.empty() && signal.reading.level <= level)) continue;
    level = signal.reading.level;
    noise = signal.noise;
    is_of_ours = signal.is_of_ours;
    steering_ = {level, signal.reading.signal, signal.reading.reason};
  }
  smooth(level, noise, is_of_ours, passed);
  if (is_of_ours) noise_most *= share_ / seen_share_;
  if (is_surge) level_ = std::max(level_, 1.0);  // so many are believed at once

  if (is_long_stale) {
    if (share_ > kShareStale)
      share_ = std::max(kShareStale, share_ * std::exp2(-passed / kStaleHalving));
    return;
  }
  if (is_surge || (level > kPanicLevel && level_ > 1.2)) {
    if (now - shrank_at_ >= (is_surge ? kSurgeEvery : kPanicEvery)) shrink(0.5, now);
  } else if (level_ > 1) {
    const double part = std::min(kShrinkGain * passed * (level_ - 1), 0.5);
    starts_slowly_ = false;
    shrink(1 - part, now);
  } else if (!is_stale && readings.busy >= kUnused * share_) {
    grow(is_of_ours, noise_most, passed, now);
  }
  share_ = std::clamp(share_, kShareMin, 1.0);
}

// As fast as it is known to be harmless: harm that is ours is in proportion to the share, so it is
// known at which share it would reach its limit.
void Controller::grow(bool is_of_ours, double noise, double passed, TimePoint now) {
  const double doubling = share_ * (std::exp2(passed / kDoublingSeconds) - 1);
  if (level_ >= kSlowStartEnds || level_ + noise > 1) starts_slowly_ = false;
  if (starts_slowly_) {
    share_ += doubling;
    return;
  }
  const double most = now - too_much_at_ < kTooMuchFor ? kNearTooMuch * too_much_ : 1;
  const double step = passed / kGrowthSeconds * std::min(1.0, (1 - level_) / 0.5) *
                      (share_ > most ? kGrowthNearTooMuch : 1);
  const double worst = std::max(level_ + kAgainstUs * noise, 1e-3);
  const double aim = is_of_ours ? std::min(share_ / worst, most) : 0;
  share_ += std::max(step, std::min(doubling, (aim - share_) * passed / kAimSeconds));
}

// The noisier, the longer is looked before it is believed. What we do to others by running for so
// much of the time is known for another share, too, before it is seen: else a share that changes
// would be steered by what it was, for as long as is looked.
void Controller::smooth(double level, double noise, bool is_of_ours, double passed) {
  seen_share_ += (1 - std::exp(-passed / kSeenAfter)) * (share_ - seen_share_);
  if (is_of_ours) {
    const double to_share = share_ / seen_share_;
    level *= to_share;
    noise *= to_share;
    level_ *= share_ / share_of_level_;
  }
  share_of_level_ = share_;
  const double over = noise / kNoiseWanted;
  const double smoothing = std::clamp(kSmoothing * over * over, kSmoothing, kSmoothingMax);
  const double seen_for = known_since_ ? seconds_of(stepped_at_ - *known_since_) : 0;
  const double memory = std::min(smoothing, seen_for);
  level_ += (passed < memory ? passed / memory : 1) * (level - level_);
}

void Controller::shrink(double factor, TimePoint now) {
  if (now - too_much_at_ > seconds(2)) too_much_ = share_;
  too_much_at_ = now;
  shrank_at_ = now;
  starts_slowly_ = false;
  share_ = std::max(kShareMin, share_ * factor);
}

// The share that the budgets leave, and which of them.
double Controller::cap(const Readings& readings, const Reading*& tightest) {
  double most = 1;
  for (const Signal& signal : readings.signals) {
    if (signal.reading.kind != SignalKind::budget || signal.age > kStale) continue;
    const double left = (1 - signal.reading.level) / (1 - kBudgetSoft);
    const double part = std::clamp(left, signal.reading.share_min, 1.0);
    if (part >= most) continue;
    most = part;
    tightest = &signal.reading;
  }
  return most;
}

void Controller::hold(const Signal& signal, TimePoint now) {
  Hold& held = holds_[signal.reading.signal];
  held.clear_since = now;
  held.reason = over_words(signal);
  held.is_clear = false;
  held.frees_at_once = signal.reading.frees_at_once || !signal.is_known;
}

// A stop that wavers does not make us stop and go.
void Controller::hold_and_free(const Readings& readings, TimePoint now) {
  for (const Signal& signal : readings.signals) {
    const std::string& name = signal.reading.signal;
    if (is_over(signal)) {
      hold(signal, now);
      continue;
    }
    const auto held = holds_.find(name);
    if (held == holds_.end()) continue;
    if (!held->second.is_clear) {
      held->second.is_clear = signal.reading.level < kClear;
      held->second.clear_since = now;
    } else if (signal.reading.level >= kClear) {
      held->second.is_clear = false;
    }
    const bool is_over_now = held->second.is_clear && (held->second.frees_at_once ||
                                                       now - held->second.clear_since >= kClearFor);
    if (!is_over_now) continue;
    // After somebody's will the pace is what it was; after harm it is found anew.
    if (!held->second.frees_at_once) {
      share_ = std::min(share_, std::max(kShareStart, share_ / 2));
    }
    holds_.erase(held);
  }
  // A signal that is not there any more holds nothing.
  std::erase_if(holds_, [&](const auto& held) {
    return std::none_of(readings.signals.begin(), readings.signals.end(),
                        [&](const Signal& signal) { return signal.reading.signal == held.first; });
  });
}

}  // namespace backfill
