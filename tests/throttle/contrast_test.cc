#include "throttle/contrast.h"

#include <gtest/gtest.h>

#include <random>

namespace backfill {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class ContrastTest : public ::testing::Test {
 protected:
  // Twenty a second of each, around these means.
  void pass(Duration duration, double with, double without) {
    std::gamma_distribution<double> spread(4, 0.25);
    for (const TimePoint until = now_ + duration; now_ < until; now_ += milliseconds(50)) {
      contrast_.add(with * spread(random_), true, now_);
      contrast_.add(without * spread(random_), false, now_);
    }
  }

  const std::uint64_t seed_ = std::random_device{}();
  std::mt19937_64 random_{seed_};
  Contrast contrast_;
  TimePoint now_{seconds(1000)};
};

TEST_F(ContrastTest, KnowsNothingBeforeThereIsSomethingToCompare) {
  contrast_.add(1, true, now_);

  EXPECT_FALSE(contrast_.is_known(now_));
  EXPECT_EQ(contrast_.harm(1, now_).increase, 0);
}

TEST_F(ContrastTest, TellsTheIncreaseWithinItsError) {
  SCOPED_TRACE("seed " + std::to_string(seed_));
  pass(seconds(20), 1.5, 1);

  const Contrast::Harm harm = contrast_.harm(1, now_);

  EXPECT_NEAR(harm.increase, 0.5, 5 * harm.error);
  EXPECT_LE(harm.error, 0.15);
}

// Who is in nobody's way for most of the time does little harm over all of it.
TEST_F(ContrastTest, CountsHarmForTheTimeThatBatchesRun) {
  SCOPED_TRACE("seed " + std::to_string(seed_));
  pass(seconds(20), 2, 1);

  EXPECT_NEAR(contrast_.harm(0.1, now_).increase, contrast_.harm(1, now_).increase / 10, 1e-9);
}

TEST_F(ContrastTest, FollowsWhatChangesWithTheTimeOfDay) {
  SCOPED_TRACE("seed " + std::to_string(seed_));
  pass(seconds(20), 1, 1);
  pass(seconds(90), 3, 3);

  EXPECT_NEAR(contrast_.harm(1, now_).increase, 0, 0.3);
}

TEST_F(ContrastTest, IsNotMisledByAMachineThatStalled) {
  SCOPED_TRACE("seed " + std::to_string(seed_));
  pass(seconds(20), 1, 1);
  contrast_.add(500, true, now_);

  EXPECT_LE(contrast_.harm(1, now_).increase, 0.3);
}

TEST_F(ContrastTest, ForgetsWhatIsOld) {
  pass(seconds(20), 1, 1);

  EXPECT_FALSE(contrast_.is_known(now_ + seconds(120)));
}

class SurgeTest : public ::testing::Test {
 protected:
  void add(double times, Duration later = milliseconds(100)) {
    now_ += later;
    surge_.add(times, now_);
  }

  TimePoint now_;
  Surge surge_;
};

TEST_F(SurgeTest, IsOnWhileSixOfTheLastEightAreSlow) {
  for (int i = 0; i < 5; ++i) add(1.1);
  EXPECT_FALSE(surge_.is_on());
  add(0.9);
  add(0.9);
  add(1.1);
  EXPECT_TRUE(surge_.is_on());

  add(0.9);
  EXPECT_FALSE(surge_.is_on());
}

TEST_F(SurgeTest, TakesThreeThatAreFarTooSlow) {
  for (int i = 0; i < 8; ++i) add(0.5);
  add(20);
  add(20);
  EXPECT_FALSE(surge_.is_on());

  add(20);
  EXPECT_TRUE(surge_.is_on());
}

TEST_F(SurgeTest, IsNoMomentInWhichAMachineStalls) {
  for (int i = 0; i < 8; ++i) add(20, milliseconds(5));

  EXPECT_FALSE(surge_.is_on());
}

TEST(SlowValues, ArePassedByOneInTen) {
  SlowValues slow;
  EXPECT_FALSE(slow.tenth());
  for (int value = 1; value <= 100; ++value) slow.add(value);

  EXPECT_EQ(slow.tenth(), 91);
}

}  // namespace
}  // namespace backfill
