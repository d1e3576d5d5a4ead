// A run and its windows, with the time of day by hand.

#include "engine/run_fixture.h"

namespace backfill {
namespace {

const std::chrono::system_clock::time_point kNoon{std::chrono::hours(12)};  // of the first of 1970
constexpr std::chrono::hours kUntilNight{10};

class RunWindowTest : public RunTest {
 protected:
  RunWindowTest() {
    clock_.set_wall_time(kNoon);
    options_.schedule = Schedule("22:00-06:00", "UTC");
  }
};

TEST_F(RunWindowTest, WaitsForItsWindowWithoutABatchAndThenWorks) {
  put_rows(50);
  SavedRun waiting;
  on_tick_ = [&](const SavedRun& now) {
    if (!waiting.reason.empty() || now.reason.empty()) return;
    EXPECT_EQ(script_.calls("source.read"), 0);
    waiting = now;
    clock_.set_wall_time(kNoon + kUntilNight);
  };

  const RunOutcome outcome = start();

  EXPECT_EQ(visible_state(waiting), RunState::paused);
  EXPECT_EQ(waiting.reason, "outside schedule.window; opens at 1970-01-01 22:00 UTC");
  EXPECT_EQ(outcome.state, RunState::complete);
  EXPECT_EQ(target_.values(), transformed_source());
}

TEST_F(RunWindowTest, StopsAsPlannedWhenItsWindowCloses) {
  put_rows(50);
  clock_.set_wall_time(kNoon + kUntilNight);
  options_.throttle.share_max = 0;
  on_tick_ = [&](const SavedRun&) { clock_.set_wall_time(kNoon + kUntilNight * 2); };

  const RunOutcome outcome = start();

  EXPECT_EQ(outcome.state, RunState::paused);
  EXPECT_EQ(outcome.exit_code, ExitCode::done);
  EXPECT_EQ(outcome.reason, "schedule.window has closed");
}

TEST_F(RunWindowTest, StopsAtOnceWhileItWaitsForItsWindow) {
  put_rows(50);
  on_tick_ = [&](const SavedRun&) { running_->stop("enough"); };

  const RunOutcome outcome = start();

  EXPECT_EQ(outcome.state, RunState::stopped);
  EXPECT_TRUE(target_.values().empty());
}

TEST_F(RunWindowTest, TakesTheLimitsOfItsWindow) {
  put_rows(50);
  options_.schedule = Schedule("09:00-17:00 share=0; 17:00-24:00", "UTC");
  bool has_paused = false;
  on_tick_ = [&](const SavedRun& now) {
    if (now.share > 0) return;
    has_paused = true;
    clock_.set_wall_time(kNoon + kUntilNight);
  };

  const RunOutcome outcome = start();

  EXPECT_TRUE(has_paused);
  EXPECT_EQ(outcome.state, RunState::complete);
}

}  // namespace
}  // namespace backfill
