#include "observe/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

namespace backfill {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;
using testing::Not;

SavedRun running() {
  SavedRun run;
  run.rows = {
      .read = 100, .written = 80, .skipped = 10, .rejected = 4, .unchanged = 6, .conflicts = 3};
  run.batches = {.done = 7, .retried = 2, .split = 1};
  run.batch_size = 1000;
  run.share = 0.5;
  run.throttled_s = 12;
  run.estimated_total = 400;
  run.progress = 0.25;
  return run;
}

ChunkReport report_of(milliseconds read, milliseconds write) {
  ChunkReport report;
  report.times.read = read;
  report.times.write = write;
  return report;
}

// The value behind `name{labels} `; empty when there is no such line.
std::string value(const std::string& text, const std::string& sample) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with(sample + " ")) return line.substr(sample.size() + 1);
  }
  return "";
}

TEST(Metrics, CountRowsByWhatBecameOfThem) {
  Metrics metrics("shop");
  metrics.show(running());

  const std::string text = metrics.text();

  EXPECT_EQ(value(text, R"(backfill_rows_total{job="shop",result="read"})"), "100");
  EXPECT_EQ(value(text, R"(backfill_rows_total{job="shop",result="written"})"), "80");
  EXPECT_EQ(value(text, R"(backfill_rows_total{job="shop",result="skipped"})"), "10");
  EXPECT_EQ(value(text, R"(backfill_rows_total{job="shop",result="rejected"})"), "4");
  EXPECT_EQ(value(text, R"(backfill_rows_total{job="shop",result="unchanged"})"), "6");
  EXPECT_EQ(value(text, R"(backfill_rows_total{job="shop",result="conflict"})"), "3");
  EXPECT_EQ(value(text, R"(backfill_batches_total{job="shop",outcome="done"})"), "7");
  EXPECT_EQ(value(text, R"(backfill_batches_total{job="shop",outcome="retried"})"), "2");
  EXPECT_EQ(value(text, R"(backfill_batches_total{job="shop",outcome="split"})"), "1");
}

TEST(Metrics, GaugeTheRunAsItIsNow) {
  Metrics metrics("shop");
  SavedRun run = running();
  run.signals = {{"commit_latency", 0}, {"replica_lag", 0.62}};
  metrics.show(run);

  const std::string text = metrics.text();

  EXPECT_EQ(value(text, R"(backfill_running{job="shop"})"), "1");
  EXPECT_EQ(value(text, R"(backfill_batch_size_rows{job="shop"})"), "1000");
  EXPECT_EQ(value(text, R"(backfill_share{job="shop"})"), "0.5");
  EXPECT_EQ(value(text, R"(backfill_progress_ratio{job="shop"})"), "0.25");
  EXPECT_EQ(value(text, R"(backfill_pressure{job="shop",signal="replica_lag"})"), "0.62");
  EXPECT_EQ(value(text, R"(backfill_pressure{job="shop",signal="commit_latency"})"), "0");
}

TEST(Metrics, LeaveOutWhatIsUnknown) {
  Metrics metrics("shop");
  EXPECT_EQ(metrics.text(), "");
  EXPECT_FALSE(metrics.has_run());

  SavedRun run = running();
  run.estimated_total.reset();
  metrics.show(run);

  const std::string text = metrics.text();
  EXPECT_TRUE(metrics.has_run());
  for (const char* name :
       {"backfill_progress_ratio", "backfill_pressure", "backfill_batch_duration_seconds",
        "backfill_last_commit_timestamp_seconds", "backfill_last_success_timestamp_seconds",
        "backfill_discrepancies", "backfill_sleep_seconds_total"}) {
    EXPECT_THAT(text, Not(HasSubstr(name)));
  }
}

TEST(Metrics, NeverLetACounterFall) {
  Metrics metrics("shop");
  metrics.show(running());
  SavedRun levelled = running();
  levelled.rows.written = 79;
  metrics.show(levelled);

  EXPECT_EQ(value(metrics.text(), R"(backfill_rows_total{job="shop",result="written"})"), "80");
}

TEST(Metrics, SayWhatMadeWorkersRest) {
  Metrics metrics("shop");
  SavedRun run = running();
  run.rested_s = {{"share", 2}, {"replica_lag", 3.5}};
  metrics.show(run);

  const std::string text = metrics.text();

  EXPECT_EQ(value(text, R"(backfill_sleep_seconds_total{job="shop",reason="share"})"), "2");
  EXPECT_EQ(value(text, R"(backfill_sleep_seconds_total{job="shop",reason="replica_lag"})"), "3.5");
}

