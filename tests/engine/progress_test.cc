#include "engine/progress.h"

#include <gtest/gtest.h>

#include <random>

#include "support/manual_clock.h"

namespace backfill {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class ProgressTest : public testing::Test {
 protected:
  // Reads `rows` more within `time`.
  void go_on(Progress& progress, std::int64_t rows, Duration time) {
    clock_.advance(time);
    run_.rows.read += rows;
    progress.update(run_);
  }

  ManualClock clock_;
  SavedRun run_;
};

TEST_F(ProgressTest, KnowsNoRateAtFirst) {
  run_.estimated_total = 1000;
  Progress progress(run_, clock_);

  go_on(progress, 100, seconds(1));

  EXPECT_EQ(run_.rate_rows_per_s, std::nullopt);
  EXPECT_EQ(run_.eta_low_s, std::nullopt);
  EXPECT_EQ(run_.eta_high_s, std::nullopt);
  EXPECT_DOUBLE_EQ(run_.progress, 0.1);
}

TEST_F(ProgressTest, KnowsARateButNoEndWithoutAnEstimate) {
  Progress progress(run_, clock_);

  go_on(progress, 500, seconds(5));

  ASSERT_TRUE(run_.rate_rows_per_s);
  EXPECT_DOUBLE_EQ(*run_.rate_rows_per_s, 100);
  EXPECT_EQ(run_.eta_low_s, std::nullopt);
  EXPECT_EQ(run_.progress, 0);
}

TEST_F(ProgressTest, GivesTheTimeLeftAsARange) {
  run_.estimated_total = 10'000;
  Progress progress(run_, clock_);

  go_on(progress, 1000, seconds(10));

  ASSERT_TRUE(run_.eta_low_s && run_.eta_high_s);
  EXPECT_NEAR(*run_.eta_low_s, 81, 0.01);
  EXPECT_NEAR(*run_.eta_high_s, 99, 0.01);
}

TEST_F(ProgressTest, ForgetsARateOfLongAgo) {
  Progress progress(run_, clock_);
  for (int i = 0; i < 10; ++i) go_on(progress, 1000, seconds(1));

  for (int i = 0; i < 40; ++i) go_on(progress, 10, seconds(1));

  EXPECT_NEAR(*run_.rate_rows_per_s, 10, 1);
}

TEST_F(ProgressTest, CountsOnlyThisProcessForTheRate) {
  run_.rows.read = 1'000'000;
  run_.elapsed_s = 500;
  run_.estimated_total = 2'000'000;
  Progress progress(run_, clock_);

  go_on(progress, 1000, seconds(10));

  EXPECT_DOUBLE_EQ(*run_.rate_rows_per_s, 100);
  EXPECT_DOUBLE_EQ(run_.elapsed_s, 510);
  EXPECT_GT(*run_.eta_low_s, 8000);
}

TEST_F(ProgressTest, DoesNotGuessWhenNothingMovesOrMoreRowsCameThanEstimated) {
  run_.estimated_total = 1000;
  Progress still(run_, clock_);
  go_on(still, 0, seconds(10));
  EXPECT_EQ(run_.eta_low_s, std::nullopt);

  Progress over(run_, clock_);
  go_on(over, 1500, seconds(10));
  EXPECT_EQ(run_.eta_low_s, std::nullopt);
}

TEST_F(ProgressTest, IsDoneOnlyWhenTheEndIsProven) {
  run_.estimated_total = 10;
  Progress progress(run_, clock_);

  go_on(progress, 1000, seconds(5));
  EXPECT_LT(run_.progress, 1);

  run_.all_visited = true;
  go_on(progress, 0, seconds(1));
  EXPECT_EQ(run_.progress, 1);
  EXPECT_EQ(run_.eta_low_s, 0);
  EXPECT_EQ(run_.eta_high_s, 0);
}

TEST_F(ProgressTest, NeverFallsAndKeepsItsRangesInOrder) {
  const std::uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  run_.estimated_total = 100'000;
  run_.progress = 0.2;
  Progress progress(run_, clock_);
  double before = run_.progress;

  for (int i = 0; i < 2000; ++i) {
    if (random() % 50 == 0) run_.estimated_total = static_cast<std::int64_t>(random() % 1'000'000);
    go_on(progress, static_cast<std::int64_t>(random() % 200), milliseconds(random() % 2000));

    ASSERT_GE(run_.progress, before);
    ASSERT_LT(run_.progress, 1);
    before = run_.progress;
    ASSERT_EQ(run_.eta_low_s.has_value(), run_.eta_high_s.has_value());
    if (!run_.eta_low_s) continue;
    ASSERT_LE(0, *run_.eta_low_s);
    ASSERT_LE(*run_.eta_low_s, *run_.eta_high_s);
  }
}

}  // namespace
}  // namespace backfill
