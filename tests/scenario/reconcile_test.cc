// `reconcile` repairs what `verify` found, and nothing else, also when it is killed half-way and
// when the application writes meanwhile.

#include <gtest/gtest.h>

#include <csignal>

#include "verify_job.h"

namespace backfill {
namespace {

using Findings = VerifyJob::Findings;

class ReconcileTest : public ::testing::TestWithParam<Ends> {
 protected:
  void SetUp() override {
    job_ = std::make_unique<VerifyJob>(GetParam(), 300);
    job_->copy();
  }

  VerifyJob& job() { return *job_; }

  // Gone, changed and added rows; every third id is a multiple of 21.
  void plant() {
    job().target().execute(
        "DELETE FROM copies WHERE id IN (21, 42, 63) OR id BETWEEN 900 AND 1100; "
        "UPDATE copies SET full_name = 'Else' WHERE id BETWEEN 100 AND 300; "
        "INSERT INTO copies (id, full_name) VALUES (10, 'Nobody'), (100000, 'Nobody')");
  }

  std::vector<std::string> source_rows() {
    return job().source().rows("SELECT id, full_name FROM people ORDER BY id");
  }
  std::vector<std::string> target_rows() {
    return job().target().rows("SELECT id, full_name FROM copies ORDER BY id");
  }

 private:
  std::unique_ptr<VerifyJob> job_;
};

TEST_P(ReconcileTest, MakesTheTargetWhatItShouldBe) {
  plant();
  ASSERT_EQ(job().verify().exit_code, 5);

  const ProgramEnd end = job().reconcile({"--delete-extra", "--json"});

  EXPECT_EQ(end.exit_code, 0) << end;
  EXPECT_EQ(json_of(end)["deleted"], 2) << end;
  EXPECT_EQ(target_rows(), source_rows());
  EXPECT_EQ(job().find(), Findings());
}

TEST_P(ReconcileTest, LeavesExtraRowsAloneUnlessToldToDeleteThem) {
  plant();
  ASSERT_EQ(job().verify().exit_code, 5);

  const ProgramEnd end = job().reconcile();

  EXPECT_EQ(end.exit_code, 5) << end;
  EXPECT_NE(end.out.find("--delete-extra"), std::string::npos) << end;
  EXPECT_EQ(job().find(), (Findings{"extra 10", "extra 100000"}));
}

TEST_P(ReconcileTest, OfADryRunShowsEachRepairAndDoesNone) {
  plant();
  ASSERT_EQ(job().verify().exit_code, 5);
  const auto before = target_rows();
  const std::size_t planted = job().listed().size();

  const ProgramEnd end = job().reconcile({"--dry-run", "--delete-extra"});

  EXPECT_EQ(end.exit_code, 5) << end;
  EXPECT_EQ(target_rows(), before);
  std::size_t shown = 0;
  for (const char* word : {"\"id\" = "}) {
    for (std::size_t at = end.out.find(word); at != std::string::npos;
         at = end.out.find(word, at + 1))
      ++shown;
  }
  EXPECT_EQ(shown, planted) << end;
  EXPECT_NE(end.out.find("delete extra "), std::string::npos) << end;
}

TEST_P(ReconcileTest, StopsARunaway) {
  plant();
  ASSERT_EQ(job().verify().exit_code, 5);
  const std::size_t planted = job().listed().size();

  const ProgramEnd end = job().reconcile({"--delete-extra", "--max-repairs=5"});

  EXPECT_EQ(end.exit_code, 5) << end;
  EXPECT_NE(end.out.find("--max-repairs"), std::string::npos) << end;
  EXPECT_EQ(job().find().size(), planted - 5);
}

TEST_P(ReconcileTest, GoesOnAfterBeingKilledAtAnyPlace) {
  for (const std::string place :
       {"reconcile.after_read", "reconcile.after_lock", "reconcile.after_repair",
        "target.before_commit", "target.after_commit"}) {
    SCOPED_TRACE(place);
    plant();
    ASSERT_EQ(job().verify().exit_code, 5);

    const ProgramEnd killed = job().reconcile({"--delete-extra"}, place + "=crash@1");
    EXPECT_EQ(killed.signal, SIGKILL) << killed;
    ProgramEnd end = job().reconcile({"--delete-extra"});
    // The server has not noticed yet that the one before is dead.
    for (int i = 0; i < 100 && end.exit_code == 8; ++i) end = job().reconcile({"--delete-extra"});

    EXPECT_EQ(end.exit_code, 0) << end;
    EXPECT_EQ(target_rows(), source_rows());
  }
}

TEST_P(ReconcileTest, WritesWhatTheSourceHasNowAndNotWhatItHadThen) {
  plant();
  ASSERT_EQ(job().verify().exit_code, 5);
  job().source().execute(
      "UPDATE people SET full_name = 'Newer' WHERE id = 21; DELETE FROM people WHERE id = 42; "
      "INSERT INTO people (id, full_name) VALUES (10, 'Somebody')");

  const ProgramEnd end = job().reconcile({"--delete-extra"});

  EXPECT_EQ(end.exit_code, 0) << end;
  EXPECT_EQ(target_rows(), source_rows());
}

TEST_P(ReconcileTest, RefusesWithoutAVerifyOfTheSameJob) {
  const JobOnDisk fresh({{"source.url", toml_string(job().source().url())},
                         {"source.table", toml_string(job().source().table("people"))},
                         {"target.url", toml_string(job().target().url())},
                         {"target.table", toml_string(job().target().table("copies"))}});
  EXPECT_EQ(fresh.call("reconcile").exit_code, 2);
  ASSERT_EQ(job().verify().exit_code, 0);

  EXPECT_EQ(job().reconcile({"--set", "source.where=\"id > 0\""}).exit_code, 2);
}

TEST_P(ReconcileTest, KeepsARowThatTheTargetRefusesAsADifference) {
  plant();
  job().target().execute(
      "CREATE UNIQUE INDEX one_name ON copies (full_name) WHERE full_name = 'Ann14 Lee14'");
  const std::string id =
      job().source().value("SELECT id FROM people WHERE full_name = 'Ann14 Lee14'");
  job().target().execute("UPDATE copies SET full_name = 'Else' WHERE id = " + id +
                         "; UPDATE copies SET full_name = 'Ann14 Lee14' WHERE id = 10");
  ASSERT_EQ(job().verify().exit_code, 5);

  const ProgramEnd end = job().reconcile();

  EXPECT_EQ(end.exit_code, 5) << end;
  EXPECT_EQ(job().find(), (Findings{"different " + id + ",full_name", "extra 10", "extra 100000"}));
}

INSTANTIATE_TEST_SUITE_P(On, ReconcileTest, ::testing::ValuesIn(all_ends()),
                         [](const auto& tested) { return ends_name(tested.param); });

}  // namespace
}  // namespace backfill
