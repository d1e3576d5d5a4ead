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

}  // namespace
}  // namespace backfill
