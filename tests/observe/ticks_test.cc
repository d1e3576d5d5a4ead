#include <gtest/gtest.h>

#include "observe/ticks.h"
#include "sample_builder.h"

namespace backfill {
namespace {

using Texts = std::vector<std::string>;

Texts marks(double highest, bool whole = false) {
  const Scale scale = round_scale(highest, whole);
  Texts texts;
  for (int i = 0; i * scale.step <= scale.top * 1.0001; ++i)
    texts.push_back(figure_text(i * scale.step, scale.step));
  return texts;
}

TEST(RoundScale, HasRoundMarksUpToTheHighest) {
  EXPECT_EQ(marks(9896), (Texts{"0", "2,500", "5,000", "7,500", "10,000"}));
  EXPECT_EQ(marks(1.24), (Texts{"0.0", "0.5", "1.0", "1.5"}));
  EXPECT_EQ(marks(100), (Texts{"0", "25", "50", "75", "100"}));
  EXPECT_EQ(marks(0.9), (Texts{"0.00", "0.25", "0.50", "0.75", "1.00"}));
  EXPECT_EQ(marks(27'000'000), (Texts{"0 M", "10 M", "20 M", "30 M"}));
}

TEST(RoundScale, HasNoMarkBetweenTwoWholeThings) {
  EXPECT_EQ(marks(1, true), (Texts{"0", "1"}));
  EXPECT_EQ(marks(3, true), (Texts{"0", "1", "2", "3"}));
  EXPECT_EQ(marks(9, true), (Texts{"0", "5", "10"}));
  EXPECT_EQ(marks(10, true), (Texts{"0", "5", "10"}));
}

TEST(RoundScale, ReachesAnyFigureInFewMarks) {
  for (double highest = 1e-6; highest < 1e15; highest *= 1.37) {
    const Scale scale = round_scale(highest);
    EXPECT_GE(scale.top, highest * 0.999);
    EXPECT_LE(scale.top / scale.step, 5.001) << highest;
    EXPECT_LE(figure_text(scale.top, scale.step).size(), 9U) << highest;
  }
  EXPECT_GT(round_scale(0).top, 0);
}

Texts times(const std::vector<ClockTick>& ticks) {
  Texts texts;
  for (const ClockTick& tick : ticks)
    texts.push_back(tick.time + (tick.day.empty() ? "" : " " + tick.day));
  return texts;
}

// 2026-11-22
constexpr double kThirteen = SampleBuilder::kStart;

TEST(ClockTicks, AreAtRoundTimes) {
  EXPECT_EQ(times(clock_ticks({{0, 3600, kThirteen + 120}})),
            (Texts{"13:10 Nov 22", "13:20", "13:30", "13:40", "13:50", "14:00"}));
  EXPECT_EQ(times(clock_ticks({{0, 12, kThirteen}})),
            (Texts{"13:00:00 Nov 22", "13:00:02", "13:00:04", "13:00:06", "13:00:08", "13:00:10",
                   "13:00:12"}));
}

TEST(ClockTicks, NameTheDayWhereItBegins) {
  const std::vector<ClockTick> ticks = clock_ticks({{0, 24 * 3600, kThirteen}});

  EXPECT_EQ(times(ticks), (Texts{"18:00 Nov 22", "00:00 Nov 23", "06:00", "12:00"}));
  EXPECT_DOUBLE_EQ(ticks[1].at_s, 11 * 3600);
}

TEST(ClockTicks, LeapWhereNobodyWasAtWork) {
  const std::vector<ClockTick> ticks =
      clock_ticks({{0, 1800, kThirteen}, {1800, 3600, kThirteen + 20 * 3600}});

  EXPECT_EQ(times(ticks),
            (Texts{"13:00 Nov 22", "13:10", "13:20", "13:30", "09:10 Nov 23", "09:20", "09:30"}));
}

TEST(ClockTicks, AreFewHoweverOftenARunWasResumed) {
  std::vector<Segment> segments;
  for (int i = 0; i < 10'000; ++i) segments.push_back({i * 1.0, i + 1.0, kThirteen + i * 3600});

  EXPECT_LE(clock_ticks(segments).size(), 11U);
}

TEST(ClockTicks, AreFewForAnyTime) {
  for (double span = 0.001; span < 1e10; span *= 1.7)
    EXPECT_LE(clock_ticks({{0, span, kThirteen}}).size(), 11U) << span;
}

}  // namespace
}  // namespace backfill
