#include "throttle/load_watch.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "core/error.h"

namespace backfill {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Duration kStep = milliseconds(200);
constexpr Duration kFirstStep = milliseconds(10);  // until it is known whether anybody is there
constexpr Duration kStepsFast = seconds(2);        // for so long at most
constexpr Duration kGiveWayEvery = seconds(1);
// A commit of ours is felt by others, who wait for its flush and then for one of their own: 66 a
// second alone made their slowest hundredth a third slower, 20 a tenth (bench/README.md).
constexpr Duration kProbeInterval = milliseconds(100);
constexpr Duration kProbeIntervalInHurry = milliseconds(25);  // while too little is known
constexpr Duration kBatchAwaited = milliseconds(200);
constexpr double kPartWithout = 0.35;  // of samples; how others fare without us is kept for longer
constexpr Duration kHeldMost = milliseconds(50);  // a batch that is met, where batches are long
constexpr double kWeightOfBatches = 0.1;          // of a step's, in how long they take
constexpr double kRestAfterProbe = 9;  // times as long as it took, on a server that is slow to tell
constexpr Duration kUnheardOf = seconds(1);  // a sensor: what it would say is presumed
constexpr Duration kReconnectMin = milliseconds(200);
constexpr Duration kReconnectMax = seconds(5);
constexpr Duration kSettled = milliseconds(10);  // after a batch, until we are not felt any more
constexpr Duration kBusyMemory = milliseconds(700);

// A look at the others without us, where our batches leave no gaps.
constexpr Duration kLook = milliseconds(300);
constexpr Duration kFirstLook = seconds(2);
constexpr Duration kLookEvery = seconds(4);

double seconds_of(Duration duration) { return std::chrono::duration<double>(duration).count(); }
Duration duration_of(double count) {
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(count));
}

}  // namespace

LoadWatch::LoadWatch(Parts parts, const ThrottleLimits& limits, Throttle& throttle, Clock& clock,
                     Log& log)
    : parts_(std::move(parts)),
      throttle_(throttle),
      clock_(clock),
      log_(log),
      began_(clock.now()),
      limits_(limits),
      stepped_at_(began_),
      looked_at_(began_) {
  for (auto& sensor : parts_.sensors) {
    sensors_.push_back({std::move(sensor), {}, began_, false});
  }
  for (auto& probe : parts_.probes) {
    const int samples_to_tell = probe->samples_to_tell();
    probes_.push_back({std::move(probe), Foreground(samples_to_tell, began_)});
  }
  decide_by_limits();
  for (WatchedSensor& watched : sensors_) {
    threads_.emplace_back([this, &watched](const std::stop_token& stop) { watch(watched, stop); });
  }
  for (WatchedProbe& watched : probes_) {
    threads_.emplace_back([this, &watched](const std::stop_token& stop) { probe(watched, stop); });
  }
  // Where there is nothing to watch, only the limits decide.
  if (threads_.empty()) return;
  threads_.emplace_back([this](const std::stop_token& stop) { steer(stop); });
}

LoadWatch::~LoadWatch() {
  for (std::jthread& thread : threads_) thread.request_stop();
  for (WatchedSensor& watched : sensors_) watched.sensor->cancel();
  for (WatchedProbe& watched : probes_) watched.probe->cancel();
}

void LoadWatch::set_limits(const ThrottleLimits& limits) {
  const std::lock_guard lock(mutex_);
  limits_ = limits;
  if (threads_.empty()) decide_by_limits();
}

void LoadWatch::decide_by_limits() {
  const TimePoint now = clock_.now();
  const Decision decision = controller_.step(readings(now), limits_, now);
  throttle_.follow(decision);
  tell(decision);
}

// Works again and again; a part that fails is connected anew, patiently: that it cannot be read
// shows in its age.
template <class Part, class Work>
void LoadWatch::keep_trying(Part& part, const std::stop_token& stop, const Work& work) {
  Duration pause = kReconnectMin;
  bool is_connected = false;
  bool has_told = false;
  while (!stop.stop_requested()) {
    try {
      if (!is_connected) part.reconnect();
      is_connected = true;
      const Duration wait = work();
      if (has_told) log_.write(LogLevel::info, "can be watched again", {{"signal", part.name()}});
      has_told = false;
      pause = kReconnectMin;
      if (!clock_.wait(wait, stop)) return;
    } catch (const Error& error) {
      is_connected = false;
      if (stop.stop_requested()) return;
      if (!has_told) {
        log_.write(LogLevel::warning, "cannot be watched",
                   {{"signal", part.name()}, {"reason", error.what()}});
      }
      has_told = true;
      if (!clock_.wait(pause, stop)) return;
      pause = std::min(pause * 2, kReconnectMax);
    }
  }
}

