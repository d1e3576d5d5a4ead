#include "throttle/load_watch.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <numeric>
#include <regex>
#include <string>
#include <thread>
#include <vector>

#include "../support/collecting_log.h"

namespace backfill {
namespace {

using std::chrono::milliseconds;

// The machine's. Counts the waits of one thread up to its first long one.
class WatchedClock : public Clock {
 public:
  TimePoint now() const override { return clock_.now(); }

  bool wait(Duration duration, std::stop_token stop) override {
    if (std::this_thread::get_id() == thread_ && !has_waited_long_) {
      if (duration < kLong) {
        ++short_waits_;
      } else {
        has_waited_long_ = true;
      }
    }
    return clock_.wait(duration, std::move(stop));
  }

  void count_waits_of_this_thread() { thread_ = std::this_thread::get_id(); }

  bool has_waited_long() const { return has_waited_long_; }
  int short_waits() const { return short_waits_; }

 private:
  static constexpr Duration kLong = milliseconds(50);

  SystemClock clock_;
  std::atomic<std::thread::id> thread_;
  std::atomic<bool> has_waited_long_ = false;
  std::atomic<int> short_waits_ = 0;
};

// Somebody is there, who feels nothing of us.
class EvenProbe : public ForegroundProbe {
 public:
  explicit EvenProbe(WatchedClock& clock) : clock_(clock) {}

  std::string name() const override { return "users"; }
  ForegroundSample sample() override {
    clock_.count_waits_of_this_thread();
    ForegroundSample sample;
    sample.active = 2.0;
    sample.commit_seconds = 0.001;
    return sample;
  }
  void reconnect() override {}
  void cancel() noexcept override {}

 private:
  WatchedClock& clock_;
};

// Somebody who feels a tenth more while batches of ours run, and several backfills.
class SharedProbe : public ForegroundProbe {
 public:
  SharedProbe(const Throttle& throttle, int backfills)
      : throttle_(throttle), backfills_(backfills) {}

  std::string name() const override { return "users"; }
  void tell_at_work(bool is_at_work) override { is_told_ = is_at_work; }
  ForegroundSample sample() override {
    EXPECT_TRUE(is_told_);
    const bool with_us = throttle_.activity().under_way > 0;
    ForegroundSample sample;
    sample.active = with_us ? 2.2 : 2.0;
    sample.backfills = backfills_;
    return sample;
  }
  void reconnect() override {}
  void cancel() noexcept override {}

 private:
  const Throttle& throttle_;
  const int backfills_;
  bool is_told_ = false;
};

// How near to its limit the harm was at each step, as a part of the time that batches run; from
// the log.
std::vector<double> levels_while_busy(const CollectingLog& log) {
  const std::regex step("busy=([0-9.]+) .*active_sessions=([0-9.]+)");
  std::vector<double> levels;
  for (const std::string& line : log.lines()) {
    std::smatch found;
    if (!std::regex_search(line, found, step)) continue;
    if (const double busy = std::stod(found[1]); busy > 0) {
      levels.push_back(std::stod(found[2]) / busy);
    }
  }
  return levels;
}

double level_beside(int backfills) {
  SystemClock clock;
  CollectingLog log;
  Throttle throttle(0.05);
  LoadWatch::Parts parts;
  parts.probes.push_back(std::make_unique<SharedProbe>(throttle, backfills));
  const std::jthread worker([&](const std::stop_token& stop) {
    const milliseconds batch(5);
    while (throttle.begin(stop)) {
      clock.wait(batch, stop);
      throttle.rest_after(batch, stop);
    }
  });
  const LoadWatch watch(std::move(parts), {}, throttle, clock, log);
  std::vector<double> levels;
  while ((levels = levels_while_busy(log)).empty()) clock.wait(milliseconds(20), {});
  return levels.back();
}

// A tenth more is half of what is allowed.
TEST(LoadWatch, DoesItsPartOnlyOfTheHarmThatIsAllowed) {
  EXPECT_NEAR(level_beside(1), 0.5, 0.25);
  EXPECT_NEAR(level_beside(4), 2, 1);
}

// A server on which everything waits at times, whoever is at work on it.
class Stalls {
 public:
  // How long what is there now has to wait.
  static Duration left(TimePoint now) {
    const Duration phase = now.time_since_epoch() % kEvery;
    return phase < kLast ? kLast - phase : Duration::zero();
  }

 private:
  static constexpr Duration kEvery = milliseconds(200);
  static constexpr Duration kLast = milliseconds(50);
};

// Somebody who feels stalls and nothing of us.
class StalledProbe : public ForegroundProbe {
 public:
  std::string name() const override { return "users"; }
  ForegroundSample sample() override {
    const Duration stalled = Stalls::left(clock_.now());
    clock_.wait(stalled, {});
    ForegroundSample sample;
    sample.active = stalled > Duration::zero() ? 10 : 1;
    return sample;
  }
  void reconnect() override {}
  void cancel() noexcept override {}

