#include <gtest/gtest.h>

#include <limits>

#include "observe/progress_display.h"

namespace backfill {
namespace {

TEST(CountText, GroupsDigitsByThree) {
  EXPECT_EQ(count_text(0), "0");
  EXPECT_EQ(count_text(999), "999");
  EXPECT_EQ(count_text(1000), "1,000");
  EXPECT_EQ(count_text(-1234567), "-1,234,567");
}

TEST(DurationText, UsesTheUnitThatFits) {
  EXPECT_EQ(duration_text(0.25), "250 ms");
  EXPECT_EQ(duration_text(4.25), "4.2 s");
  EXPECT_EQ(duration_text(70), "1m10s");
  EXPECT_EQ(duration_text(7500), "2h05m");
}

TEST(RestsText, NamesTheLongestFirstAndLeavesOutWhatIsNothing) {
  SavedRun run;
  run.rested_s = {{"share", 2}, {"replica_lag", 70}, {"others_at_work", 0.01}};
  EXPECT_EQ(rests_text(run), "1m10s replica_lag, 2.0 s share");
  EXPECT_EQ(rests_text(SavedRun()), "");
}

// From a checkpoint that somebody edited.
TEST(DurationText, TakesAnyNumber) {
  EXPECT_EQ(duration_text(1e300), duration_text(1e15));
  EXPECT_EQ(duration_text(-1e300).back(), 's');
}

TEST(ProgressLine, TakesAnyRate) {
  SavedRun run;
  run.rate_rows_per_s = std::numeric_limits<double>::infinity();

  EXPECT_EQ(progress_line(run), "0 rows  1,000,000,000,000,000 rows/s");
}

}  // namespace
}  // namespace backfill
