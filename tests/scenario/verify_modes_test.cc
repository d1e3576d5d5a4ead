// What counts as a difference depends on what the job promises: its write mode, `where`, and what
// its plugin leaves out.

#include <gtest/gtest.h>

#include <csignal>

#include "sqlite/connection.h"
#include "verify_job.h"

namespace backfill {
namespace {

using Findings = VerifyJob::Findings;

class VerifyModesTest : public ::testing::TestWithParam<Ends> {};

TEST_P(VerifyModesTest, UpdateComparesRowsThatAreOnBothSidesOnly) {
  VerifyJob job(GetParam(), 0, {{"target.write", "\"update\""}});
  job.source().execute("INSERT INTO people (id, full_name) VALUES (1, 'Ann'), (2, 'Bob')");
  job.target().execute("INSERT INTO copies (id) VALUES (2), (3)");
  job.copy();

  const ProgramEnd clean = job.verify({"--json"});
  EXPECT_EQ(clean.exit_code, 0) << clean;
  EXPECT_EQ(json_of(clean)["rows"]["not_in_target"], 1) << clean;

  job.target().execute("UPDATE copies SET full_name = 'Rob' WHERE id = 2");
  EXPECT_EQ(job.find(), (Findings{"different 2,full_name"}));
}

TEST_P(VerifyModesTest, RowsThatInsertMissingLeftAloneAreDifferentAllTheSame) {
  VerifyJob job(GetParam(), 0, {{"target.write", "\"insert_missing\""}});
  job.source().execute("INSERT INTO people (id, full_name) VALUES (1, 'Ann'), (2, 'Bob')");
  job.target().execute("INSERT INTO copies (id, full_name) VALUES (2, 'Rob')");
  job.copy();

  EXPECT_EQ(job.find(), (Findings{"different 2,full_name"}));
}

TEST_P(VerifyModesTest, ATargetRowWhoseSourceRowIsOutsideOfTheJobIsNotExtra) {
  VerifyJob job(GetParam(), 0, {{"source.where", "\"full_name <> 'Bob'\""}});
  job.source().execute(
      "INSERT INTO people (id, full_name) VALUES (1, 'Ann'), (2, 'Bob'), (9, 'Z')");
  job.copy();
  job.target().execute("INSERT INTO copies (id, full_name) VALUES (2, 'Rob'), (3, 'Nobody')");

  EXPECT_EQ(job.find(), (Findings{"extra 3"}));
}

TEST_P(VerifyModesTest, WhateverTheTargetHasOfARowThatThePluginLeavesOutIsFine) {
  VerifyJob job(GetParam(), 0,
                {{"transform.plugin", toml_string(plugin_path("picky_copy"))},
                 {"limits.max_rejected", "10"}});
  job.source().execute(
      "INSERT INTO people (id, full_name) VALUES (1, 'Ann'), (2, NULL), (3, 'bad'), "
      "(4, 'Zoe')");
  job.copy();
  EXPECT_EQ(job.find(), Findings());

  job.target().execute("INSERT INTO copies (id, full_name) VALUES (2, 'x'), (3, 'y'), (5, 'z')");

  EXPECT_EQ(job.find(), (Findings{"extra 5"}));
}

INSTANTIATE_TEST_SUITE_P(On, VerifyModesTest, ::testing::ValuesIn(all_ends()),
                         [](const auto& tested) { return ends_name(tested.param); });

// Rows that verify holds for suspect and has not made up its mind about.
int waiting_suspects(const std::string& checkpoint) {
  try {
    SqliteConnection connection(checkpoint, SqliteConnection::Mode::read_only);
    auto statement =
        connection.prepare("SELECT count(*) FROM verify_suspect WHERE state = 'waiting'");
    return statement.step() ? static_cast<int>(statement.integer(0)) : 0;
  } catch (const Error&) {
    return 0;  // neither the file nor the table may be there yet
  }
}

TEST_P(VerifyModesTest, AWriteUnderWayIsNoDifference) {
  VerifyJob job(GetParam(), 100);
  job.copy();
  job.target().execute("DELETE FROM copies WHERE id = 7");
  job.target().execute("INSERT INTO copies (id) VALUES (1)");
  const std::string file = (job.job().folder() / "late.jsonl").string();
  Program verify(
      {BACKFILL_PROGRAM, "verify", job.job().file(), "--settle=10s", "--json", "--list", file});
  ASSERT_TRUE(wait_until([&] { return waiting_suspects(job.job().checkpoint()) == 2; }))
      << verify.err();

  job.target().execute("DELETE FROM copies WHERE id = 1");
  job.target().execute("INSERT INTO copies (id, full_name) VALUES (7, " +
                       sql_text(job.source().value("SELECT full_name FROM people WHERE id = 7")) +
                       ")");
  const ProgramEnd end = verify.wait();

  EXPECT_EQ(end.exit_code, 0) << end;
  std::set<std::string> transient;
  const nlohmann::json json = json_of(end);
  for (const auto& row : json["first_transient"]) transient.insert(row["key"][0]);
  EXPECT_EQ(json["rows"]["transient"], 2) << end;
  EXPECT_EQ(transient, (std::set<std::string>{"1", "7"})) << end;
  EXPECT_EQ(read_file(file), "");
}

TEST_P(VerifyModesTest, StopsOnASignalAndGoesOn) {
  VerifyJob job(GetParam(), 100);
  job.copy();
  job.target().execute("DELETE FROM copies WHERE id = 7");
  Program verify({BACKFILL_PROGRAM, "verify", job.job().file(), "--settle=60s"});
  ASSERT_TRUE(wait_until([&] { return waiting_suspects(job.job().checkpoint()) == 1; }));

  verify.send(SIGTERM);
  const ProgramEnd end = verify.wait();

  EXPECT_EQ(end.exit_code, 75) << end;
  EXPECT_NE(end.out.find("--resume"), std::string::npos) << end;
  EXPECT_EQ(job.find({"--resume"}), (Findings{"missing 7"}));
}

TEST_P(VerifyModesTest, WatchesPassAfterPassAndTellsPrometheus) {
  VerifyJob job(GetParam(), 100);
  job.copy();
  const std::string metrics = (job.job().folder() / "verify.prom").string();
  const auto says = [&](const std::string& text) {
    return wait_until([&] { return read_file(metrics).find(text) != std::string::npos; });
  };
  Program verify({BACKFILL_PROGRAM, "verify", job.job().file(), "--settle=0s", "--every=50ms",
                  "--metrics-file", metrics});

  EXPECT_TRUE(says("backfill_discrepancies{job=\"job\",kind=\"missing\"} 0\n")) << verify.err();
  EXPECT_TRUE(says("last_clean_timestamp_seconds{job=\"job\"} ")) << verify.err();
  job.target().execute("DELETE FROM copies WHERE id = 7");
  EXPECT_TRUE(says("backfill_discrepancies{job=\"job\",kind=\"missing\"} 1\n")) << verify.err();
  verify.send(SIGTERM);

  EXPECT_EQ(verify.wait().exit_code, 5);
}

TEST_P(VerifyModesTest, OneOfAJobAtATime) {
  VerifyJob job(GetParam(), 100);
  job.target().execute("INSERT INTO copies (id) VALUES (1)");
  Program first({BACKFILL_PROGRAM, "verify", job.job().file(), "--settle=60s"});
  ASSERT_TRUE(wait_until([&] { return waiting_suspects(job.job().checkpoint()) > 0; }));

  EXPECT_EQ(job.verify().exit_code, 8);
  EXPECT_EQ(job.reconcile().exit_code, 8);
  EXPECT_EQ(job.job().run().exit_code, 0) << "a run may go on meanwhile";

  first.send(SIGTERM);
  first.wait();
}

}  // namespace
}  // namespace backfill
