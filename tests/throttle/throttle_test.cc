#include "throttle/throttle.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <optional>
#include <thread>

namespace backfill {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

Decision at_share(double share) {
  Decision decision;
  decision.share = share;
  return decision;
}

TEST(Throttle, NeverRestsAtFullShare) {
  Throttle throttle(1);

  EXPECT_TRUE(throttle.rest_after(std::chrono::hours(1), {}));

  EXPECT_LT(throttle.rested(), seconds(1));
}

TEST(Throttle, RestsAboutAsLongAsItWorkedAtHalfShare) {
  Throttle throttle(0.5, /*seed=*/1);

  for (int i = 0; i < 20; ++i) EXPECT_TRUE(throttle.rest_after(milliseconds(5), {}));

  // 100 ms of work; the upper bound leaves room for a busy machine.
  EXPECT_GE(throttle.rested(), milliseconds(80));
  EXPECT_LT(throttle.rested(), seconds(2));
}

TEST(Throttle, RestsLongerAtALowerShare) {
  Throttle throttle(0.1, /*seed=*/1);

  throttle.rest_after(milliseconds(5), {});

  EXPECT_GE(throttle.rested(), milliseconds(5) * 9 * 8 / 10);
}

TEST(Throttle, CountsWhatPassedAlreadyAsRest) {
  Throttle throttle(0.5, /*seed=*/1);

  EXPECT_TRUE(throttle.rest_after(std::chrono::hours(1), {}, 0, std::chrono::hours(2)));

  EXPECT_LT(throttle.rested(), seconds(1));
}

TEST(Throttle, JittersSoThatWorkersDoNotMarchInStep) {
  Throttle throttle(0.5, /*seed=*/1);
  Duration shortest = seconds(1);
  Duration before = Duration::zero();

  for (int i = 0; i < 10; ++i) {
    throttle.rest_after(milliseconds(10), {});
    shortest = std::min(shortest, throttle.rested() - before);
    before = throttle.rested();
  }

  EXPECT_LT(shortest, milliseconds(10));
  EXPECT_GE(shortest, milliseconds(8));
}

TEST(Throttle, PausesAtShareZeroUntilTheShareChanges) {
  Throttle throttle(0);
  std::atomic<bool> is_over = false;
  std::jthread worker([&] {
    EXPECT_TRUE(throttle.begin({}));
    is_over = true;
  });

  EXPECT_FALSE(is_over);
  throttle.follow(at_share(1));
  worker.join();

  EXPECT_TRUE(is_over);
}

TEST(Throttle, EndsALongRestWhenTheShareRises) {
  Throttle throttle(0.001);
  const auto began = steady_clock::now();
  std::jthread worker([&] { EXPECT_TRUE(throttle.rest_after(std::chrono::hours(1), {})); });

  throttle.follow(at_share(1));
  worker.join();

  EXPECT_LT(steady_clock::now() - began, seconds(20));
}

TEST(Throttle, EndsARestOnAStop) {
  for (const double share : {0.0, 0.001}) {
    Throttle throttle(share);
    const auto began = steady_clock::now();
    std::jthread worker([&](std::stop_token stop) {
      EXPECT_FALSE(throttle.rest_after(std::chrono::hours(1), stop) && throttle.begin(stop));
    });

    worker.request_stop();
    worker.join();

    EXPECT_LT(steady_clock::now() - began, seconds(20)) << share;
  }
}

TEST(Throttle, DoesNotRestAfterAStop) {
  Throttle throttle(1);
  std::stop_source stop;
  stop.request_stop();

  EXPECT_FALSE(throttle.rest_after(milliseconds(1), stop.get_token()));
}

TEST(Throttle, CountsARestForWhatAskedForItAlsoWhileItLasts) {
  Throttle throttle(1);
  Decision pause;
  pause.share = 0;
  pause.cause = "pause";
  throttle.follow(pause);
  std::future<bool> begun = std::async(std::launch::async, [&] { return throttle.begin({}); });

  while (throttle.rested() < milliseconds(5)) std::this_thread::yield();
  const auto while_it_lasts = throttle.rested_by();
  Decision share;
  share.share = 0.5;
  share.cause = "share";
  throttle.follow(share);
  EXPECT_TRUE(begun.get());

  EXPECT_GE(while_it_lasts.at("pause"), milliseconds(5));
  EXPECT_GE(throttle.rested_by().at("pause"), while_it_lasts.at("pause"));
  EXPECT_FALSE(throttle.rested_by().contains("share"));
}

TEST(Throttle, BeginsNoBatchInALookAndGoesOnAfterIt) {
  Throttle throttle(1);
  std::optional<Throttle::Look> look(throttle);

  std::future<bool> begun = std::async(std::launch::async, [&] { return throttle.begin({}); });
  EXPECT_EQ(begun.wait_for(milliseconds(20)), std::future_status::timeout);
  look.reset();

  EXPECT_TRUE(begun.get());
}

TEST(Throttle, MeetsABatchWhereItBeginsAndNotWhileItLasts) {
  Throttle throttle(1);
  ASSERT_TRUE(throttle.begin({}));
  EXPECT_FALSE(throttle.wait_for_beginning(milliseconds(20), {}));

  std::future<bool> met =
      std::async(std::launch::async, [&] { return throttle.wait_for_beginning(seconds(30), {}); });
  while (met.wait_for(milliseconds(1)) == std::future_status::timeout) {
    throttle.rest_after(Duration::zero(), {});
    ASSERT_TRUE(throttle.begin({}));
  }
  EXPECT_TRUE(met.get());
}

TEST(Throttle, MeetsABatchThatIsHeldBackOnceNoneIsUnderWay) {
  Throttle throttle(1, 2);
  ASSERT_TRUE(throttle.begin({}));
  std::optional<Throttle::Look> look(throttle);
  EXPECT_FALSE(look->wait_for_beginning(milliseconds(20), {})) << "nobody wants to begin";

  std::future<bool> begun = std::async(std::launch::async, [&] { return throttle.begin({}); });
  EXPECT_FALSE(look->wait_for_beginning(milliseconds(20), {})) << "one is under way";
  throttle.rest_after(Duration::zero(), {});
  EXPECT_TRUE(look->wait_for_beginning(seconds(30), {}));
  EXPECT_EQ(throttle.activity().under_way, 0);
  EXPECT_FALSE(throttle.wait_for_beginning(milliseconds(20), {})) << "for who looks with a batch";

  look.reset();
  EXPECT_TRUE(begun.get());
}

TEST(Throttle, KeepsItsShareBetweenZeroAndOneAndSaysWhy) {
  Throttle throttle(1);

  Decision decision = at_share(-1);
  decision.pressure = {1.2, "replica_lag", "replica lag 12s >= 10s"};
  throttle.follow(decision);
  EXPECT_EQ(throttle.share(), 0);
  EXPECT_EQ(throttle.pressure().reason, "replica lag 12s >= 10s");

  throttle.follow(at_share(7));
  EXPECT_EQ(throttle.share(), 1);
}

}  // namespace
}  // namespace backfill
