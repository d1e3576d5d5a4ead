// Work and windows, with the time of day by hand.

#include "engine/working_hours.h"

#include <gtest/gtest.h>

#include "support/manual_clock.h"

namespace backfill {
namespace {

class WorkingHoursTest : public ::testing::Test {
 protected:
  void set_hour(int hour) {
    clock_.set_wall_time(std::chrono::system_clock::time_point{std::chrono::hours(hour)});
  }

  ManualClock clock_;
  WorkingHours hours_{clock_};
  const Schedule night_{"22:00-06:00 share=0.5", "UTC"};
};

TEST_F(WorkingHoursTest, WaitOutsideOfWindows) {
  set_hour(12);

  const ThrottleLimits limits = hours_.limits({}, night_);

  ASSERT_TRUE(limits.standstill);
  EXPECT_EQ(limits.standstill->reason, "outside schedule.window; opens at 1970-01-01 22:00 UTC");
  EXPECT_FALSE(hours_.are_over(night_));
}

TEST_F(WorkingHoursTest, KeepToTheLimitsOfAWindowAndOfTheJob) {
  set_hour(23);
  ThrottleLimits strict;
  strict.share_max = 0.1;

  EXPECT_FALSE(hours_.limits({}, night_).standstill);
  EXPECT_EQ(hours_.limits({}, night_).share_max, 0.5);
  EXPECT_EQ(hours_.limits(strict, night_).share_max, 0.1);
}

TEST_F(WorkingHoursTest, LeaveAPauseAsSomebodyHasAskedForIt) {
  set_hour(12);
  ThrottleLimits paused;
  paused.standstill = Standstill{"pause", "somebody said so"};

  EXPECT_EQ(hours_.limits(paused, night_).standstill, paused.standstill);
}

TEST_F(WorkingHoursTest, AreOverWhenAWindowClosesAndNotBefore) {
  for (const int hour : {12, 22, 29}) {
    set_hour(hour);
    EXPECT_FALSE(hours_.are_over(night_)) << hour;
  }
  set_hour(30);

  EXPECT_TRUE(hours_.are_over(night_));
}

TEST_F(WorkingHoursTest, AreNeverOverWithoutWindows) {
  set_hour(30);

  EXPECT_FALSE(hours_.limits({}, Schedule()).standstill);
  EXPECT_FALSE(hours_.are_over(Schedule()));
}

}  // namespace
}  // namespace backfill
