#include "throttle/foreground.h"

#include <gtest/gtest.h>

#include <random>

namespace backfill {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class ForegroundTest : public ::testing::Test {
 protected:
  // Twenty a second with a batch, and as many without.
  void pass(Duration duration, ForegroundSample with, ForegroundSample without) {
    for (const TimePoint until = now_ + duration; now_ < until; now_ += milliseconds(50)) {
      others_.add(spread(with), Foreground::Ours::batch, now_);
      others_.add(spread(without), Foreground::Ours::none, now_);
    }
  }

  // Of the signal; none where it does not steer.
  std::optional<double> level(const std::string& signal) {
    for (const Signal& each : others_.signals(1, 0.2, now_)) {
      if (each.reading.signal == signal) return each.reading.level;
    }
    return std::nullopt;
  }

  static ForegroundSample sample(double active, std::optional<double> commit_seconds) {
    ForegroundSample sample;
    sample.active = active;
    sample.commit_seconds = commit_seconds;
    return sample;
  }

  // Of two sessions at work, so many have written.
  static ForegroundSample statements(double writing, double commit_seconds, double read_seconds) {
    ForegroundSample all = sample(2, commit_seconds);
    all.writing = writing;
    all.read_seconds = read_seconds;
    return all;
  }

  const std::uint64_t seed_ = std::random_device{}();
  TimePoint now_{seconds(1000)};
  Foreground others_{3, now_ - seconds(1)};

 private:
  ForegroundSample spread(ForegroundSample sample) {
    std::gamma_distribution<double> spread(8, 0.125);
    if (sample.active) sample.active = *sample.active * spread(random_);
    if (sample.commit_seconds) sample.commit_seconds = *sample.commit_seconds * spread(random_);
    if (sample.read_seconds) sample.read_seconds = *sample.read_seconds * spread(random_);
    return sample;
  }

  std::mt19937_64 random_{seed_};
};

TEST_F(ForegroundTest, TellsByCommitsHowMuchWorseOthersFare) {
  SCOPED_TRACE("seed " + std::to_string(seed_));
  pass(seconds(20), sample(1, 0.003), sample(1, 0.002));

  EXPECT_NEAR(*level("commit_latency"), 5, 3);
}

TEST_F(ForegroundTest, TellsBySessionsAtWorkWhereNothingMayBeCommitted) {
  SCOPED_TRACE("seed " + std::to_string(seed_));
  pass(seconds(20), sample(1.5, std::nullopt), sample(1, std::nullopt));

  EXPECT_FALSE(level("commit_latency"));
  EXPECT_NEAR(*level("active_sessions"), 2.5, 1.5);
}

TEST_F(ForegroundTest, TellsByReadsWhereNobodyWrites) {
  SCOPED_TRACE("seed " + std::to_string(seed_));
  pass(seconds(20), statements(0, 0.004, 0.00045), statements(0, 0.001, 0.0003));

  EXPECT_LT(*level("commit_latency"), 0.1) << "that nobody waits for";
  EXPECT_NEAR(*level("read_latency"), 2.5, 1.5);
}

TEST_F(ForegroundTest, CountsCommitsByThePartOfOthersThatWrite) {
  SCOPED_TRACE("seed " + std::to_string(seed_));
  pass(seconds(20), statements(0.25, 0.003, 0.0003), statements(0.25, 0.002, 0.0003));

  EXPECT_NEAR(*level("commit_latency"), 1.25, 0.75) << "a quarter of what half and more make it";
}

TEST_F(ForegroundTest, CountsCommitsSoonOnceOthersWrite) {
  SCOPED_TRACE("seed " + std::to_string(seed_));
  pass(seconds(20), statements(0, 0.003, 0.0003), statements(0, 0.002, 0.0003));
  pass(seconds(2), statements(2, 0.003, 0.0003), statements(2, 0.002, 0.0003));

  EXPECT_GT(*level("commit_latency"), 2.5) << "of 5";
}

// Every other time nobody is at work: what a tenth more at the other times tells is not sure.
TEST_F(ForegroundTest, CountsSessionsAsFarAsTheyAreSureBesideCommits) {
  const auto pass_by_turns = [&](double with, double without) {
    for (int i = 0; i < 400; ++i) {
      now_ += milliseconds(50);
      const int is_at_work = i % 2;
      others_.add(sample(is_at_work * with, 0.002), Foreground::Ours::batch, now_);
      others_.add(sample(is_at_work * without, 0.002), Foreground::Ours::none, now_);
    }
  };
  pass_by_turns(2.2, 2);
  EXPECT_EQ(*level("active_sessions"), 0);
  EXPECT_EQ(others_.signals(1, 0.2, now_).back().noise, 0);

  pass_by_turns(4, 2);
  EXPECT_GT(*level("active_sessions"), 1);
}

TEST_F(ForegroundTest, LearnsNothingFromASampleThatIsUnclear) {
  for (int i = 0; i < 100; ++i) {
    now_ += milliseconds(50);
    others_.add(sample(1, 0.002), Foreground::Ours::unclear, now_);
  }

  EXPECT_TRUE(others_.is_somebody_there());
  EXPECT_TRUE(others_.lacks_base(now_));
  EXPECT_FALSE(others_.is_known(now_));
}

TEST_F(ForegroundTest, SeesASurgeWhoeverMadeIt) {
  pass(seconds(20), sample(1, 0.002), sample(1, 0.002));
  for (int i = 0; i < 8; ++i) {
    now_ += milliseconds(100);
    others_.add(sample(1, 0.05), Foreground::Ours::none, now_);
  }

  EXPECT_TRUE(others_.signals(1, 0.2, now_).front().is_surge);
}

TEST_F(ForegroundTest, SeesASurgeOfReadsOnlyWhereFewWrite) {
  const auto is_surge = [&](double writing) {
    pass(seconds(20), statements(writing, 0.002, 0.0003), statements(writing, 0.002, 0.0003));
    for (int i = 0; i < 8; ++i) {
      now_ += milliseconds(100);
      others_.add(statements(writing, 0.002, 0.005), Foreground::Ours::none, now_);
    }
    bool found = false;
    for (const Signal& signal : others_.signals(1, 0.2, now_)) found |= signal.is_surge;
    return found;
  };

  EXPECT_TRUE(is_surge(0));
  EXPECT_FALSE(is_surge(2));
}

TEST_F(ForegroundTest, SteersNothingOnceNobodyIsThereAnyMore) {
  pass(seconds(20), sample(1, 0.002), sample(1, 0.002));
  ForegroundSample nobody;
  nobody.is_somebody_there = false;
  nobody.active = 0;
  others_.add(nobody, Foreground::Ours::none, now_ + seconds(5));

  EXPECT_FALSE(others_.is_somebody_there());
  EXPECT_TRUE(others_.signals(1, 0.2, now_ + seconds(5)).empty());
}

}  // namespace
}  // namespace backfill
