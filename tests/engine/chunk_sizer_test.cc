#include "engine/chunk_sizer.h"

#include <gtest/gtest.h>

#include <random>

namespace backfill {
namespace {

using std::chrono::milliseconds;

ChunkSizerOptions options() {
  ChunkSizerOptions options;
  options.size = 1000;
  options.size_min = 100;
  options.size_max = 20'000;
  options.bytes_max = 16 << 20;
  options.target_time = milliseconds(100);
  return options;
}

// A chunk of `size` rows of `row_bytes`, whose write took `time`.
ChunkReport report(std::int64_t size, Duration time, std::int64_t row_bytes = 100) {
  ChunkReport report;
  report.chunk.size = size;
  report.chunk.keys = size;
  report.rows.read = size;
  report.bytes = static_cast<std::size_t>(size * row_bytes);
  report.times.write = time;
  return report;
}

constexpr std::chrono::microseconds kRow(10);  // that the write of one takes, where it matters

void observe_three(ChunkSizer& sizer, Duration time) {
  const std::int64_t size = sizer.size();
  for (int i = 0; i < 3; ++i) sizer.observe(report(size, time));
}

TEST(Sizer, StartsWithTheJobsSize) { EXPECT_EQ(ChunkSizer(options()).size(), 1000); }

TEST(Sizer, GrowsFourfoldAtTheMost) {
  ChunkSizer sizer(options());

  observe_three(sizer, milliseconds(1));

  EXPECT_EQ(sizer.size(), 4000);
}

TEST(Sizer, GrowsBeyondDoubleByHalfOfWhatTheTimeAllows) {
  ChunkSizer sizer(options());

  observe_three(sizer, milliseconds(20));
  const std::int64_t after_a_fifth = sizer.size();
  observe_three(sizer, milliseconds(40));

  EXPECT_EQ(after_a_fifth, 2500);
  EXPECT_EQ(sizer.size(), 5000);
}

TEST(Sizer, GrowsToTheTargetTime) {
  ChunkSizer sizer(options());

  observe_three(sizer, milliseconds(80));

  EXPECT_EQ(sizer.size(), 1250);
}

TEST(Sizer, ShrinksByHalfAtTheMost) {
  ChunkSizer sizer(options());

  observe_three(sizer, milliseconds(390));

  EXPECT_EQ(sizer.size(), 500);
}

TEST(Sizer, StaysNearTheTargetTime) {
  ChunkSizer sizer(options());

  observe_three(sizer, milliseconds(110));
  observe_three(sizer, milliseconds(90));

  EXPECT_EQ(sizer.size(), 1000);
}

TEST(Sizer, HalvesAfterOneOutlier) {
  ChunkSizer sizer(options());

  sizer.observe(report(1000, milliseconds(401)));

  EXPECT_EQ(sizer.size(), 500);
}

TEST(Sizer, HalvesOnceForChunksThatWereInFlightTogether) {
  ChunkSizer sizer(options());

  sizer.observe(report(1000, milliseconds(500)));
  sizer.observe(report(1000, milliseconds(500)));

  EXPECT_EQ(sizer.size(), 500);
}

TEST(Sizer, IsNotMovedByOneSlowChunkOfThree) {
  ChunkSizer sizer(options());

  sizer.observe(report(1000, milliseconds(100)));
  sizer.observe(report(1000, milliseconds(350)));
  sizer.observe(report(1000, milliseconds(100)));

  EXPECT_EQ(sizer.size(), 1000);
}

TEST(Sizer, DropsFeedbackFromChunksOfAnotherSize) {
  ChunkSizer sizer(options());

  for (int i = 0; i < 10; ++i) sizer.observe(report(800, milliseconds(1)));
  for (int i = 0; i < 10; ++i) sizer.observe(report(2000, milliseconds(500)));

  EXPECT_EQ(sizer.size(), 1000);
}

TEST(Sizer, DropsFeedbackFromChunksThatWereCutShortOrSplit) {
  ChunkSizer sizer(options());
  ChunkReport last = report(1000, milliseconds(1));
  last.chunk.keys = 3;
  ChunkReport split = report(1000, milliseconds(1));
  split.splits = 1;

  for (int i = 0; i < 5; ++i) {
    sizer.observe(last);
    sizer.observe(split);
  }

  EXPECT_EQ(sizer.size(), 1000);
}

TEST(Sizer, StaysWithinItsLimits) {
  ChunkSizer sizer(options());

  for (int i = 0; i < 20; ++i) observe_three(sizer, milliseconds(1));
  EXPECT_EQ(sizer.size(), 20'000);

  for (int i = 0; i < 20; ++i) observe_three(sizer, milliseconds(500));
  EXPECT_EQ(sizer.size(), 100);
}

// Half of one row more was once no row more: a size of 1 stayed 1 for ever.
TEST(Sizer, GrowsAgainFromASingleRow) {
  ChunkSizerOptions single = options();
  single.size = single.size_min = 1;
  ChunkSizer sizer(single);

  for (int i = 0; i < 30; ++i) observe_three(sizer, milliseconds(1));

  EXPECT_EQ(sizer.size(), 20'000);
}

TEST(Sizer, KeepsABatchWithinItsBytes) {
  ChunkSizer sizer(options());

  sizer.observe(report(1000, milliseconds(100), 64 << 10));

  EXPECT_LE(sizer.size() * (64 << 10), 4 << 20);
  EXPECT_GE(sizer.size() * (64 << 10), 2 << 20);
}

TEST(Sizer, KeepsABatchWithinTheJobsBytesWhereTheyAreFewer) {
  ChunkSizerOptions small = options();
  small.bytes_max = 1 << 20;
  ChunkSizer sizer(small);

  sizer.observe(report(1000, milliseconds(100), 64 << 10));

  EXPECT_LE(sizer.size() * (64 << 10), 1 << 20);
  EXPECT_GE(sizer.size() * (64 << 10), 1 << 19);
}

TEST(Sizer, RisesAgainStepByStepAfterWideRows) {
  ChunkSizer sizer(options());
  sizer.observe(report(1000, milliseconds(100), 64 << 10));
  const std::int64_t narrow = sizer.size();

  sizer.observe(report(narrow, milliseconds(100), 100));
  const std::int64_t risen = sizer.size();
  for (int i = 0; i < 10; ++i) sizer.observe(report(sizer.size(), milliseconds(100), 100));

  EXPECT_GT(risen, narrow);
  EXPECT_LE(risen, narrow + narrow / 2 + 1);
  EXPECT_EQ(sizer.size(), 1000);
}

TEST(Sizer, GoesBelowTheLeastSizeWhenTheBytesDemandIt) {
  ChunkSizer sizer(options());

  sizer.observe(report(1000, milliseconds(100), 32 << 20));

  EXPECT_EQ(sizer.size(), 1);
}

TEST(Sizer, LearnsNoBytesFromChunksWithoutRows) {
  ChunkSizer sizer(options());
  ChunkReport empty = report(1000, milliseconds(0));
  empty.rows.read = 0;
  empty.bytes = 0;

  sizer.observe(empty);

  EXPECT_EQ(sizer.size(), 1000);
}

TEST(Sizer, FixedStaysButForTheBytes) {
  ChunkSizerOptions fixed = options();
  fixed.adaptive = false;
  ChunkSizer sizer(fixed);

  observe_three(sizer, milliseconds(1));
  sizer.observe(report(1000, milliseconds(900)));
  EXPECT_EQ(sizer.size(), 1000);

  sizer.observe(report(1000, milliseconds(100), 64 << 10));
  EXPECT_LT(sizer.size(), 300);
}

TEST(Sizer, SettlesAtTheTargetTimeOfASimulatedDatabase) {
  const std::uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<double> noise(0.9, 1.1);
  ChunkSizer sizer(options());

  // 2 ms a batch and 20 µs a row: 100 ms are 4900 rows.
  for (int i = 0; i < 200; ++i) {
    const std::int64_t size = sizer.size();
    const double milliseconds_taken = (2 + 0.02 * static_cast<double>(size)) * noise(random);
    sizer.observe(report(size, Duration(static_cast<std::int64_t>(milliseconds_taken * 1e6))));
  }

  EXPECT_GT(sizer.size(), 3900);
  EXPECT_LT(sizer.size(), 6100);
}

TEST(Sizer, IsAFortiethWhileOthersAreAtWorkAndComesBack) {
  ChunkSizerOptions large = options();
  large.size = 8000;
  ChunkSizer sizer(large);

  sizer.keep_small(true);
  observe_three(sizer, std::chrono::microseconds(2500));
  const std::int64_t small = sizer.size();
  sizer.keep_small(false);

  EXPECT_EQ(small, 200);
  EXPECT_EQ(sizer.size(), 8000);
}

TEST(Sizer, IsNeverSmallerThanAMillisecondForOthers) {
  ChunkSizerOptions quick = options();
  quick.size = 10'000;
  quick.target_time = milliseconds(10);
  ChunkSizer sizer(quick);

  sizer.keep_small(true);

  EXPECT_EQ(sizer.size(), 1000);
}

// Where others wait for 2 ms at times anyway, a batch of 4 ms is hardly noticed.
TEST(Sizer, IsTwiceAsLongAsOthersWaitAnyway) {
  ChunkSizer sizer(options());

  sizer.keep_small(true, milliseconds(2));
  for (int i = 0; i < 20; ++i) observe_three(sizer, kRow * sizer.size());

  EXPECT_NEAR(static_cast<double>(sizer.size()), 400, 60);
}

TEST(Sizer, IsATwentiethAtMostHoweverLongOthersWait) {
  ChunkSizer sizer(options());

  sizer.keep_small(true, milliseconds(500));
  for (int i = 0; i < 20; ++i) observe_three(sizer, kRow * sizer.size());

  EXPECT_NEAR(static_cast<double>(sizer.size()), 500, 75);
}

// Who meets the batch waits for all of it.
TEST(Sizer, IsNoLongerThanOthersWaitAnywayWhereItLocksThemOut) {
  ChunkSizer sizer(options(), /*locks_others_out=*/true);

  sizer.keep_small(true, milliseconds(2));
  for (int i = 0; i < 20; ++i) observe_three(sizer, kRow * sizer.size());
  EXPECT_NEAR(static_cast<double>(sizer.size()), 200, 30);

  sizer.keep_small(true, milliseconds(500));
  for (int i = 0; i < 20; ++i) observe_three(sizer, kRow * sizer.size());
  EXPECT_NEAR(static_cast<double>(sizer.size()), 250, 40);
}

// As a machine that stalls makes them: the median of three tells more.
TEST(Sizer, StaysSmallButNoSmallerForOneThatStalled) {
  ChunkSizer sizer(options());
  sizer.keep_small(true, milliseconds(2));
  for (int i = 0; i < 20; ++i) observe_three(sizer, kRow * sizer.size());
  const std::int64_t before = sizer.size();

  sizer.observe(report(before, milliseconds(30)));

  EXPECT_EQ(sizer.size(), before);
}

TEST(Sizer, CountsTheRowsAndNotTheTransactionAroundThem) {
  ChunkSizer sizer(options());
  ChunkReport slow_to_commit = report(1000, milliseconds(100));
  slow_to_commit.times.commit = milliseconds(5000);

  for (int i = 0; i < 9; ++i) sizer.observe(slow_to_commit);

  EXPECT_EQ(sizer.size(), 1000);
}

}  // namespace
}  // namespace backfill
