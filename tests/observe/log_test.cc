#include "observe/log.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <regex>

namespace backfill {
namespace {

// What is written to stderr for one event.
std::string written(LogFormat format, LogLevel least, LogLevel level, std::string_view event,
                    const Log::Fields& fields = {}) {
  testing::internal::CaptureStderr();
  StderrLog log(format, least, "users");
  log.write(level, event, fields);
  return testing::internal::GetCapturedStderr();
}

TEST(Log, WritesOneLineAnEventForPeople) {
  const std::string line =
      written(LogFormat::text, LogLevel::info, LogLevel::warning, "will try again",
              {{"chunk", "chunk 41 (40000..41000]"}, {"retry", 2}, {"none", ""}});

  EXPECT_TRUE(std::regex_match(
      line, std::regex(R"re(20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z warning will try again )re"
                       R"re(chunk="chunk 41 \(40000\.\.41000\]" retry=2 none=""\n)re")))
      << line;
}

TEST(Log, QuotesSoThatAnEventStaysOneLine) {
  const std::string line = written(LogFormat::text, LogLevel::info, LogLevel::info, "refused",
                                   {{"reason", "ERROR: \"x\"\nDETAIL: y\r\nz"}});

  EXPECT_EQ(std::count(line.begin(), line.end(), '\n'), 1);
  EXPECT_EQ(std::count(line.begin(), line.end(), '\r'), 0);
  EXPECT_NE(line.find(R"(reason="ERROR: \"x\" DETAIL: y)"), std::string::npos) << line;
}

TEST(Log, WritesOneJsonObjectAnEventForMachines) {
  const std::string line = written(
      LogFormat::json, LogLevel::info, LogLevel::error, "failed",
      {{"reason", "a \"b\"\nc \xff"}, {"rows_read", 7}, {"share", 0.25}, {"watermark", "8"}});

  EXPECT_EQ(std::count(line.begin(), line.end(), '\n'), 1);
  const auto json = nlohmann::json::parse(line);
  EXPECT_EQ(json["level"], "error");
  EXPECT_EQ(json["job"], "users");
  EXPECT_EQ(json["event"], "failed");
  EXPECT_EQ(json["reason"], "a \"b\"\nc \xEF\xBF\xBD");
  EXPECT_EQ(json["rows_read"], 7);
  EXPECT_EQ(json["share"], 0.25);
  EXPECT_EQ(json["watermark"], "8");
  EXPECT_TRUE(std::regex_match(json["time"].get<std::string>(),
                               std::regex(R"(20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)")));
}

// It was once text for machines, too.
TEST(Log, TellsATimeToPeopleWithItsUnitAndToMachinesInSeconds) {
  const Log::Fields fields = {{"elapsed", LogTime(70.12345)}};

  const std::string text =
      written(LogFormat::text, LogLevel::info, LogLevel::info, "complete", fields);
  const std::string line =
      written(LogFormat::json, LogLevel::info, LogLevel::info, "complete", fields);

  EXPECT_TRUE(text.ends_with(" complete elapsed=1m10s\n")) << text;
  const auto json = nlohmann::json::parse(line);
  EXPECT_EQ(json["elapsed_s"], 70.123);
  EXPECT_FALSE(json.contains("elapsed"));
}

TEST(Log, NamesTheRunInJsonOnceItIsKnown) {
  testing::internal::CaptureStderr();
  StderrLog log(LogFormat::json, LogLevel::info, "users");
  log.write(LogLevel::info, "before");
  log.set_run_id("5eed");
  log.write(LogLevel::info, "after");
  const std::string text = testing::internal::GetCapturedStderr();

  const std::size_t end_of_first = text.find('\n');
  EXPECT_FALSE(nlohmann::json::parse(text.substr(0, end_of_first)).contains("run_id")) << text;
  EXPECT_EQ(nlohmann::json::parse(text.substr(end_of_first))["run_id"], "5eed") << text;
}

TEST(Log, LeavesOutWhatIsBelowItsLevel) {
  EXPECT_EQ(written(LogFormat::text, LogLevel::warning, LogLevel::info, "quiet"), "");
  EXPECT_EQ(written(LogFormat::json, LogLevel::info, LogLevel::debug, "quiet"), "");
  EXPECT_NE(written(LogFormat::text, LogLevel::debug, LogLevel::debug, "loud"), "");
}

TEST(Log, TakesBracesAsTheyAre) {
  EXPECT_NE(written(LogFormat::text, LogLevel::info, LogLevel::info, "odd {} %v {0}")
                .find("odd {} %v {0}"),
            std::string::npos);
}

}  // namespace
}  // namespace backfill