 private:
  SystemClock clock_;
};

// Of some seconds of batches that last as long as a stall does that they meet.
double level_beside_stalls() {
  SystemClock clock;
  CollectingLog log;
  Throttle throttle(0.1);
  LoadWatch::Parts parts;
  parts.probes.push_back(std::make_unique<StalledProbe>());
  const std::jthread worker([&](const std::stop_token& stop) {
    const milliseconds batch(4);
    while (throttle.begin(stop)) {
      clock.wait(batch, stop);
      clock.wait(Stalls::left(clock.now()), stop);
      throttle.rest_after(batch, stop);
    }
  });
  ThrottleLimits limits;
  limits.share_max = 0.1;
  const LoadWatch watch(std::move(parts), limits, throttle, clock, log);
  std::vector<double> levels;
  while ((levels = levels_while_busy(log)).size() < 25) clock.wait(milliseconds(20), {});
  return std::accumulate(levels.begin(), levels.end(), 0.0) / static_cast<double>(levels.size());
}

// A batch is under way in most of the stalls; who looks for one at any moment finds a level of 7.
// One value is uncertain by 1.5, so there are some.
TEST(LoadWatch, DoesNotTakeStallsForItsDoing) {
  std::vector<std::future<double>> levels;
  for (int i = 0; i < 6; ++i) levels.push_back(std::async(std::launch::async, level_beside_stalls));
  double sum = 0;
  for (std::future<double>& level : levels) sum += level.get();

  EXPECT_LT(sum / static_cast<double>(levels.size()), 5);
}

// Notes how long a batch has been under way when somebody looks.
class PhaseProbe : public ForegroundProbe {
 public:
  PhaseProbe(const Throttle& throttle, const std::atomic<TimePoint>& batch_began)
      : throttle_(throttle), batch_began_(batch_began) {}

  std::string name() const override { return "users"; }
  ForegroundSample sample() override {
    if (throttle_.activity().under_way > 0) {
      const Duration phase = std::chrono::steady_clock::now() - batch_began_.load();
      ++(phase > milliseconds(5) ? late_ : early_);
    }
    ForegroundSample sample;
    sample.active = 1.0;
    sample.commit_seconds = 0.001;
    return sample;
  }
  void reconnect() override {}
  void cancel() noexcept override {}

  int seen() const { return early_ + late_; }
  int late() const { return late_; }

 private:
  const Throttle& throttle_;
  const std::atomic<TimePoint>& batch_began_;
  std::atomic<int> early_ = 0;
  std::atomic<int> late_ = 0;
};

// Others come at any time of a batch, not when it begins; three of four later than 5 ms of 20.
TEST(LoadWatch, LooksAtOthersAtAnyTimeOfABatch) {
  SystemClock clock;
  CollectingLog log;
  Throttle throttle(0.2);
  std::atomic<TimePoint> batch_began{clock.now()};
  auto made = std::make_unique<PhaseProbe>(throttle, batch_began);
  const PhaseProbe& probe = *made;
  LoadWatch::Parts parts;
  parts.probes.push_back(std::move(made));
  const std::jthread worker([&](const std::stop_token& stop) {
    const milliseconds batch(20);
    while (throttle.begin(stop)) {
      batch_began = clock.now();
      clock.wait(batch, stop);
      throttle.rest_after(batch, stop);
    }
  });
  ThrottleLimits limits;
  limits.share_max = 0.2;
  const LoadWatch watch(std::move(parts), limits, throttle, clock, log);

  while (probe.seen() < 20) std::this_thread::sleep_for(milliseconds(5));

  EXPECT_GE(probe.late(), 5);
}

// Growth waits for both of what a probe shows, and commits take more samples: 40 without us to tell
// which are slow, and 8 with us.
TEST(LoadWatch, HurriesUntilItKnowsCommitsToo) {
  WatchedClock clock;
  CollectingLog log;
  Throttle throttle(0.05);
  LoadWatch::Parts parts;
  parts.probes.push_back(std::make_unique<EvenProbe>(clock));
  const std::jthread worker([&](const std::stop_token& stop) {
    const milliseconds batch(2);
    while (throttle.begin(stop)) {
      clock.wait(batch, stop);
      throttle.rest_after(batch, stop);
    }
  });
  const LoadWatch watch(std::move(parts), {}, throttle, clock, log);

  while (!clock.has_waited_long()) std::this_thread::sleep_for(milliseconds(5));

  EXPECT_GE(clock.short_waits(), 46);
}

}  // namespace
}  // namespace backfill
