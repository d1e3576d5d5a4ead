#include "throttle/load_watch.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

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
    return {.is_somebody_there = true, .active = 2.0, .commit_seconds = 0.001};
  }
  void reconnect() override {}
  void cancel() noexcept override {}

 private:
  WatchedClock& clock_;
};

// Growth waits for both of what a probe shows, and commits take more samples: 40 to tell which are
// slow, then 8 without us and 8 with us.
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

  EXPECT_GE(clock.short_waits(), 56);
}

}  // namespace
}  // namespace backfill
