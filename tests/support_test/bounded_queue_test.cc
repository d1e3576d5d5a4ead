#include "support/bounded_queue.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <numeric>
#include <thread>
#include <vector>

namespace backfill {
namespace {

using std::chrono::seconds;

TEST(BoundedQueue, GivesItemsInTheirOrder) {
  BoundedQueue<int> queue(3);

  for (int i = 1; i <= 3; ++i) EXPECT_TRUE(queue.push(i, {}));

  for (int i = 1; i <= 3; ++i) EXPECT_EQ(queue.pop({}), i);
}

TEST(BoundedQueue, HoldsNoMoreThanItsCapacity) {
  BoundedQueue<int> queue(2);
  std::atomic<int> pushed = 0;
  std::jthread producer([&] {
    for (int i = 0; i < 100; ++i) {
      queue.push(i, {});
      ++pushed;
    }
  });

  for (int i = 0; i < 100; ++i) {
    // At most what was taken, and two more that wait.
    EXPECT_LE(pushed, i + 2);
    EXPECT_EQ(queue.pop({}), i);
  }
}

TEST(BoundedQueue, GivesWhatIsLeftAfterItIsClosed) {
  BoundedQueue<int> queue(2);
  queue.push(1, {});

  queue.close();

  EXPECT_FALSE(queue.push(2, {}));
  EXPECT_FALSE(queue.is_finished());
  EXPECT_EQ(queue.pop({}), 1);
  EXPECT_EQ(queue.pop({}), std::nullopt);
  EXPECT_TRUE(queue.is_finished());
}

TEST(BoundedQueue, ClosingEndsEveryWait) {
  BoundedQueue<int> empty(1);
  BoundedQueue<int> full(1);
  full.push(1, {});
  std::jthread popper([&] { EXPECT_EQ(empty.pop({}), std::nullopt); });
  std::jthread pusher([&] { EXPECT_FALSE(full.push(2, {})); });

  empty.close();
  full.close();
}

TEST(BoundedQueue, AStopEndsEveryWait) {
  BoundedQueue<int> empty(1);
  BoundedQueue<int> full(1);
  full.push(1, {});
  std::jthread popper([&](std::stop_token stop) { EXPECT_EQ(empty.pop(stop), std::nullopt); });
  std::jthread pusher([&](std::stop_token stop) { EXPECT_FALSE(full.push(2, stop)); });

  popper.request_stop();
  pusher.request_stop();
}

TEST(BoundedQueue, GivesNothingMoreAfterAStop) {
  BoundedQueue<int> queue(1);
  queue.push(1, {});
  std::stop_source stop;
  stop.request_stop();

  EXPECT_EQ(queue.pop(stop.get_token()), std::nullopt);
  EXPECT_EQ(queue.pop_for(seconds(0)), 1);
}

TEST(BoundedQueue, WaitsNoLongerThanAsked) {
  BoundedQueue<int> queue(1);

  EXPECT_EQ(queue.pop_for(seconds(0)), std::nullopt);

  queue.push(7, {});
  EXPECT_EQ(queue.pop_for(seconds(60)), 7);
}

TEST(BoundedQueue, TakesItemsThatCanOnlyBeMoved) {
  BoundedQueue<std::unique_ptr<int>> queue(1);

  queue.push(std::make_unique<int>(7), {});

  EXPECT_EQ(**queue.pop({}), 7);
}

TEST(BoundedQueue, LosesAndDoublesNothingBetweenManyThreads) {
  BoundedQueue<int> queue(4);
  std::vector<std::atomic<int>> seen(4000);
  {
    std::vector<std::jthread> consumers;
    for (int i = 0; i < 4; ++i) {
      consumers.emplace_back([&] {
        while (const auto item = queue.pop({})) ++seen[static_cast<std::size_t>(*item)];
      });
    }
    {
      std::vector<std::jthread> producers;
      for (int i = 0; i < 4; ++i) {
        producers.emplace_back([&, i] {
          for (int item = i * 1000; item < (i + 1) * 1000; ++item) queue.push(item, {});
        });
      }
    }
    queue.close();
  }

  for (const std::atomic<int>& times : seen) EXPECT_EQ(times, 1);
}

TEST(BoundedQueue, SparesAnItemOnlyBeyondThoseKeptForOthers) {
  BoundedQueue<int> queue(3);
  for (int i = 1; i <= 3; ++i) queue.push(i, {});
  EXPECT_EQ(queue.pop_spare(2), 1);
  EXPECT_EQ(queue.pop_spare(2), std::nullopt);
  EXPECT_EQ(queue.pop_spare(0), 2);
}

}  // namespace
}  // namespace backfill
