// The short form of the torture: a round of the cases that differ most, and the proof that the
// check finds what it looks for. `./dev torture` is the long one.

#include <gtest/gtest.h>

#include <chrono>
#include <iostream>

#include "torture/round.h"

namespace backfill {
namespace {

// Another one every time; `./dev torture --case NAME --seed S` repeats it.
std::uint64_t new_seed() {
  return static_cast<std::uint64_t>(std::chrono::system_clock::now().time_since_epoch() /
                                    std::chrono::milliseconds(1)) %
         1'000'000'000;
}

class TortureTest : public ::testing::TestWithParam<std::string> {
 protected:
  static void SetUpTestSuite() {
    server_ = new PostgresServer;
    prepare_for_torture(*server_);
  }
  static void TearDownTestSuite() {
    delete server_;
    server_ = nullptr;
  }

  static RoundReport play(const TortureCase& tested) {
    const RoundOptions options{.rows = 1500, .kills = 5, .seed = new_seed()};
    std::cout << tested.name << " seed=" << options.seed << std::endl;
    const RoundReport report = play_round(*server_, tested, options);
    std::cout << describe_round(tested, options, report) << std::endl;
    return report;
  }

 private:
  static PostgresServer* server_;
};
PostgresServer* TortureTest::server_ = nullptr;

std::string without_dashes(const ::testing::TestParamInfo<std::string>& tested) {
  std::string name = tested.param;
  for (char& c : name) {
    if (c == '-') c = '_';
  }
  return name;
}

class LiveWritesAndKills : public TortureTest {};

TEST_P(LiveWritesAndKills, LoseDoubleAndReviveNothing) {
  const RoundReport report = play(*find_torture_case(GetParam()));

  EXPECT_EQ(report.failures.display(), "none")
      << ::testing::PrintToString(report.failures.examples);
  EXPECT_GT(report.traffic.writes, 0);
}

INSTANTIATE_TEST_SUITE_P(Of, LiveWritesAndKills,
                         ::testing::Values("insert-missing-two-databases", "upsert-pushdown-ledger",
                                           "in-place-plugin", "exactly-once"),
                         without_dashes);

class WithoutProtection : public TortureTest {};

TEST_P(WithoutProtection, FailuresAreFound) {
  const RoundReport report = play(*find_torture_case(GetParam()));

  EXPECT_GT(report.failures.total(), 0);
}

INSTANTIATE_TEST_SUITE_P(The, WithoutProtection, ::testing::Values("without-consistency"),
                         without_dashes);

}  // namespace
}  // namespace backfill
