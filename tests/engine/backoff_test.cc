#include "engine/backoff.h"

#include <gtest/gtest.h>

#include <thread>

#include "support/manual_clock.h"

namespace backfill {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(Backoff, DoublesUpToTheLongestWait) {
  ManualClock clock;
  Backoff backoff({8, milliseconds(100), milliseconds(1000)}, clock, /*seed=*/1);

  while (backoff.wait({})) {
  }

  const std::vector<Duration> waits = clock.waits();
  ASSERT_EQ(waits.size(), 8U);
  const std::vector<int> whole = {100, 200, 400, 800, 1000, 1000, 1000, 1000};
  for (std::size_t i = 0; i < whole.size(); ++i) {
    EXPECT_LE(waits[i], milliseconds(whole[i])) << i;
    EXPECT_GE(waits[i], milliseconds(whole[i] * 3 / 4)) << i;
  }
}

TEST(Backoff, CountsItsRetriesAndEndsAfterTheLast) {
  ManualClock clock;
  Backoff backoff({2, milliseconds(1), milliseconds(1)}, clock, /*seed=*/1);

  EXPECT_TRUE(backoff.wait({}));
  EXPECT_TRUE(backoff.wait({}));
  EXPECT_EQ(backoff.retries(), 2);
  EXPECT_FALSE(backoff.wait({}));

  EXPECT_EQ(backoff.retries(), 2);
  EXPECT_EQ(clock.waits().size(), 2U);
}

TEST(Backoff, WithoutRetriesNeverWaits) {
  ManualClock clock;
  Backoff backoff({0, milliseconds(1), milliseconds(1)}, clock, /*seed=*/1);

  EXPECT_FALSE(backoff.wait({}));

  EXPECT_TRUE(clock.waits().empty());
}

TEST(Backoff, EndsAtOnceOnAStop) {
  ManualClock clock;
  Backoff backoff({10, milliseconds(1), milliseconds(1)}, clock, /*seed=*/1);
  std::stop_source stop;
  stop.request_stop();

  EXPECT_FALSE(backoff.wait(stop.get_token()));

  EXPECT_TRUE(clock.waits().empty());
}

TEST(Backoff, IsEndedByAStopWhileItWaits) {
  ManualClock clock(/*holds_from=*/Duration::zero());
  Backoff backoff({10, seconds(1), seconds(1)}, clock, /*seed=*/1);
  std::stop_source stop;
  std::jthread stopper([&] {
    while (clock.waits().empty()) std::this_thread::yield();
    stop.request_stop();
  });

  EXPECT_FALSE(backoff.wait(stop.get_token()));
}

// The jitter could once bring it down to 57 seconds.
TEST(Backoff, SpansMoreThanAMinuteByDefaultWhateverTheJitter) {
  for (std::uint64_t seed = 0; seed < 5000; ++seed) {
    ManualClock clock;
    Backoff backoff(BackoffOptions(), clock, seed);
    const TimePoint began = clock.now();

    while (backoff.wait({})) {
    }

    ASSERT_GT(clock.now() - began, seconds(60)) << "seed " << seed;
  }
}

TEST(Backoff, CountsDoublingsWithoutOverflowing) {
  ManualClock clock;
  Backoff backoff({100, milliseconds(250), seconds(15)}, clock, /*seed=*/1);

  while (backoff.wait({})) {
  }

  for (const Duration wait : clock.waits()) {
    EXPECT_GT(wait, Duration::zero());
    EXPECT_LE(wait, seconds(15));
  }
}

}  // namespace
}  // namespace backfill
