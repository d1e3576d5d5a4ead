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

// What only a comparison of the whole chunk can find: nobody has seen these rows differ.
TEST_P(ReconcileTest, ComparesTheChunksOfItsRepairsAgainUntilTheyAreClean) {
  job().target().execute(
      "DELETE FROM copies WHERE id = 21; INSERT INTO copies (id, full_name) VALUES (10, 'Nobody')");
  ASSERT_EQ(job().verify().exit_code, 5);
  const std::string beside = job().source().value("SELECT min(id) FROM people WHERE id > 21");
  const std::string far_off = job().source().value("SELECT max(id) FROM people");
  job().target().execute("DELETE FROM copies WHERE id IN (" + beside + ", " + far_off +
                         "); INSERT INTO copies (id, full_name) VALUES (23, 'Nobody')");

  const ProgramEnd end = job().reconcile({"--delete-extra", "--json"});

  EXPECT_EQ(end.exit_code, 0) << end;
  EXPECT_EQ(json_of(end)["written"], 2) << end;
  EXPECT_EQ(json_of(end)["deleted"], 2) << end;
  EXPECT_GE(json_of(end)["chunks_compared_again"], 2) << "once more after the second repair";
  EXPECT_EQ(job().find(), (Findings{"missing " + far_off}));
}

TEST_P(ReconcileTest, WaitsWhileItIsToBePaused) {
  plant();
  ASSERT_EQ(job().verify().exit_code, 5);
  const auto before = target_rows();
  const std::string pause_file = (job().job().folder() / "pause").string();
  write_file(pause_file, "");
  job().job().call("pause");
  Program reconcile({BACKFILL_PROGRAM, "reconcile", job().job().file(), "--settle=0s",
                     "--delete-extra", "--set", "throttle.pause_file=" + pause_file});
  const auto says = [&](const std::string& text) {
    return wait_until([&] { return reconcile.err().find(text) != std::string::npos; });
  };
  EXPECT_TRUE(says("paused by `backfill pause`")) << reconcile.err();
  EXPECT_EQ(target_rows(), before);

  job().job().call("resume");
  std::filesystem::remove(pause_file);
  const ProgramEnd end = reconcile.wait();

  EXPECT_EQ(end.exit_code, 0) << end;
  EXPECT_EQ(target_rows(), source_rows());
}

TEST_P(ReconcileTest, WritesNothingWhileThereIsAPauseFile) {
  plant();
  ASSERT_EQ(job().verify().exit_code, 5);
  const auto before = target_rows();
  const std::string pause_file = (job().job().folder() / "pause").string();
  write_file(pause_file, "");
  Program reconcile({BACKFILL_PROGRAM, "reconcile", job().job().file(), "--settle=0s",
                     "--delete-extra", "--set", "throttle.pause_file=" + pause_file});
  EXPECT_TRUE(wait_until([&] {
    return reconcile.err().find("paused reason=\"pause") != std::string::npos;
  })) << reconcile.err();
  EXPECT_EQ(target_rows(), before);

  std::filesystem::remove(pause_file);
  const ProgramEnd end = reconcile.wait();

  EXPECT_EQ(end.exit_code, 0) << end;
  EXPECT_EQ(target_rows(), source_rows());
}

TEST_P(ReconcileTest, EndsAsPlannedWhenItsTimeIsOver) {
  plant();
  ASSERT_EQ(job().verify().exit_code, 5);
  job().job().call("pause");

  const ProgramEnd end = job().reconcile({"--set", "schedule.max_runtime=200ms"});

  EXPECT_EQ(end.exit_code, 5) << end;
  EXPECT_NE(end.out.find("not finished: max_runtime is over"), std::string::npos) << end;
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
        "target.before_commit", "target.after_commit", "verify.after_compare"}) {
    SCOPED_TRACE(place);
    plant();
    ASSERT_EQ(job().verify().exit_code, 5);
    // Not seen by the verify, but in a chunk of what was.
    job().target().execute("UPDATE copies SET full_name = 'Else' WHERE id = 28");

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
