#include "observe/progress_display.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

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
  EXPECT_EQ(log.lines()[0],
            "info progress rows_read=82300 written=82000 rejected=0 batch_size=1000 share=0.5 "
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

TEST(PaceLine, SaysHowHardItWorksAndWhatHoldsItBack) {
  SavedRun run = running();
  run.workers = 2;
  EXPECT_EQ(pace_line(run), "2 workers  share 0.50  batches of 1,000");

  run.workers = 1;
  run.pressure = 0.97;
  run.pressure_signal = "replica_lag";
  run.reason = "replica lag 9.7s of 10s";
  run.throttled_s = 70;
  EXPECT_EQ(pace_line(run),
            "1 worker  share 0.50  pressure 0.97 replica_lag: replica lag 9.7s of 10s  "
            "batches of 1,000  1m10s at rest");
}

TEST(PaceLine, SaysWhyItIsPaused) {
  SavedRun run = running();
  run.share = 0;
  run.pressure = 1.24;
  run.pressure_signal = "replica_lag";
  run.reason = "replica lag 12.4s >= 10s";
  EXPECT_EQ(pace_line(run),
            "paused: replica lag 12.4s >= 10s  pressure 1.24 replica_lag  batches of 1,000");

  run.reason.clear();
  EXPECT_TRUE(pace_line(run).starts_with("paused  pressure"));
}

TEST(FittedLine, CutsCharactersNotBytesAndLeavesNothingToActOn) {
  EXPECT_EQ(fitted("müßig", 3), "müß");
  EXPECT_EQ(fitted("müßig", 5), "müßig");
  EXPECT_EQ(fitted("a\033[2Jb\nc\td\x7f", 20), "a [2Jb c d ");
  EXPECT_EQ(fitted("abc", 0), "");
}

// What the display writes to a stderr that is no terminal, told to draw all the same.
TEST(ProgressDisplay, DrawsTwoLinesAnewAndTakesThemAway) {
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
  EXPECT_EQ(drawn,
            "\r\033[?7l"
            "41 %  82,300 of about 200,000 rows  95,000 rows/s  1m10s to 1m30s left\033[K\r\n"
            "0 workers  share 0.50  batches of 1,000\033[J"
            "\033[?7h\033[1A\r"
            "\r\033[J");
  EXPECT_TRUE(log.lines().empty());
}

TEST(ProgressDisplay, HasABarWhereThereIsRoomForOne) {
  CollectingLog log;
  ManualClock clock;
  SavedRun run = running();
  run.eta_low_s.reset();
  testing::internal::CaptureStderr();
  ProgressDisplay display(ProgressStyle::bar, log, clock);
  clock.advance(seconds(1));
  display.show(run);

  const std::string drawn = testing::internal::GetCapturedStderr();
  EXPECT_NE(drawn.find("[=========>              ] 41 %  82,300 of about 200,000 rows"),
            std::string::npos)
      << drawn;
}

TEST(ProgressDisplay, MakesRoomForALogLineAndComesBackBelowIt) {
  CollectingLog log;
  ManualClock clock;
  testing::internal::CaptureStderr();
  ProgressDisplay display(ProgressStyle::bar, log, clock);
  display.write(LogLevel::info, "before");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  clock.advance(seconds(1));
  display.show(running());

  testing::internal::CaptureStderr();
  display.write(LogLevel::warning, "will try again", {{"reason", "busy"}});

  const std::string drawn = testing::internal::GetCapturedStderr();
  EXPECT_TRUE(drawn.starts_with("\r\033[J\r")) << drawn;
  EXPECT_NE(drawn.find("41 %"), std::string::npos);
  EXPECT_EQ(log.lines(),
            (std::vector<std::string>{"info before", "warning will try again reason=busy"}));
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
