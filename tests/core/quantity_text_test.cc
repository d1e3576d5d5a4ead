#include "core/quantity_text.h"

#include <gtest/gtest.h>

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

// From a checkpoint that somebody edited.
TEST(DurationText, TakesAnyNumber) {
  EXPECT_EQ(duration_text(1e300), duration_text(1e15));
  EXPECT_EQ(duration_text(-1e300).back(), 's');
}

}  // namespace
}  // namespace backfill
