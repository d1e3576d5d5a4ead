// `verify` while an application writes without pause: nothing that it finds is a write under way,
// and what is really wrong is found all the same.

#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <set>
#include <sstream>

#include "scenario/job_on_disk.h"
#include "torture/round.h"

namespace backfill {
namespace {

constexpr std::int64_t rows = 3000;
constexpr std::chrono::seconds settle{2};  // the application takes no longer between two writes

// Passes over each case; the long form says so by the environment.
int passes() {
  const char* wanted = std::getenv("BACKFILL_VERIFY_PASSES");
  return wanted == nullptr ? 4 : std::atoi(wanted);
}

std::uint64_t new_seed() {
  return static_cast<std::uint64_t>(std::chrono::system_clock::now().time_since_epoch() /
                                    std::chrono::milliseconds(1)) %
         1'000'000'000;
}

class VerifyTorture : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    server_ = std::make_unique<PostgresServer>();
    prepare_for_torture(*server_);
  }
  static void TearDownTestSuite() { server_.reset(); }

  static PostgresServer& server() { return *server_; }

 private:
  static inline std::unique_ptr<PostgresServer> server_;
};

class VerifyUnderLiveWrites : public VerifyTorture,
                              public ::testing::WithParamInterface<std::string> {};

std::string list_of(const JobOnDisk& job) { return (job.folder() / "list.jsonl").string(); }

ProgramEnd verify(const JobOnDisk& job, const JobOnDisk::Words& more = {},
                  const std::string& failpoints = "") {
  JobOnDisk::Words words{"--settle=" + std::to_string(settle.count()) + "s", "--json", "--list",
                         list_of(job)};
  words.insert(words.end(), more.begin(), more.end());
  return job.call("verify", words, {{"BACKFILL_FAILPOINTS", failpoints}});
}

// A machine that stalls may make the application break that promise: then what is found says
// nothing, and it is looked again.
ProgramEnd verify_beside(Traffic& traffic, const JobOnDisk& job) {
  for (int again = 10;; --again) {
    traffic.take_longest_dual_write();
    ProgramEnd end = verify(job);
    const std::chrono::milliseconds longest = traffic.take_longest_dual_write();
    if (longest < settle || again == 0) return end;
    std::cout << "a dual write took " << longest.count() << " ms; again" << std::endl;
  }
}

// `kind key` of every difference.
std::set<std::string> listed(const JobOnDisk& job) {
  std::set<std::string> findings;
  std::istringstream lines(read_file(list_of(job)));
  for (std::string line; std::getline(lines, line);) {
    const auto json = nlohmann::json::parse(line);
    findings.insert(json["kind"].get<std::string>() + " " + json["key"][0].get<std::string>());
  }
  return findings;
}

TEST_P(VerifyUnderLiveWrites, FindsWhatIsWrongAndNothingElse) {
  const std::uint64_t seed = new_seed();
  std::cout << GetParam() << " seed=" << seed << std::endl;
  SCOPED_TRACE("seed " + std::to_string(seed));
  const TortureCase tested = *find_torture_case(GetParam());
  const Tables tables(server(), tested, rows);
  const JobOnDisk job(tables.job_keys());
  Traffic traffic(tables, 4, seed);
  ASSERT_EQ(job.run({"--resume"}).exit_code, 0);

  std::int64_t transient = 0;
  for (int pass = 0; pass < passes(); ++pass) {
    const ProgramEnd end = verify_beside(traffic, job);
    EXPECT_EQ(end.exit_code, 0) << "pass " << pass << end << read_file(list_of(job));
    transient += nlohmann::json::parse(end.out)["rows"]["transient"].get<std::int64_t>();
  }
  std::cout << "transient=" << transient << std::endl;

  // Rows that the application does not know.
  const std::string missing = std::to_string(rows + 1);
  const std::string different = std::to_string(rows + 2);
  const std::string extra = std::to_string(rows + 3);
  Session source(tables.source_url());
  Session target(tables.target_url());
  source.query("INSERT INTO items SELECT id, 5, 'x' FROM generate_series(" + missing + ", " +
               different + ") AS id");
  target.query("INSERT INTO copies VALUES (" + different + ", 5, 'another'), (" + extra +
               ", 5, 'nobody')");
  const std::set<std::string> planted{"missing " + missing, "different " + different,
                                      "extra " + extra};
  EXPECT_EQ(verify_beside(traffic, job).exit_code, 5);
  EXPECT_EQ(listed(job), planted);
  const ProgramEnd killed = verify(job, {}, "verify.after_compare=crash@50");
  EXPECT_EQ(killed.signal, SIGKILL) << killed;
  EXPECT_EQ(verify(job, {"--resume"}).exit_code, 5);
  EXPECT_EQ(listed(job), planted);

  const ProgramEnd mended = job.call("reconcile", {"--settle=2s", "--delete-extra"});
  EXPECT_EQ(mended.exit_code, 0) << mended;
  EXPECT_EQ(verify_beside(traffic, job).exit_code, 0);

  traffic.stop();
  EXPECT_EQ(find_failures(tables).display(), "none");
}

INSTANTIATE_TEST_SUITE_P(Of, VerifyUnderLiveWrites,
                         ::testing::Values("insert-missing-two-databases",
                                           "upsert-pushdown-ledger"),
                         [](const auto& tested) {
                           std::string name = tested.param;
                           for (char& c : name) c = c == '-' ? '_' : c;
                           return name;
                         });

// Without the second look writes under way are told for differences: the test above can fail.
TEST_F(VerifyTorture, WithoutTheSecondLookFindsWritesUnderWay) {
  const TortureCase tested = *find_torture_case("insert-missing-two-databases");
  const Tables tables(server(), tested, rows);
  const JobOnDisk job(tables.job_keys());
  Traffic traffic(tables, 4, new_seed());
  ASSERT_EQ(job.run({"--resume"}).exit_code, 0);

  bool found = false;
  for (int i = 0; i < 100 && !found; ++i)
    found = verify(job, {}, "verify.recheck=skip").exit_code == 5;

  EXPECT_TRUE(found);
  traffic.stop();
}

}  // namespace
}  // namespace backfill
