#include "support/clock.h"

#include <gtest/gtest.h>

#include <regex>
#include <thread>

namespace backfill {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;

TEST(SystemClock, WaitsAtLeastAsLongAsAsked) {
  SystemClock clock;
  const TimePoint began = clock.now();

  EXPECT_TRUE(clock.wait(milliseconds(2), {}));

  EXPECT_GE(clock.now() - began, milliseconds(2));
}

TEST(SystemClock, EndsAWaitOnAStop) {
  SystemClock clock;
  std::jthread waiting([&](std::stop_token stop) { EXPECT_FALSE(clock.wait(hours(1), stop)); });

  waiting.request_stop();
}

TEST(UtcNow, IsIso8601WithMilliseconds) {
  EXPECT_TRUE(std::regex_match(
      utc_now(), std::regex(R"(20\d\d-[01]\d-[0-3]\dT[0-2]\d:[0-5]\d:[0-5]\d\.\d{3}Z)")));
}

TEST(UnixTimeOf, ReadsWhatUtcNowWrites) {
  EXPECT_DOUBLE_EQ(unix_time_of("1970-01-02T00:00:01.250Z").value_or(0), 86401.25);
  EXPECT_DOUBLE_EQ(unix_time_of("2026-11-22T13:05:00Z").value_or(0), 1795352700);
  EXPECT_TRUE(unix_time_of(utc_now()));
  for (const char* text :
       {"", "now", "2026-11-22", "2026-11-22T13:05:00.123", "2026-13-22T13:05:00Z"})
    EXPECT_FALSE(unix_time_of(text)) << text;
}

}  // namespace
}  // namespace backfill
