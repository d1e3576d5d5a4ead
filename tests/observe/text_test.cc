#include <gtest/gtest.h>

#include <limits>

#include "observe/progress_display.h"

namespace backfill {
namespace {

TEST(RestsText, NamesTheLongestFirstAndLeavesOutWhatIsNothing) {
  SavedRun run;
  run.rested_s = {{"share", 2}, {"replica_lag", 70}, {"others_at_work", 0.01}};
  EXPECT_EQ(rests_text(run), "1m10s replica_lag, 2.0 s share");
  EXPECT_EQ(rests_text(SavedRun()), "");
}

TEST(ProgressLine, TakesAnyRate) {
  SavedRun run;
  run.rate_rows_per_s = std::numeric_limits<double>::infinity();

  EXPECT_EQ(progress_line(run), "0 rows  1,000,000,000,000,000 rows/s");
}

}  // namespace
}  // namespace backfill
