#include "throttle/controller.h"

#include <gtest/gtest.h>

namespace backfill {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

Signal signal(SignalKind kind, const std::string& name, double level) {
  Signal made;
  made.reading.kind = kind;
  made.reading.signal = name;
  made.reading.level = level;
  made.reading.reason = name + " at " + std::to_string(level);
  return made;
}

class ControllerTest : public ::testing::Test {
 protected:
  // Steps for so long with the same signals, all of the share in use; the last decision.
  Decision pass(Duration duration, std::vector<Signal> signals) {
    Decision decision;
    for (const TimePoint until = now_ + duration; now_ < until;) {
      now_ += milliseconds(200);
      Readings readings;
      readings.signals = signals;
      readings.is_somebody_there = somebody_;
      readings.busy = in_use_ * share_;
      decision = controller_.step(readings, limits_, now_);
      share_ = decision.share;
    }
    return decision;
  }

  Controller controller_;
  ThrottleLimits limits_;
  TimePoint now_{seconds(1000)};
  bool somebody_ = true;
  double in_use_ = 1;
  double share_ = 0;
};

TEST_F(ControllerTest, TakesAllWhereNobodyElseIs) {
  somebody_ = false;

  const Decision decision = pass(milliseconds(200), {});

  EXPECT_EQ(decision.share, 1);
  EXPECT_FALSE(decision.is_small);
  EXPECT_EQ(decision.reason, "");
}

TEST_F(ControllerTest, StartsWithATrickleWhereOthersAreAtWork) {
  const Decision decision = pass(milliseconds(200), {});

  EXPECT_LE(decision.share, 0.06);
  EXPECT_TRUE(decision.is_small);
  EXPECT_NE(decision.reason, "");
}

TEST_F(ControllerTest, GrowsToAllWhileNobodyIsHarmed) {
  EXPECT_GE(pass(seconds(30), {signal(SignalKind::steering, "commit_latency", 0.1)}).share, 0.99);
}

TEST_F(ControllerTest, DoesNotGrowWhatIsNotUsed) {
  in_use_ = 0.1;

  EXPECT_LE(pass(seconds(60), {}).share, 0.06);
}

TEST_F(ControllerTest, GivesWayToOthersWithinTwoSeconds) {
  pass(seconds(60), {});

  EXPECT_LE(pass(seconds(2), {signal(SignalKind::steering, "commit_latency", 6)}).share, 0.5);
  EXPECT_LE(pass(seconds(6), {signal(SignalKind::steering, "commit_latency", 6)}).share, 0.05);
}

// Long before a mean can tell.
TEST_F(ControllerTest, HalvesItsShareAtOnceInASurgeAndAgainWhileItLasts) {
  pass(seconds(60), {});
  Signal surge = signal(SignalKind::steering, "commit_latency", 1);
  surge.is_surge = true;

  const Decision at_once = pass(milliseconds(200), {surge});
  EXPECT_EQ(at_once.share, 0.5);
  EXPECT_EQ(at_once.cause, "commit_latency");
  EXPECT_LE(pass(milliseconds(1800), {surge}).share, 0.125);
  EXPECT_LE(pass(seconds(3), {surge}).share, 0.02);

  surge.is_surge = false;
  surge.reading.level = 0;
  EXPECT_GE(pass(seconds(30), {surge}).share, 0.3);
}

TEST_F(ControllerTest, HeedsNoSurgeOfThePast) {
  pass(seconds(60), {});
  Signal surge = signal(SignalKind::steering, "commit_latency", 0);
  surge.is_surge = true;
  surge.age = seconds(4);

  EXPECT_EQ(pass(seconds(2), {surge}).share, 1);
}

TEST_F(ControllerTest, KeepsATrickleHoweverGreatTheHarmOfBatchesIs) {
  const Decision decision =
      pass(seconds(300), {signal(SignalKind::steering, "commit_latency", 50)});

  EXPECT_GT(decision.share, 0);
  EXPECT_EQ(decision.cause, "commit_latency");
  EXPECT_EQ(decision.pressure.signal, "commit_latency");
}

TEST_F(ControllerTest, GrowsSlowlyTowardsWhatWasTooMuch) {
  pass(seconds(20), {signal(SignalKind::steering, "commit_latency", 0)});
  pass(seconds(2), {signal(SignalKind::steering, "commit_latency", 1.6)});
  pass(seconds(2), {signal(SignalKind::steering, "commit_latency", 0)});
  const double before = share_;

  const double soon = pass(seconds(3), {signal(SignalKind::steering, "commit_latency", 0)}).share;

  EXPECT_LT(before, 1);
  EXPECT_LE(soon, before + 0.03);
}

// Harm in proportion to the share, so noisy that it is looked at for eight seconds.
TEST_F(ControllerTest, SettlesWithoutSwingingHoweverLongItLooks) {
  double lowest = 1;
  const auto pass_where_the_most_is = [&](double most) {
    for (int step = 0; step < 300; ++step) {
      Signal harm = signal(SignalKind::steering, "commit_latency", share_ / most);
      harm.noise = 1;
      harm.is_of_ours = true;
      pass(milliseconds(200), {harm});
      lowest = std::min(lowest, share_);
    }
  };
  pass_where_the_most_is(0.8);
  EXPECT_NEAR(share_, 0.8, 0.1);
  lowest = 1;

  pass_where_the_most_is(0.2);

  EXPECT_GE(lowest, 0.15);
  EXPECT_NEAR(share_, 0.2, 0.02);
}

TEST_F(ControllerTest, DoesNotDoubleWhereNoiseMayHideHarm) {
  Signal noisy = signal(SignalKind::steering, "commit_latency", 0);
  noisy.noise = 1.5;

  EXPECT_LE(pass(seconds(5), {noisy}).share, 0.25);
}

// What ended the doubling may have been chance; what is known since leads on as fast as it is sure.
TEST_F(ControllerTest, GoesOnToWhereHarmWouldBeAtItsLimit) {
  const auto pass_with_noise = [&](double level, double noise, int steps) {
    for (int step = 0; step < steps; ++step) {
      Signal harm = signal(SignalKind::steering, "commit_latency", level * share_);
      harm.noise = noise * share_;
      harm.is_of_ours = true;
      pass(milliseconds(200), {harm});
    }
  };
  pass_with_noise(10, 20, 5);
  EXPECT_LE(share_, 0.1);

  pass_with_noise(0.5, 0.5, 50);
  EXPECT_GE(share_, 0.6);
}

// Half of the limit leaves all, three quarters leave half, the limit leaves nothing.
TEST_F(ControllerTest, LetsABudgetCapTheShareInAStraightLine) {
  somebody_ = false;
  const auto at = [&](double level) {
    return pass(milliseconds(200), {signal(SignalKind::budget, "replica_lag", level)}).share;
  };

  EXPECT_DOUBLE_EQ(at(0.5), 1);
  EXPECT_DOUBLE_EQ(at(0.75), 0.5);
  EXPECT_NEAR(at(0.9), 0.2, 1e-9);
  EXPECT_DOUBLE_EQ(at(1), 0);
}

TEST_F(ControllerTest, SlowsDownOnlyForABudgetThatAsksForNoMore) {
  somebody_ = false;
  Signal dead_rows = signal(SignalKind::budget, "dead_rows", 7);
  dead_rows.reading.share_min = 0.25;

  EXPECT_DOUBLE_EQ(pass(seconds(1), {dead_rows}).share, 0.25);
}

TEST_F(ControllerTest, PausesAtALimitAndSaysWhy) {
  somebody_ = false;

  const Decision decision =
      pass(milliseconds(200), {signal(SignalKind::budget, "replica_lag", 1.24)});

  EXPECT_EQ(decision.share, 0);
  EXPECT_EQ(decision.cause, "replica_lag");
  EXPECT_EQ(decision.reason, "replica_lag at 1.240000");
}

// Otherwise it would stop and go with every reading that wavers around the limit.
TEST_F(ControllerTest, GoesOnOnlyAfterSomeSecondsBelowFourFifthsOfTheLimit) {
  somebody_ = false;
  pass(seconds(1), {signal(SignalKind::stop, "lock_wait", 1)});

  EXPECT_EQ(pass(seconds(60), {signal(SignalKind::stop, "lock_wait", 0.9)}).share, 0);
  EXPECT_EQ(pass(seconds(2), {signal(SignalKind::stop, "lock_wait", 0.7)}).share, 0);
  EXPECT_EQ(pass(milliseconds(200), {signal(SignalKind::stop, "lock_wait", 0.9)}).share, 0);
  EXPECT_EQ(pass(seconds(2), {signal(SignalKind::stop, "lock_wait", 0.7)}).share, 0);
  EXPECT_GT(pass(seconds(2), {signal(SignalKind::stop, "lock_wait", 0.7)}).share, 0);
}

TEST_F(ControllerTest, GoesOnAtOnceWhenAPausesFileIsGone) {
  somebody_ = false;
  Signal file = signal(SignalKind::stop, "pause_file", 1);
  file.reading.frees_at_once = true;
  EXPECT_EQ(pass(seconds(1), {file}).share, 0);
  file.reading.level = 0;

  EXPECT_EQ(pass(milliseconds(400), {file}).share, 1);
}

TEST_F(ControllerTest, PausesWithoutABudgetThatMustBeKnown) {
  somebody_ = false;
  Signal lag = signal(SignalKind::budget, "replica_lag", 0);
  lag.is_required = true;
  lag.age = seconds(14);
  EXPECT_EQ(pass(milliseconds(200), {lag}).share, 1);
  lag.age = seconds(16);

  const Decision decision = pass(milliseconds(200), {lag});

  EXPECT_EQ(decision.share, 0);
  EXPECT_EQ(decision.reason, "replica_lag is not known for 16s");
}

TEST_F(ControllerTest, DoesNotGrowBlindAndSlowsDownWhenItStaysSo) {
  Signal latency = signal(SignalKind::steering, "commit_latency", 0);
  pass(seconds(8), {latency});
  const double before = share_;
  latency.age = seconds(5);
  EXPECT_EQ(pass(seconds(5), {latency}).share, before);
  latency.age = seconds(20);

  EXPECT_LE(pass(seconds(30), {latency}).share, 0.051);
}

TEST_F(ControllerTest, DoesNotGrowWhileABudgetIsNotReadEither) {
  Signal lag = signal(SignalKind::budget, "replica_lag", 0);
  lag.is_required = true;
  pass(seconds(2), {lag});
  const double before = share_;
  lag.age = seconds(5);

  EXPECT_EQ(pass(seconds(5), {lag}).share, before);
}

TEST_F(ControllerTest, WindsNothingUpWhileABudgetCaps) {
  pass(seconds(30), {});
  pass(seconds(5), {signal(SignalKind::budget, "replica_lag", 0.95)});

  EXPECT_LE(pass(milliseconds(200), {signal(SignalKind::budget, "replica_lag", 0)}).share, 0.2);
}

TEST_F(ControllerTest, TakesNoMoreThanTheUserAllows) {
  limits_.share_max = 0.3;
  somebody_ = false;

  const Decision decision = pass(seconds(60), {});

  EXPECT_DOUBLE_EQ(decision.share, 0.3);
  EXPECT_EQ(decision.reason, "throttle.share = 0.3");
}

TEST_F(ControllerTest, IsPausedByHandWhateverTheSignalsSay) {
  limits_.standstill = Standstill{"pause", "paused by `backfill pause`"};

  const Decision decision = pass(seconds(1), {});

  EXPECT_EQ(decision.share, 0);
  EXPECT_EQ(decision.reason, "paused by `backfill pause`");
}

}  // namespace
}  // namespace backfill
