#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "observe/interruption.h"
#include "sample_builder.h"

namespace backfill {
namespace {

TEST(Timeline, HasAStretchASampleWhileThereAreFew) {
  SampleBuilder samples;
  samples.after(1);
  samples.after(2).rows_read = 70;

  const Timeline timeline = samples.timeline();

  ASSERT_EQ(timeline.stretches().size(), 2U);
  EXPECT_DOUBLE_EQ(timeline.stretches()[0].read_per_s.mean(), 10);
  EXPECT_DOUBLE_EQ(timeline.stretches()[1].begin_s, 1);
  EXPECT_DOUBLE_EQ(timeline.stretches()[1].end_s, 3);
  EXPECT_DOUBLE_EQ(timeline.stretches()[1].read_per_s.mean(), 30);
  EXPECT_DOUBLE_EQ(timeline.read_per_s().high, 30);
  EXPECT_NEAR(timeline.fastest_at(), SampleBuilder::kStart + 3, 0.01);
}

TEST(Timeline, KeepsASpikeOfOneSampleAmongAHundredThousand) {
  SampleBuilder samples;
  for (int i = 0; i < 100'000; ++i) {
    Sample& sample = samples.after(5);
    sample.signals["replica_lag"] = i == 54'321 ? 7 : 0.1;
    sample.batch_ms = i == 54'321 ? 900 : 20;
  }

  const Timeline timeline = samples.timeline();

  EXPECT_EQ(timeline.stretches().size(), static_cast<std::size_t>(Timeline::kStretchesMax));
  double lag = 0;
  double batch_ms = 0;
  for (const Stretch& stretch : timeline.stretches()) {
    lag = std::max(lag, stretch.signals.at("replica_lag").high);
    batch_ms = std::max(batch_ms, stretch.batch_ms.high);
  }
  EXPECT_DOUBLE_EQ(lag, 7);
  EXPECT_DOUBLE_EQ(batch_ms, 900);
  EXPECT_DOUBLE_EQ(timeline.end_s(), 500'000);
}

TEST(Timeline, FindsAPauseAndKeepsItsFirstReason) {
  SampleBuilder samples;
  samples.after(5);
  for (const char* reason : {"replica lag 12.4s >= 10s", "replica lag 11s >= 10s"}) {
    Sample& sample = samples.after(5);
    sample.share = 0;
    sample.reason = reason;
  }
  samples.after(5).share = 0.5;

  const Timeline timeline = samples.timeline();

  ASSERT_EQ(timeline.pauses().size(), 1U);
  EXPECT_DOUBLE_EQ(timeline.pauses()[0].begin_s, 5);
  EXPECT_DOUBLE_EQ(timeline.pauses()[0].end_s, 15);
  EXPECT_NEAR(timeline.pauses()[0].began_at, SampleBuilder::kStart + 5, 0.01);
  EXPECT_EQ(timeline.pauses()[0].reason, "replica lag 12.4s >= 10s");
}

TEST(Timeline, EndsAPauseWhereItsReasonIsAnother) {
  SampleBuilder samples;
  for (const char* reason : {"replica lag 12.4s >= 10s", "the file /run/pause is there"}) {
    Sample& sample = samples.after(5);
    sample.share = 0;
    sample.reason = reason;
  }

  EXPECT_EQ(samples.timeline().pauses().size(), 2U);
}

TEST(Timeline, StandsStillWhileNoProcessIsAtWork) {
  SampleBuilder samples;
  samples.after(5);
  samples.away(3600);
  samples.after(5);

  const Timeline timeline = samples.timeline();

  EXPECT_DOUBLE_EQ(timeline.end_s(), 10);
  ASSERT_EQ(timeline.absences().size(), 1U);
  EXPECT_DOUBLE_EQ(timeline.absences()[0].at_s, 5);
  EXPECT_NEAR(timeline.absences()[0].until - timeline.absences()[0].from, 3600, 0.01);
  EXPECT_EQ(timeline.segments().size(), 2U);
}

TEST(Timeline, TakesNoRateFromAMoment) {
  SampleBuilder samples;
  samples.after(5);
  samples.after(0.01).rows_read += 1000;

  EXPECT_DOUBLE_EQ(samples.timeline().read_per_s().high, 10);
}

// From a file that somebody edited.
TEST(Timeline, TakesAnyFigures) {
  const double infinity = std::numeric_limits<double>::infinity();
  SampleBuilder samples;
  samples.after(5);
  Sample& sample = samples.after(5);
  sample.elapsed_s = -infinity;
  sample.rows_read = std::numeric_limits<std::int64_t>::min();
  sample.batch_ms = infinity;
  sample.share = -3;
  sample.signals["x"] = infinity;
  sample.phases_ms["read"] = -5;
  sample.taken_at = "yesterday";

  const Timeline timeline = samples.timeline();

  EXPECT_DOUBLE_EQ(timeline.end_s(), 5);
  EXPECT_DOUBLE_EQ(timeline.stretches().back().share.low, 0);
  EXPECT_DOUBLE_EQ(timeline.stretches().back().signals.at("x").high, 0);
}

// The sums of such were none, and where they were drawn was no place.
TEST(Timeline, BoundsFiguresThatNoRunReaches) {
  SampleBuilder samples;
  samples.after(5);
  Sample& sample = samples.after(5);
  sample.elapsed_s = 1e300;
  sample.rows_read = std::numeric_limits<std::int64_t>::min();
  sample.rows_written = std::numeric_limits<std::int64_t>::max();
  sample.batch_ms = 1e300;
  sample.phases_ms = {{"read", 1.7e308}, {"write", 1.7e308}};

  const Timeline timeline = samples.timeline();

  const Stretch& last = timeline.stretches().back();
  EXPECT_LE(timeline.end_s(), 1e15);
  EXPECT_TRUE(std::isfinite(last.batch_ms.mean()));
  EXPECT_TRUE(std::isfinite(timeline.phases_ms().at("read") + timeline.phases_ms().at("write")));
  EXPECT_DOUBLE_EQ(timeline.stretches()[1].read_per_s.high, 0);
}

TEST(Interruptions, AreInOrderAndTheLongestBearNumbers) {
  SampleBuilder samples;
  for (const double length : {9.0, 2.0, 7.0}) {
    samples.after(5).share = 1;
    Sample& paused = samples.after(length);
    paused.share = 0;
    paused.reason = "busy";
  }
  samples.away(100);
  samples.after(5).share = 1;

  const std::vector<Interruption> all = interruptions_of(samples.timeline(), 3);

  std::vector<int> numbers;
  for (const Interruption& one : all) numbers.push_back(one.number);
  EXPECT_EQ(numbers, (std::vector<int>{1, 0, 2, 3}));
  EXPECT_EQ(all.back().kind, Interruption::Kind::absence);
  EXPECT_NEAR(all.back().lasted_s, 100, 0.01);
}

}  // namespace
}  // namespace backfill
