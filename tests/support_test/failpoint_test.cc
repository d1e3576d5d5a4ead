#include "support/failpoint.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <chrono>
#include <filesystem>
#include <fstream>

#include "core/error.h"

namespace backfill {
namespace {

class FailpointTest : public testing::Test {
 protected:
  ~FailpointTest() override { set_failpoints(""); }
};

// What failpoint(name) throws; none when it passes.
std::optional<Error> thrown_at(std::string_view name) {
  try {
    failpoint(name);
  } catch (const Error& error) {
    return error;
  }
  return std::nullopt;
}

TEST_F(FailpointTest, IsOffUnlessNamed) {
  for (const std::string_view name : failpoint_names()) EXPECT_FALSE(thrown_at(name));

  set_failpoints("chunk.after_read=error");

  EXPECT_TRUE(thrown_at("chunk.after_read"));
  EXPECT_FALSE(thrown_at("chunk.planned"));
}

TEST_F(FailpointTest, IsReachedEveryTimeOrOnlyTheNth) {
  set_failpoints("chunk.planned=error,chunk.after_read=error@2");

  EXPECT_TRUE(thrown_at("chunk.planned"));
  EXPECT_TRUE(thrown_at("chunk.planned"));
  EXPECT_FALSE(thrown_at("chunk.after_read"));
  EXPECT_TRUE(thrown_at("chunk.after_read"));
  EXPECT_FALSE(thrown_at("chunk.after_read"));
}

TEST_F(FailpointTest, SetAnewForgetsWhatWasSetAndCounted) {
  set_failpoints("chunk.planned=error@2");
  thrown_at("chunk.planned");

  set_failpoints("chunk.planned=error@2");

  EXPECT_FALSE(thrown_at("chunk.planned"));
  EXPECT_TRUE(thrown_at("chunk.planned"));
  set_failpoints("");
  EXPECT_FALSE(thrown_at("chunk.planned"));
}

TEST_F(FailpointTest, ThrowsWhatTheDatabaseWouldWithThisCode) {
  const std::vector<std::pair<std::string, ErrorKind>> cases = {
      {"08006", ErrorKind::retry},     {"40001", ErrorKind::retry},  {"40P01", ErrorKind::retry},
      {"53300", ErrorKind::retry},     {"55P03", ErrorKind::retry},  {"57P01", ErrorKind::retry},
      {"57014", ErrorKind::too_large}, {"22003", ErrorKind::reject}, {"23505", ErrorKind::reject},
      {"42501", ErrorKind::stop},      {"XX000", ErrorKind::stop},   {"", ErrorKind::retry}};
  for (const auto& [code, kind] : cases) {
    set_failpoints("target.before_commit=error(" + code + ")");

    const auto error = thrown_at("target.before_commit");

    ASSERT_TRUE(error) << code;
    EXPECT_EQ(error->kind(), kind) << code;
    EXPECT_EQ(error->code(), code);
    EXPECT_STREQ(error->what(), "failpoint target.before_commit");
  }
}

TEST_F(FailpointTest, Delays) {
  set_failpoints("chunk.planned=delay(2ms)");
  const auto began = std::chrono::steady_clock::now();

  failpoint("chunk.planned");

  EXPECT_GE(std::chrono::steady_clock::now() - began, std::chrono::milliseconds(2));
}

TEST_F(FailpointTest, SaysThatItWaitsAndWaitsForItsFile) {
  std::string folder = (std::filesystem::temp_directory_path() / "backfill-XXXXXX").string();
  ASSERT_NE(mkdtemp(folder.data()), nullptr);
  const std::string file = folder + "/go";
  std::ofstream(file).put('\n');
  set_failpoints("chunk.planned=wait(" + file + ")@1");

  failpoint("chunk.planned");

  EXPECT_TRUE(std::filesystem::exists(file + ".reached"));
  std::filesystem::remove_all(folder);
}

TEST_F(FailpointTest, RefusesWhatItCannotRead) {
  for (const char* text :
       {"chunk.planned", "=error", "no.such.place=error", "chunk.planned=", "chunk.planned=burn",
        "chunk.planned=error@0", "chunk.planned=error@", "chunk.planned=error@x",
        "chunk.planned=error@-1", "chunk.planned=error(23505", "chunk.planned=delay",
        "chunk.planned=delay(5)", "chunk.planned=delay(ms)", "chunk.planned=delay(1.5s)",
        "chunk.planned=wait", "chunk.planned=wait()", "chunk.planned=error,chunk.planned=burn"}) {
    try {
      set_failpoints(text);
      ADD_FAILURE() << text;
    } catch (const Error& error) {
      EXPECT_EQ(error.exit_code(), ExitCode::usage) << text;
      EXPECT_NE(std::string(error.what()).find("BACKFILL_FAILPOINTS"), std::string::npos);
    }
  }
  EXPECT_FALSE(thrown_at("chunk.planned"));
}

TEST_F(FailpointTest, CrashIsAKill) {
  EXPECT_EXIT(
      {
        set_failpoints("chunk.planned=crash@2");
        failpoint("chunk.planned");
        failpoint("chunk.planned");
      },
      testing::KilledBySignal(SIGKILL), "");
}

}  // namespace
}  // namespace backfill
