// The short form of the torture: a round of the cases that differ most, and the proof that the
// check finds what it looks for. `./dev torture` is the long one.

#include <gtest/gtest.h>

#include <chrono>
#include <iostream>
#include <memory>

#include "torture/round.h"

namespace backfill {
namespace {

// Another one every time; `./dev torture --case NAME --seed S` repeats it.
std::uint64_t new_seed() {
  return static_cast<std::uint64_t>(std::chrono::system_clock::now().time_since_epoch() /
                                    std::chrono::milliseconds(1)) %
         1'000'000'000;
}

// One server for all; starting it takes longer than a round.
class TortureServer : public ::testing::Environment {
 public:
  void SetUp() override {
    server_ = std::make_unique<PostgresServer>();
    prepare_for_torture(*server_);
  }
  void TearDown() override { server_.reset(); }

  PostgresServer& server() { return *server_; }

 private:
  std::unique_ptr<PostgresServer> server_;
};

TortureServer& torture() {
  static auto* environment =
      static_cast<TortureServer*>(::testing::AddGlobalTestEnvironment(new TortureServer));
  return *environment;
}
[[maybe_unused]] const auto& registered = torture();

constexpr std::int64_t rows = 1500;

RoundReport play(const TortureCase& tested) {
  const RoundOptions options{.rows = rows, .kills = 5, .seed = new_seed()};
  std::cout << tested.name << " seed=" << options.seed << std::endl;
  const RoundReport report = play_round(torture().server(), tested, options);
  std::cout << describe_round(tested, options, report) << std::endl;
  return report;
}

std::string without_dashes(const ::testing::TestParamInfo<std::string>& tested) {
  std::string name = tested.param;
  for (char& c : name) {
    if (c == '-') c = '_';
  }
  return name;
}

class LiveWritesAndKills : public ::testing::TestWithParam<std::string> {};

TEST_P(LiveWritesAndKills, LoseDoubleAndReviveNothing) {
  const RoundReport report = play(*find_torture_case(GetParam()));

  EXPECT_EQ(report.failures.display(), "none")
      << ::testing::PrintToString(report.failures.examples);
  EXPECT_GT(report.traffic.writes, 0);
  EXPECT_GT(report.rows, rows / 3) << "too few are left to be compared";
}

INSTANTIATE_TEST_SUITE_P(Of, LiveWritesAndKills,
                         ::testing::Values("insert-missing-two-databases", "upsert-pushdown-ledger",
                                           "in-place-plugin", "exactly-once"),
                         without_dashes);

class WithoutProtection : public ::testing::TestWithParam<std::string> {};

TEST_P(WithoutProtection, FailuresAreFound) {
  // What must go wrong takes a moment that a short round may not meet.
  constexpr int tries = 5;
  std::int64_t found = 0;

  for (int i = 0; i < tries && found == 0; ++i) {
    found = play(*find_torture_case(GetParam())).failures.total();
  }

  EXPECT_GT(found, 0);
}

std::vector<std::string> available_cases() {
  std::vector<std::string> names;
  for (const TortureCase& tested : unprotected_cases()) {
    if (is_available(tested)) names.push_back(tested.name);
  }
  return names;
}

INSTANTIATE_TEST_SUITE_P(The, WithoutProtection, ::testing::ValuesIn(available_cases()),
                         without_dashes);

}  // namespace
}  // namespace backfill
