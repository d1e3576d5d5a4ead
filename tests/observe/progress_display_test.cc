#include "observe/progress_display.h"

#include <gtest/gtest.h>

#include "support/collecting_log.h"
#include "support/manual_clock.h"

namespace backfill {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

SavedRun running() {
  SavedRun run;
  run.rows.read = 82'300;
  run.rows.written = 82'000;
  run.batch_size = 1000;
  run.share = 0.5;
  run.progress = 0.41;
  run.estimated_total = 200'000;
  run.rate_rows_per_s = 95'000;
  run.eta_low_s = 70;
  run.eta_high_s = 90;
  return run;
}

TEST(ProgressLine, SaysHowFarHowFastAndHowLong) {
  EXPECT_EQ(progress_line(running()),
            "41 %  82,300 of about 200,000 rows  95,000 rows/s  1m10s to 1m30s left");
}

TEST(ProgressLine, LeavesOutWhatIsUnknown) {
  SavedRun run = running();
  run.eta_low_s.reset();
  run.eta_high_s.reset();
  EXPECT_EQ(progress_line(run), "41 %  82,300 of about 200,000 rows  95,000 rows/s");

  run.rate_rows_per_s.reset();
  run.estimated_total.reset();
  EXPECT_EQ(progress_line(run), "82,300 rows");
}

TEST(ProgressLine, CountsRejectedRows) {
  SavedRun run;
  run.rows.rejected = 1200;

  EXPECT_EQ(progress_line(run), "0 rows  1,200 rejected");
}

TEST(ProgressDisplay, LogsOneLineAnInterval) {
  CollectingLog log;
  ManualClock clock;
  ProgressDisplay display(ProgressStyle::log, log, clock);

  for (int i = 0; i < 60; ++i) {
    clock.advance(milliseconds(500));
    display.show(running());
  }

  ASSERT_EQ(log.lines().size(), 3U);
  EXPECT_EQ(
      log.lines()[0],
      "info progress rows_read=82300 rows_written=82000 rejected=0 batch_size=1000 share=0.50 "
      "at=41 %  82,300 of about 200,000 rows  95,000 rows/s  1m10s to 1m30s left");
}

TEST(ProgressDisplay, ShowsNothingWhenNoneIsWanted) {
  CollectingLog log;
  ManualClock clock;
  testing::internal::CaptureStderr();
  {
    ProgressDisplay display(ProgressStyle::none, log, clock);
    clock.advance(seconds(100));
    display.show(running());
  }

  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  EXPECT_TRUE(log.lines().empty());
}

TEST(ProgressDisplay, DrawsItsLineAnewAndTakesItAway) {
  CollectingLog log;
  ManualClock clock;
  testing::internal::CaptureStderr();
  {
    ProgressDisplay display(ProgressStyle::bar, log, clock);
    clock.advance(seconds(1));
    display.show(running());
    display.show(running());
  }

  const std::string drawn = testing::internal::GetCapturedStderr();
  EXPECT_EQ(drawn.find("\r[=========>              ] 41 %  82,300 of about 200,000 rows"), 0U)
      << drawn;
  EXPECT_EQ(std::count(drawn.begin(), drawn.end(), '\r'), 2);
  EXPECT_EQ(std::count(drawn.begin(), drawn.end(), '\n'), 0);
  EXPECT_TRUE(drawn.ends_with("\r\033[K"));
  EXPECT_TRUE(log.lines().empty());
}

TEST(ProgressDisplay, IsALogWhereThereIsNoTerminal) {
  CollectingLog log;
  ManualClock clock;
  testing::internal::CaptureStderr();
  ProgressDisplay display(ProgressStyle::automatic, log, clock);

  clock.advance(seconds(11));
  display.show(running());

  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  EXPECT_EQ(log.lines().size(), 1U);
}

}  // namespace
}  // namespace backfill