void LoadWatch::watch(WatchedSensor& watched, const std::stop_token& stop) {
  keep_trying(*watched.sensor, stop, [&] {
    std::vector<Reading> readings = watched.sensor->read();
    const std::lock_guard lock(mutex_);
    watched.readings = std::move(readings);
    watched.read_at = clock_.now();
    watched.was_read = true;
    return Duration(watched.sensor->interval());
  });
}

void LoadWatch::probe(WatchedProbe& watched, const std::stop_token& stop) {
  std::minstd_rand random(std::random_device{}());
  // In no step with our batches.
  std::uniform_real_distribution<double> jitter(0.6, 1.4);
  keep_trying(*watched.probe, stop, [&] {
    const TimePoint free = clock_.now();
    std::optional<Throttle::Look> without;
    const bool is_met = watched.meets_batches && meet(random, without, stop);
    const Throttle::Activity before = throttle_.activity();
    watched.probe->tell_at_work(throttle_.share() > 0);
    const TimePoint began = clock_.now();
    const ForegroundSample sample = watched.probe->sample();
    const TimePoint ended = clock_.now();
    const Throttle::Activity after = throttle_.activity();
    auto ours = Foreground::Ours::unclear;
    if (is_met) {
      ours = without ? Foreground::Ours::none : Foreground::Ours::batch;
    } else if (before.under_way > 0) {
      ours = Foreground::Ours::batch;
    } else if (after.begun == before.begun && before.idle_since + kSettled <= began) {
      ours = Foreground::Ours::none;
    }
    without.reset();
    const std::lock_guard lock(mutex_);
    Foreground& others = watched.others;
    others.add(sample, ours, ended);
    watched.meets_batches = others.is_somebody_there() && !look_ && !others.lacks_base(ended);
    // While nothing of ours may run, there is nothing to be known.
    const bool hurries = look_ || (throttle_.share() > 0 && !others.is_known(ended));
    const Duration wanted = hurries ? kProbeIntervalInHurry : kProbeInterval;
    // A commit that waits for others costs them nothing.
    const double work = seconds_of(ended - began) - sample.commit_seconds.value_or(0);
    const double wait = std::max(seconds_of(wanted) * jitter(random) - seconds_of(began - free),
                                 work * (hurries ? 1 : kRestAfterProbe));
    return duration_of(wait);
  });
}

// A server that stalls makes our batches last as long as it does: who looks at any moment, and
// asks whether one is under way, takes its stalls for our doing. So a batch is met where it
// begins, and where it would begin if it were not held back for this, whichever the dice say; and
// looked at as long after that as batches take, whether or not it has ended by then.
bool LoadWatch::meet(std::minstd_rand& random, std::optional<Throttle::Look>& without,
                     const std::stop_token& stop) {
  std::uniform_real_distribution<double> chance(0, 1);
  if (chance(random) < kPartWithout) without.emplace(throttle_);
  const bool is_met = without ? without->wait_for_beginning(kBatchAwaited, stop)
                              : throttle_.wait_for_beginning(kBatchAwaited, stop);
  if (!is_met) {
    without.reset();
    return false;
  }
  Duration later = duration_of(batch_seconds_ * chance(random));
  if (without) {
    const TimePoint settled = throttle_.activity().idle_since + kSettled;
    later = std::max(std::min(later, kHeldMost), settled - clock_.now());
  }
  clock_.wait(later, stop);
  return true;
}

void LoadWatch::steer(const std::stop_token& stop) {
  while (clock_.wait(is_new() ? kFirstStep : kStep, stop)) {
    Decision decision;
    {
      const std::lock_guard lock(mutex_);
      const TimePoint now = clock_.now();
      const Throttle::Activity activity = throttle_.activity();
      const double passed = std::max(seconds_of(now - stepped_at_), 1e-3);
      const double weight = 1 - std::exp(-passed / seconds_of(kBusyMemory));
      busy_ += weight * (seconds_of(activity.busy - activity_.busy) / passed - busy_);
      const double worked = seconds_of(activity.worked - activity_.worked);
      worked_ += weight * (worked / passed - worked_);
      if (activity.begun > activity_.begun)
        add_batches(worked / static_cast<double>(activity.begun - activity_.begun));
      activity_ = activity;
      stepped_at_ = now;
      const Readings found = readings(now);
      decision = controller_.step(found, limits_, now);
      tell_step(found, decision);
      look_without_us(now);
    }
    throttle_.follow(decision);
    if (decision.must_give_way && clock_.now() - gave_way_at_ >= kGiveWayEvery) {
      gave_way_at_ = clock_.now();
      log_.write(LogLevel::info, "batches under way are ended", {{"reason", decision.reason}});
      if (parts_.give_way) parts_.give_way();
    }
    tell(decision);
  }
}

