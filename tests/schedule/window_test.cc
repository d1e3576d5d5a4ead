// When windows are open, over changes of clocks in three zones.

#include "schedule/window.h"

#include <gtest/gtest.h>

#include <cstdio>

#include "core/error.h"

namespace backfill {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

// `2026-11-23 22:00:00` in UTC.
WallTime at(const std::string& text) {
  std::tm parts{};
  std::sscanf((text.size() > 16 ? text : text + ":00").c_str(), "%d-%d-%d %d:%d:%d", &parts.tm_year,
              &parts.tm_mon, &parts.tm_mday, &parts.tm_hour, &parts.tm_min, &parts.tm_sec);
  parts.tm_year -= 1900;
  parts.tm_mon -= 1;
  return WallTime(seconds(timegm(&parts)));
}

std::string utc(const std::optional<WallTime>& time) {
  return time ? Schedule("00:00-24:00", "UTC").local_text(*time) : "never";
}

TEST(WindowTextTest, TakesTimesDaysAndLimits) {
  const auto windows =
      parse_windows("Mon-Fri 22:00-06:00 share=0.5; Sat,Sun 00:00-24:00 max_latency_increase=1");

  ASSERT_TRUE(windows);
  ASSERT_EQ(windows->size(), 2U);
  EXPECT_EQ((*windows)[0].days, 0b0111110U);
  EXPECT_EQ((*windows)[0].opens, minutes(22 * 60));
  EXPECT_EQ((*windows)[0].closes, minutes(6 * 60));
  EXPECT_EQ((*windows)[0].limits, (WindowLimits{0.5, std::nullopt}));
  EXPECT_EQ((*windows)[1].days, 0b1000001U);
  EXPECT_EQ((*windows)[1].closes, minutes(24 * 60));
  EXPECT_EQ((*windows)[1].limits, (WindowLimits{std::nullopt, 1.0}));
}

TEST(WindowTextTest, TakesDaysAcrossTheEndOfTheWeek) {
  EXPECT_EQ((*parse_windows("Fri-Mon 01:00-02:00"))[0].days, 0b1100011U);
  EXPECT_EQ((*parse_windows("01:00-02:00"))[0].days, 0b1111111U);
}

TEST(WindowTextTest, RefusesWhatSaysNoTimes) {
  for (const char* text : {"",
                           " ",
                           ";",
                           "22:00",
                           "22:00-",
                           "22:60-23:00",
                           "24:00-06:00",
                           "06:00-06:00",
                           "25:00-26:00",
                           "Mon",
                           "Mon-Fry 22:00-06:00",
                           "Mon, 22:00-06:00",
                           "Mon-Fri  22:00-06:00",
                           "22:00-06:00 share=2",
                           "22:00-06:00 share=-1",
                           "22:00-06:00 share=",
                           "22:00-06:00 share",
                           "22:00-06:00 share=nan",
                           "22:00-06:00 share=0.5 share=0.6",
                           "22:00-06:00 size=3",
                           "22:00-06:00;",
                           "22:00-06:00;;Sat 01:00-02:00",
                           "-1:00-06:00",
                           "2:000-06:00"}) {
    EXPECT_FALSE(parse_windows(text)) << text;
  }
}

TEST(ScheduleTest, WithoutWindowsIsAlwaysOpen) {
  EXPECT_TRUE(Schedule().is_open(at("2026-11-23 12:00")));
  EXPECT_TRUE(Schedule("", "Europe/Berlin").is_open(at("2026-11-23 12:00")));
}

TEST(ScheduleTest, RefusesAZoneThatIsNotThere) {
  EXPECT_THROW(Schedule("22:00-06:00", "Europe/Berlyn"), Error);
}

// A window, the moment in UTC that it opens next after the start of a table's row, and when it
// closes then.
struct Turn {
  const char* window;
  const char* zone;
  const char* from;
  const char* opens;
  const char* closes;
};

class ScheduleTurnTest : public testing::TestWithParam<Turn> {};

TEST_P(ScheduleTurnTest, OpensAndClosesWhenTheLocalClockSaysSo) {
  const Turn& turn = GetParam();
  const Schedule schedule(turn.window, turn.zone);

  const auto opens = schedule.opens_after(at(turn.from));
  ASSERT_EQ(utc(opens), std::string(turn.opens) + " UTC");
  EXPECT_FALSE(schedule.is_open(*opens - seconds(1)));
  EXPECT_TRUE(schedule.is_open(*opens));
  const auto closes = schedule.closes_after(*opens);

  ASSERT_EQ(utc(closes), std::string(turn.closes) + " UTC");
  EXPECT_TRUE(schedule.is_open(*closes - seconds(1)));
  EXPECT_FALSE(schedule.is_open(*closes));
}

INSTANTIATE_TEST_SUITE_P(
    Of, ScheduleTurnTest,
    testing::Values(
        // By day, across midnight, on some days only.
        Turn{"09:00-17:00", "UTC", "2026-11-23 08:00", "2026-11-23 09:00", "2026-11-23 17:00"},
        Turn{"22:00-06:00", "UTC", "2026-11-23 08:00", "2026-11-23 22:00", "2026-11-24 06:00"},
        Turn{"Mon-Fri 22:00-06:00", "Europe/Berlin", "2026-11-21 08:00", "2026-11-23 21:00",
             "2026-11-24 05:00"},
        Turn{"Sun 23:00-24:00", "America/New_York", "2026-11-23 12:00", "2026-11-30 04:00",
             "2026-11-30 05:00"},
        // Windows that touch or overlap are one.
        Turn{"Fri 22:00-06:00; Sat-Sun 00:00-24:00", "UTC", "2026-11-23 12:00", "2026-11-27 22:00",
             "2026-11-30 00:00"},
        // Europe/Berlin: forward at 01:00 UTC on 29 March, back at 01:00 UTC on 25 October 2026.
        Turn{"22:00-06:00", "Europe/Berlin", "2026-03-28 12:00", "2026-03-28 21:00",
             "2026-03-29 04:00"},
        Turn{"22:00-06:00", "Europe/Berlin", "2026-10-24 12:00", "2026-10-24 20:00",
             "2026-10-25 05:00"},
        Turn{"01:00-02:30", "Europe/Berlin", "2026-03-28 12:00", "2026-03-29 00:00",
             "2026-03-29 01:00"},
        Turn{"02:30-04:00", "Europe/Berlin", "2026-03-28 12:00", "2026-03-29 01:00",
             "2026-03-29 02:00"},
        Turn{"02:15-02:45", "Europe/Berlin", "2026-03-28 12:00", "2026-03-30 00:15",
             "2026-03-30 00:45"},
        Turn{"02:00-03:00", "Europe/Berlin", "2026-10-24 12:00", "2026-10-25 00:00",
             "2026-10-25 02:00"},
        Turn{"00:30-02:30", "Europe/Berlin", "2026-10-24 12:00", "2026-10-24 22:30",
             "2026-10-25 01:30"},
        // A weekly window that the change leaves out comes a week later.
        Turn{"Sun 02:15-02:45", "Europe/Berlin", "2026-03-23 12:00", "2026-04-05 00:15",
             "2026-04-05 00:45"},
        // America/New_York: forward at 07:00 UTC on 8 March, back at 06:00 UTC on 1 November 2026.
        Turn{"Sat 22:00-06:00", "America/New_York", "2026-03-07 12:00", "2026-03-08 03:00",
             "2026-03-08 10:00"},
        Turn{"Sat 22:00-06:00", "America/New_York", "2026-10-31 12:00", "2026-11-01 02:00",
             "2026-11-01 11:00"},
        Turn{"01:00-01:30", "America/New_York", "2026-10-31 12:00", "2026-11-01 05:00",
             "2026-11-01 06:30"},
        // Australia/Lord_Howe changes by half an hour: back at 15:00 UTC on 4 April, forward at
        // 15:30 UTC on 3 October 2026.
        Turn{"01:00-02:00", "Australia/Lord_Howe", "2026-04-04 06:00", "2026-04-04 14:00",
             "2026-04-04 15:30"},
        Turn{"01:45-03:00", "Australia/Lord_Howe", "2026-04-04 06:00", "2026-04-04 14:45",
             "2026-04-04 16:30"},
        Turn{"01:30-02:15", "Australia/Lord_Howe", "2026-10-03 06:00", "2026-10-03 15:00",
             "2026-10-03 15:30"},
        Turn{"02:10-04:00", "Australia/Lord_Howe", "2026-10-03 06:00", "2026-10-03 15:30",
             "2026-10-03 17:00"}));

TEST(ScheduleTest, ThatIsOpenAllWeekNeverCloses) {
  const Schedule schedule("00:00-24:00", "Europe/Berlin");

  EXPECT_TRUE(schedule.is_open(at("2026-03-29 01:00")));
  EXPECT_FALSE(schedule.closes_after(at("2026-03-29 01:00")));
}

TEST(ScheduleTest, GivesTheLimitsOfTheFirstWindowThatIsOpen) {
  const Schedule schedule("Mon 09:00-17:00 share=0.1; 00:00-24:00 share=0.7", "UTC");

  EXPECT_EQ(schedule.limits(at("2026-11-23 08:59")).share_max, 0.7);
  EXPECT_EQ(schedule.limits(at("2026-11-23 09:00")).share_max, 0.1);
  EXPECT_EQ(schedule.limits(at("2026-11-24 09:00")).share_max, 0.7);
  EXPECT_EQ(Schedule("09:00-10:00 share=0.1", "UTC").limits(at("2026-11-23 08:00")),
            WindowLimits());
}

TEST(ScheduleTest, SaysATimeAsTheLocalClockDoes) {
  EXPECT_EQ(Schedule("22:00-06:00", "Europe/Berlin").local_text(at("2026-11-23 21:00")),
            "2026-11-23 22:00 Europe/Berlin");
}

}  // namespace
}  // namespace backfill
