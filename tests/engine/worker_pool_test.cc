#include "engine/worker_pool.h"

#include <atomic>

#include "engine/run_fixture.h"

namespace backfill {
namespace {

// One worker, over a table of more chunks than it takes to open its second lane.
class LanesTest : public RunTest {
 protected:
  LanesTest() {
    options_.workers = 1;
    put_rows(400);
  }

  // Waits for what another thread is to do; false when it takes far too long.
  template <class Condition>
  static bool soon(Condition condition) {
    const auto deadline = std::chrono::steady_clock::now() + seconds(10);
    while (!condition()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      std::this_thread::yield();
    }
    return true;
  }
};

TEST_F(LanesTest, OneWritesWhileTheOtherCommits) {
  bool has_overlapped = false;
  script_.on("target.commit", 20, [&] {
    const int begun = script_.calls("target.begin");
    has_overlapped = soon([&] { return script_.calls("target.begin") > begun; });
  });

  EXPECT_EQ(start().state, RunState::complete);

  EXPECT_TRUE(has_overlapped);
  EXPECT_EQ(target_.values(), transformed_source());
}

TEST_F(LanesTest, OneReadsWhileTheOtherWrites) {
  bool has_overlapped = false;
  script_.on("target.write", 20, [&] {
    has_overlapped =
        soon([&] { return script_.calls("source.read") > script_.calls("target.write"); });
  });

  EXPECT_EQ(start().state, RunState::complete);

  EXPECT_TRUE(has_overlapped);
}

TEST_F(LanesTest, NeverWriteBoth) {
  std::atomic<int> writing = 0;
  std::atomic<int> most = 0;
  script_.on("target.begin", 0, [&] { most = std::max(most.load(), ++writing); });
  script_.on("target.commit", 0, [&] { --writing; });

  EXPECT_EQ(start().state, RunState::complete);

  EXPECT_EQ(script_.calls("make_runner_parts"), 2);
  EXPECT_EQ(most, 1);
}

TEST_F(LanesTest, ThereIsOneUnderThrottle) {
  options_.share = 0.9;
  EXPECT_EQ(start().state, RunState::complete);
  EXPECT_EQ(script_.calls("make_runner_parts"), 1);
}

TEST_F(LanesTest, ThereIsOneForATableOfAFewChunks) {
  options_.sizer.size = 100;
  EXPECT_EQ(start().state, RunState::complete);
  EXPECT_EQ(script_.calls("make_runner_parts"), 1);
}

TEST_F(LanesTest, ThereIsOneWhereNoConnectionIsToSpare) {
  script_.fail("make_runner_parts", 2, Error(ErrorKind::retry, "too many connections", "53300"));
  EXPECT_EQ(start().state, RunState::complete);
  EXPECT_EQ(target_.values(), transformed_source());
}

TEST_F(LanesTest, AFailureInTheSecondEndsTheRun) {
  script_.on("make_runner_parts", 2,
             [&] { script_.fail("target.commit", 0, Error(ErrorKind::stop, "disk on fire")); });
  const RunOutcome outcome = start();
  EXPECT_EQ(outcome.state, RunState::failed);
  EXPECT_NE(outcome.reason.find("disk on fire"), std::string::npos);
}

}  // namespace
}  // namespace backfill
