// A checkpoint file as it is opened: what is made of one that is not there or is older, and what is
// refused and left as it is.

#include <future>
#include <thread>

#include "checkpoint/checkpoint_fixture.h"
#include "checkpoint/schema.h"
#include "core/error.h"

namespace backfill {
namespace {

using Mode = SqliteConnection::Mode;

class CheckpointOpeningTest : public CheckpointTest {
 protected:
  // Opening fails as a matter of usage, and the file is as before.
  void expect_refused(const std::string& because) const {
    const std::string before = read_file(file_);
    for (const bool existing : {false, true}) {
      try {
        if (existing) {
          CheckpointStore::open_existing(file_);
        } else {
          CheckpointStore::open(file_);
        }
        ADD_FAILURE() << "was opened";
      } catch (const Error& error) {
        EXPECT_EQ(error.exit_code(), ExitCode::usage) << error.what();
        EXPECT_NE(std::string(error.what()).find(because), std::string::npos) << error.what();
        EXPECT_NE(std::string(error.what()).find(file_.string()), std::string::npos)
            << error.what();
      }
    }
    EXPECT_TRUE(read_file(file_) == before);
  }
};

// `set` beside a run that begins.
TEST_F(CheckpointOpeningTest, MayBeMadeBySeveralAtOnce) {
  for (int round = 0; round < 20; ++round) {
    const std::filesystem::path file = file_.parent_path() / std::to_string(round);
    std::vector<std::future<void>> openings;
    for (int each = 0; each < 4; ++each) {
      openings.push_back(
          std::async(std::launch::async, [&] { CheckpointStore::open(file).load(); }));
    }
    for (std::future<void>& opening : openings) EXPECT_NO_THROW(opening.get());
  }
}

// As `status` does while a run begins.
TEST_F(CheckpointOpeningTest, MayBeLookedAtWhileItIsMade) {
  for (int round = 0; round < 200; ++round) {
    const std::filesystem::path file = folder_ / (std::to_string(round) + ".db");
    std::jthread maker([&] { CheckpointStore::open(file); });
    while (!CheckpointStore::open_existing(file)) {
    }
  }
}

TEST_F(CheckpointOpeningTest, MakesACheckpointOfAnEmptyFile) {
  write_file(file_, "");

  EXPECT_FALSE(CheckpointStore::open_existing(file_));
  EXPECT_EQ(read_file(file_), "");
  EXPECT_FALSE(CheckpointStore::open(file_).load());
}

TEST_F(CheckpointOpeningTest, IsReadableByItsOwnerOnly) {
  CheckpointStore store = CheckpointStore::open(file_);
  store.start(full_run(), "users", {});

  for (const auto& entry : std::filesystem::directory_iterator(file_.parent_path())) {
    EXPECT_EQ(entry.status().permissions(),
              std::filesystem::perms::owner_read | std::filesystem::perms::owner_write)
        << entry.path();
  }
}

TEST_F(CheckpointOpeningTest, IsMarkedAndHasTheTablesThatTheReadmeNames) {
  CheckpointStore::open(file_).start(full_run(), "users", {{"source.table", "public.users"}});

  EXPECT_EQ(query("PRAGMA application_id"), std::to_string(kCheckpointApplicationId));
  EXPECT_EQ(query("PRAGMA user_version"), std::to_string(kCheckpointFormat));
  EXPECT_EQ(query("PRAGMA journal_mode"), "wal");
  for (const char* table : {"job", "run", "watermark", "dead_letter", "sample", "control"}) {
    EXPECT_NE(query(std::string("SELECT count(*) FROM ") + table), "no row") << table;
  }
  EXPECT_EQ(query("SELECT value FROM job WHERE name = 'users' AND field = 'source.table'"),
            "public.users");
  EXPECT_EQ(query("SELECT key FROM watermark"), "[\"eu\",\"81\\\"23\"]");
  EXPECT_EQ(query("SELECT end_key FROM watermark"), "[\"us\",\"99999\"]");
  EXPECT_EQ(query("SELECT rows_read FROM run"), "1");
}

TEST_F(CheckpointOpeningTest, MakesAFileOfAnOlderFormatOneOfTodays) {
  CheckpointStore::open(file_).start(full_run(), "users", {{"field", "old"}});
  CheckpointStore::open(file_).save(full_run(), {}, Sample());
  SqliteConnection(file_.string(), SqliteConnection::Mode::read_write)
      .execute(
          "ALTER TABLE run DROP COLUMN signals; ALTER TABLE run DROP COLUMN rested_s; "
          "ALTER TABLE sample DROP COLUMN progress; ALTER TABLE sample DROP COLUMN batches_done; "
          "ALTER TABLE sample DROP COLUMN batches_retried; "
          "ALTER TABLE sample DROP COLUMN rows_conflicts; "
          "ALTER TABLE sample DROP COLUMN rows_rejected; ALTER TABLE sample DROP COLUMN signals; "
          "ALTER TABLE sample DROP COLUMN rested_s; ALTER TABLE sample DROP COLUMN phases_ms; "
          "DROP TABLE in_doubt; PRAGMA user_version = 1");
  SavedRun known = full_run();
  known.signals.clear();
  known.rested_s.clear();
  known.in_doubt.clear();

  expect_equal(*CheckpointStore::open_existing(file_)->load(), known);
  CheckpointStore::open_existing(file_)->visit_samples(
      [](const Sample& sample) { EXPECT_EQ(sample, Sample()); });
  CheckpointStore store = CheckpointStore::open(file_);
  expect_equal(*store.load(), known);
  store.save(full_run(), {}, Sample());

  expect_equal(*store.load(), full_run());
  EXPECT_EQ(query("PRAGMA user_version"), std::to_string(kCheckpointFormat));
}

TEST_F(CheckpointOpeningTest, LeavesANewerFormatAsItIs) {
  CheckpointStore::open(file_).start(full_run(), "users", {});
  SqliteConnection(file_.string(), Mode::read_write)
      .execute("PRAGMA user_version = " + std::to_string(kCheckpointFormat + 1));

  expect_refused("is newer than this program's");
}

TEST_F(CheckpointOpeningTest, LeavesTheDatabaseOfAnotherProgramAsItIs) {
  SqliteConnection(file_.string(), Mode::create)
      .execute("CREATE TABLE theirs (a); INSERT INTO theirs VALUES (1)");
  expect_refused("of another program");

  SqliteConnection(file_.string(), Mode::read_write).execute("PRAGMA application_id = 7");
  expect_refused("of another program");
}

TEST_F(CheckpointOpeningTest, LeavesAFileThatIsNoDatabaseAsItIs) {
  write_file(file_, std::string(5000, 'x'));
  expect_refused("left as it is");

  for (const char* text : {"\n", "xy", "some longer text that is no database either"}) {
    write_file(file_, text);
    expect_refused("left as it is");
  }
}

TEST_F(CheckpointOpeningTest, LeavesACutCheckpointAsItIs) {
  CheckpointStore::open(file_).start(full_run(), "users", {});
  const std::string whole = read_file(file_);
  ASSERT_GT(whole.size(), 3000U);
  write_file(file_, whole.substr(0, 3000));

  expect_refused("left as it is");
}

TEST_F(CheckpointOpeningTest, RefusesAFolder) {
  std::filesystem::create_directory(file_);

  expect_refused("left as it is");
  EXPECT_TRUE(std::filesystem::is_directory(file_));
}

TEST_F(CheckpointOpeningTest, RefusesAPathWhereNoFileCanBe) {
  write_file(folder_ / "file", "");
  for (const std::filesystem::path& path : {folder_ / "none" / "c.db", folder_ / "file" / "c.db"}) {
    try {
      CheckpointStore::open(path);
      ADD_FAILURE() << path;
    } catch (const Error& error) {
      EXPECT_EQ(error.exit_code(), ExitCode::usage);
      EXPECT_NE(std::string(error.what()).find("its folder must exist and be writable"),
                std::string::npos);
    }
  }
}

TEST_F(CheckpointOpeningTest, LeavesARunInAStateItDoesNotKnowAsItIs) {
  CheckpointStore::open(file_).start(full_run(), "users", {});
  SqliteConnection(file_.string(), Mode::read_write).execute("UPDATE run SET state = 'dreaming'");

  expect_refused("unknown state: dreaming");
}

// Steps would be written beside the run that is read.
TEST_F(CheckpointOpeningTest, LeavesARunWithoutAnIdAndASecondRunAsTheyAre) {
  CheckpointStore::open(file_).start(full_run(), "users", {});
  SqliteConnection(file_.string(), Mode::read_write).execute("UPDATE run SET run_id = ''");
  expect_refused("a run without a run_id");

  SqliteConnection(file_.string(), Mode::read_write)
      .execute(
          "CREATE TEMP TABLE copy AS SELECT * FROM run; UPDATE copy SET run_id = 'run-2'; "
          "UPDATE run SET run_id = 'run-1'; INSERT INTO run SELECT * FROM copy");
  expect_refused("more than one run");
}

// A file that was edited by hand was once opened, turned to WAL, and only then found unreadable.
TEST_F(CheckpointOpeningTest, LeavesAKeyThatIsNoneAsItIs) {
  CheckpointStore::open(file_).start(full_run(), "users", {});
  SqliteConnection(file_.string(), Mode::read_write)
      .execute("PRAGMA journal_mode = DELETE; UPDATE watermark SET key = 'not json'");

  expect_refused("not a JSON array of strings: not json");
}

// The end of a done range, or of one in doubt, was once taken for granted.
TEST_F(CheckpointOpeningTest, LeavesARangeWithoutAnEndAsItIs) {
  CheckpointStore::open(file_).start(full_run(), "users", {});
  SqliteConnection(file_.string(), Mode::read_write)
      .execute(
          "DROP TABLE done_range; CREATE TABLE done_range (upto, after, place); "
          "INSERT INTO done_range VALUES (NULL, NULL, 0)");

  expect_refused("not a JSON array of strings");

  SqliteConnection(file_.string(), Mode::read_write)
      .execute(
          "DELETE FROM done_range; DROP TABLE in_doubt; CREATE TABLE in_doubt (upto, after, mark); "
          "INSERT INTO in_doubt VALUES (NULL, NULL, '7')");
  expect_refused("not a JSON array of strings");
}

}  // namespace
}  // namespace backfill