TEST(Metrics, CountDurationsInBucketsThatHoldTheSmallerOnes) {
  Metrics metrics("shop");
  metrics.show(running());
  metrics.observe(report_of(milliseconds(1), milliseconds(30)));
  metrics.observe(report_of(milliseconds(80), milliseconds(0)));
  metrics.observe(report_of(milliseconds(90'000), milliseconds(0)));
  metrics.observe_checkpoint(milliseconds(3));

  const std::string text = metrics.text();

  const std::string read = R"(backfill_batch_duration_seconds_bucket{job="shop",phase="read",le=)";
  EXPECT_EQ(value(text, read + "\"0.001\"}"), "1");
  EXPECT_EQ(value(text, read + "\"0.05\"}"), "1");
  EXPECT_EQ(value(text, read + "\"0.1\"}"), "2");
  EXPECT_EQ(value(text, read + "\"60\"}"), "2");
  EXPECT_EQ(value(text, read + "\"+Inf\"}"), "3");
  EXPECT_EQ(value(text, R"(backfill_batch_duration_seconds_count{job="shop",phase="read"})"), "3");
  EXPECT_EQ(value(text, R"(backfill_batch_duration_seconds_sum{job="shop",phase="read"})"),
            "90.081");
  EXPECT_EQ(value(text, R"(backfill_batch_duration_seconds_count{job="shop",phase="write"})"), "1");
  EXPECT_EQ(value(text, R"(backfill_batch_duration_seconds_count{job="shop",phase="checkpoint"})"),
            "1");
  EXPECT_THAT(text, Not(HasSubstr("transform")));
}

TEST(Metrics, RememberWhenABatchLastCameToItsEnd) {
  Metrics metrics("shop");
  metrics.show(running());
  const double before = unix_time();
  metrics.observe(report_of(milliseconds(1), milliseconds(1)));
  const double after = unix_time();

  const double at =
      std::stod(value(metrics.text(), R"(backfill_last_commit_timestamp_seconds{job="shop"})"));

  EXPECT_GE(at, before - 0.001);
  EXPECT_LE(at, after + 0.001);
}

TEST(Metrics, SayThatARunHasEnded) {
  Metrics metrics("shop");
  metrics.show(running());
  metrics.end();
  metrics.succeeded_at(1'700'000'000.25);

  const std::string text = metrics.text();

  EXPECT_EQ(value(text, R"(backfill_running{job="shop"})"), "0");
  EXPECT_EQ(value(text, R"(backfill_last_success_timestamp_seconds{job="shop"})"),
            "1700000000.250");
}

TEST(Metrics, TellWhatVerifyFound) {
  Metrics metrics("shop");
  metrics.show(Discrepancies{.missing = 1, .extra = 2, .different = 3});

  const std::string text = metrics.text();

  EXPECT_EQ(value(text, R"(backfill_discrepancies{job="shop",kind="missing"})"), "1");
  EXPECT_EQ(value(text, R"(backfill_discrepancies{job="shop",kind="extra"})"), "2");
  EXPECT_EQ(value(text, R"(backfill_discrepancies{job="shop",kind="different"})"), "3");
  EXPECT_THAT(text, Not(HasSubstr("backfill_rows_total")));
  EXPECT_THAT(text, Not(HasSubstr("last_clean"))) << "never is not 1970";
  EXPECT_THAT(text, Not(HasSubstr("drift")));
}

TEST(Metrics, TellTheLastCleanPassAndTheDriftWhereTheyAreKnown) {
  Metrics metrics("shop");
  metrics.show(Discrepancies{.clean_at = 1'700'000'000.25, .drift_within_hour = 4});

  const std::string text = metrics.text();

  EXPECT_EQ(value(text, R"(backfill_verify_last_clean_timestamp_seconds{job="shop"})"),
            "1700000000.250");
  EXPECT_EQ(value(text, R"(backfill_verify_drift_per_hour{job="shop"})"), "4");
}

TEST(Metrics, EscapeWhatWouldEndALabel) {
  Metrics metrics("shop");
  SavedRun run = running();
  run.signals = {{"a\"b\\c\nd", 1}};
  metrics.show(run);

  EXPECT_EQ(value(metrics.text(), R"(backfill_pressure{job="shop",signal="a\"b\\c\nd"})"), "1");
}

// A family's samples stand together, behind what they are.
TEST(Metrics, DescribeEachFamilyOnceBeforeItsSamples) {
  Metrics metrics("shop");
  SavedRun run = running();
  run.signals = {{"latency", 1}};
  run.rested_s = {{"share", 0.001}};
  metrics.show(run);
  metrics.observe(report_of(milliseconds(1), milliseconds(1)));
  metrics.succeeded_at(1);
  metrics.show(Discrepancies{});

  std::istringstream lines(metrics.text());
  std::string family;
  std::vector<std::string> described;
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string mark, kind, name;
    words >> mark >> kind >> name;
    if (mark != "#") {
      EXPECT_TRUE(line.starts_with(family)) << line;
    } else if (kind == "HELP") {
      EXPECT_THAT(described, Not(testing::Contains(name)));
      described.push_back(name);
      family = name;
    } else {
      EXPECT_EQ(name, family);
    }
  }
  EXPECT_EQ(described.size(), 13U);
}

}  // namespace
}  // namespace backfill
