// The page of a report, as text; a browser looks at it in tests/scenario/report_test.cc.

#include "observe/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <regex>

#include "observe/html.h"
#include "sample_builder.h"

namespace backfill {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t found = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1))
    ++found;
  return found;
}

Report report_of(Timeline timeline) {
  Report report{.job = "copy-users",
                .run = {},
                .fingerprint = {},
                .controls = {},
                .dead_letter_count = 0,
                .dead_letters = {},
                .verify = std::nullopt,
                .timeline = std::move(timeline),
                .made_at = "2026-11-22T14:00:00.000Z",
                .nonce = "0123456789abcdef"};
  report.run.run_id = "run-1";
  report.run.started_at = "2026-11-22T13:00:00.000Z";
  report.run.updated_at = "2026-11-22T13:05:00.000Z";
  return report;
}

Timeline some_timeline() {
  SampleBuilder samples;
  for (int i = 0; i < 5; ++i) samples.after(5).phases_ms = {{"read", 100}, {"write", 300}};
  Sample& paused = samples.after(20);
  paused.share = 0;
  paused.reason = "replica lag 12.4s >= 10s";
  Sample& last = samples.after(5);
  last.share = 1;
  last.reason.clear();
  last.signals = {{"replica_lag", 0.5}};
  last.batches_retried = 3;
  return samples.timeline();
}

TEST(Html, ShowsTextLetterByLetter) {
  EXPECT_EQ(html("<a href='x'>\"&amp;\""), "&lt;a href=&#39;x&#39;&gt;&quot;&amp;amp;&quot;");
  EXPECT_EQ(html(std::string("a\0b", 3)), "a\uFFFDb");
}

TEST(Html, CutsBetweenCharacters) {
  EXPECT_EQ(html_start("äöü", 3), "äöü");
  EXPECT_EQ(html_start("äöü", 2), "äö…");
  EXPECT_EQ(html_start("a\nb<", 10), "a b&lt;");
}

TEST(ReportPage, HasAChartForEachFigure) {
  const std::string page = report_page(report_of(some_timeline()));

  for (const char* id :
       {"progress", "rate", "share", "pressure", "size", "duration", "phases", "retries"}) {
    EXPECT_EQ(count(page, std::string("<figure id=\"") + id + "\""), 1U) << id;
  }
  EXPECT_EQ(count(page, "role=\"img\""), 8U);
  EXPECT_THAT(page, HasSubstr("No row changed while it was copied. No row was rejected."));
}

TEST(ReportPage, ShadesAndNamesAPause) {
  const std::string page = report_page(report_of(some_timeline()));

  // From second 25 to 45 of 50.
  EXPECT_THAT(page, HasSubstr("<svg class=\"pause\" x=\"50.000%\" width=\"40.000%\""));
  EXPECT_THAT(page, HasSubstr(">1 replica lag 12.4s &gt;= 10s</text>"));
  EXPECT_THAT(page, HasSubstr("<td>replica lag 12.4s &gt;= 10s</td>"));
}

TEST(ReportPage, SaysWhatIsNotKnown) {
  const std::string page = report_page(report_of(Timeline(0)));

  EXPECT_THAT(
      page, AllOf(HasSubstr("There is nothing to draw yet"), HasSubstr("the highest is not known"),
                  HasSubstr("<dt>rows in all</dt><dd>not known</dd>"),
                  HasSubstr("<code>backfill verify</code> has not been run")));
}

// Whoever writes a row must not write the page of the one who looks for what went wrong with it.
TEST(ReportPage, TakesNothingForItsOwnWordsThatComesFromElsewhere) {
  const std::string evil = "\"'></title></script></svg><script>alert(1)</script><img src=x>";
  SampleBuilder samples;
  Sample& sample = samples.after(5);
  sample.share = 0;
  sample.reason = evil;
  sample.signals = {{evil, 2}};
  sample.rested_s = {{evil, 2}};
  sample.phases_ms = {{evil, 2}};
  samples.after(5);
  Report report = report_of(samples.timeline());
  report.job = evil;
  report.run.run_id = report.run.reason = report.run.forced = report.run.pressure_signal = evil;
  report.run.pressure = 1;
  report.run.started_at = report.run.updated_at = report.made_at = evil;
  report.run.rested_s = {{evil, 2}};
  report.run.watermark = report.run.end_key = Key{{evil}};
  report.fingerprint = {{evil, evil}};
  report.controls = {{evil, evil, evil}};
  report.dead_letter_count = 2;
  report.dead_letters = {{Key{{evil}}.to_json(), evil, evil, evil}, {evil, evil, evil, evil}};
  report.verify.emplace();
  report.verify->state = report.verify->reason = report.verify->updated_at = evil;
  report.verify->first = {{evil, evil, {evil}}};

  const std::string page = report_page(report);

  EXPECT_EQ(count(page, "<script"), 1U);
  EXPECT_EQ(count(page, "</script"), 1U);
  EXPECT_EQ(count(page, "<img"), 0U);
  EXPECT_EQ(count(page, "'><"), 0U);
  EXPECT_THAT(page, HasSubstr("&lt;script&gt;alert(1)&lt;/script&gt;"));
}

TEST(ReportPage, NeedsNothingFromElsewhere) {
  const std::string page = report_page(report_of(some_timeline()));

  EXPECT_THAT(page, AllOf(HasSubstr("default-src 'none'"), Not(HasSubstr("http:")),
                          Not(HasSubstr("https:")), Not(HasSubstr("@import"))));
  EXPECT_FALSE(std::regex_search(page, std::regex("(src|href)=\"(?!data:)")));
}

TEST(ReportPage, IsBoundedHoweverLongTheRunWas) {
  SampleBuilder samples;
  const std::string long_reason(5'000, 'x');
  for (int i = 0; i < 200'000; ++i) {
    Sample& sample = samples.after(5);
    sample.share = i % 3 == 0 ? 0 : 0.123;
    sample.reason = i % 1'000 == 0 ? long_reason : "others are at work";
    sample.signals = {{"replica_lag", i % 7}, {"commit_latency", 0.3}, {"query", i % 5}};
    sample.phases_ms = {{"read", 300}, {"write", i % 900}, {"validate", 20}};
    sample.rows_conflicts = sample.rows_rejected = sample.batches_retried = i;
  }
  Report report = report_of(samples.timeline());
  report.dead_letter_count = 1'000'000;
  for (int i = 0; i < 200; ++i)
    report.dead_letters.push_back({"[\"" + std::to_string(i) + "\"]", "23505", long_reason, "{}"});

  const std::string page = report_page(report);

  EXPECT_LT(page.size(), 1'000'000U);
  EXPECT_THAT(page, HasSubstr("and 999,800 more."));
  EXPECT_THAT(page, HasSubstr(" shorter ones, which bear no number."));
}

}  // namespace
}  // namespace backfill
