#include "support/stop_signal.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <future>

namespace backfill {
namespace {

// Signals are blocked in the whole process once a StopSignal was made; this test's thread
// takes them as before again.
class StopSignalTest : public testing::Test {
 protected:
  StopSignalTest() { pthread_sigmask(SIG_SETMASK, nullptr, &before_); }
  ~StopSignalTest() override { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_;
};

int received(int signal) {
  std::promise<int> promise;
  StopSignal stop([&](int number) { promise.set_value(number); });
  kill(getpid(), signal);
  return promise.get_future().get();
}

TEST_F(StopSignalTest, AsksOnTheFirstSignal) {
  EXPECT_EQ(received(SIGTERM), SIGTERM);
  EXPECT_EQ(received(SIGINT), SIGINT);
}

TEST_F(StopSignalTest, GoesWithoutEverBeingAsked) {
  bool was_asked = false;

  {
    const StopSignal stop([&](int) { was_asked = true; });
  }

  EXPECT_FALSE(was_asked);
}

TEST_F(StopSignalTest, EndsTheProcessOnTheSecondSignal) {
  testing::GTEST_FLAG(death_test_style) = "threadsafe";
  EXPECT_EXIT(
      {
        std::promise<void> asked;
        const StopSignal stop([&](int) { asked.set_value(); });
        kill(getpid(), SIGTERM);
        asked.get_future().wait();
        kill(getpid(), SIGTERM);
        while (true) pause();
      },
      testing::KilledBySignal(SIGTERM), "");
}

}  // namespace
}  // namespace backfill