// How long one lasts as a rule; those of a moment in which the server stalled say little of that.
void LoadWatch::add_batches(double seconds_each) {
  if (seconds_each <= 0) return;
  const double so_far = batch_seconds_ > 0 ? batch_seconds_.load() : seconds_each;
  batch_seconds_ = so_far * std::pow(seconds_each / so_far, kWeightOfBatches);
}

// It is not yet known whether anybody is there.
bool LoadWatch::is_new() {
  const std::lock_guard lock(mutex_);
  const auto was_sampled = [&](const auto& watched) {
    return watched.others.samples() >= watched.probe->samples_to_tell();
  };
  const auto was_read = [](const auto& watched) {
    return watched.was_read || !watched.sensor->is_required();
  };
  return clock_.now() - began_ < kStepsFast &&
         !(std::all_of(probes_.begin(), probes_.end(), was_sampled) &&
           std::all_of(sensors_.begin(), sensors_.end(), was_read));
}

// At first, and where batches without gaps leave nothing to compare with.
void LoadWatch::look_without_us(TimePoint now) {
  const bool is_wanted =
      limits_.enabled && std::any_of(probes_.begin(), probes_.end(), [&](const auto& watched) {
        return watched.others.is_somebody_there() && watched.others.lacks_base(now);
      });
  if (!look_) {
    if (!is_wanted || (has_looked_ && now - looked_at_ < kLookEvery)) return;
    look_.emplace(throttle_);
    quiet_since_ = looked_at_ = now;
    return;
  }
  if (activity_.under_way > 0) quiet_since_ = now;
  const bool is_over =
      now - quiet_since_ >= (has_looked_ ? kLook : kFirstLook) || now - looked_at_ >= kLookEvery;
  if (is_wanted && !is_over) return;
  look_.reset();
  looked_at_ = now;
  // One that found nobody is none.
  has_looked_ |= is_over || std::any_of(probes_.begin(), probes_.end(), [](const auto& watched) {
                   return watched.others.is_somebody_there();
                 });
}

Readings LoadWatch::readings(TimePoint now) {
  Readings all;
  all.busy = worked_ / throttle_.workers();
  all.is_somebody_there =
      limits_.enabled && std::any_of(probes_.begin(), probes_.end(), [](const auto& watched) {
        return watched.others.is_somebody_there();
      });
  for (const WatchedSensor& watched : sensors_) {
    const Duration age = now - watched.read_at;
    if (!watched.was_read) {
      Reading missing;
      missing.signal = watched.sensor->name();
      all.signals.push_back({.reading = missing,
                             .age = age,
                             .is_known = false,
                             .is_required = watched.sensor->is_required()});
    }
    for (const Reading& reading : watched.readings) {
      if (!limits_.enabled && !reading.frees_at_once) continue;
      all.signals.push_back({.reading = reading, .age = age, .is_required = true});
    }
    if (age <= kUnheardOf || !limits_.enabled) continue;
    for (const Reading& reading : watched.sensor->presumed())
      all.signals.push_back({.reading = reading, .is_required = true});
  }
  if (!limits_.enabled) return all;
  for (const WatchedProbe& watched : probes_) {
    for (Signal& signal : watched.others.signals(busy_, limits_.latency_increase_max, now))
      all.signals.push_back(std::move(signal));
    all.usual_wait = std::max(all.usual_wait, watched.others.usual_wait());
  }
  return all;
}

// All that a decision was made of, for whoever wants to know why: `--log-level debug`.
void LoadWatch::tell_step(const Readings& readings, const Decision& decision) {
  Log::Fields fields{{"share", fmt::format("{:.3f}", decision.share)},
                     {"busy", fmt::format("{:.3f}", readings.busy)},
                     {"others", readings.is_somebody_there ? "yes" : "no"}};
  for (const Signal& signal : readings.signals) {
    const double age_s = seconds_of(signal.age);
    fields.emplace_back(signal.reading.signal,
                        !signal.is_known
                            ? fmt::format("unknown {:.1f}s", age_s)
                            : fmt::format("{:.3f}±{:.3f} {:.1f}s{}", signal.reading.level,
                                          signal.noise, age_s, signal.is_surge ? " surge" : ""));
  }
  log_.write(LogLevel::debug, "steers", fields);
}

void LoadWatch::tell(const Decision& decision) {
  const bool is_paused = decision.share <= 0;
  if (is_paused && !is_paused_) {
    log_.write(LogLevel::info, "paused", {{"reason", decision.reason}});
  } else if (!is_paused && is_paused_) {
    log_.write(LogLevel::info, "goes on", {{"share", std::round(decision.share * 100) / 100}});
  }
  is_paused_ = is_paused;
}

}  // namespace backfill
