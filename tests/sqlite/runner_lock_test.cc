#include "sqlite/runner_lock.h"

#include "sqlite_file.h"

namespace backfill {
namespace {

TEST(SqliteRunnerLock, ASecondRunnerOfTheSameJobFindsItTaken) {
  const SqliteFile file;
  SqliteRunnerLock first(file.path(), "split");
  SqliteRunnerLock second(file.path(), "split");
  first.acquire();

  EXPECT_EQ(error_of([&] { second.acquire(); }).exit_code(), ExitCode::other_runner);

  EXPECT_NO_THROW(first.confirm());
}

TEST(SqliteRunnerLock, OtherJobsAndOtherFilesAreFree) {
  const SqliteFile file, other;
  SqliteRunnerLock first(file.path(), "split");
  SqliteRunnerLock another_job(file.path(), "merge");
  SqliteRunnerLock another_file(other.path(), "split");
  first.acquire();

  EXPECT_NO_THROW(another_job.acquire());
  EXPECT_NO_THROW(another_file.acquire());
}

TEST(SqliteRunnerLock, IsFreeAgainOnceItsHolderIsGone) {
  const SqliteFile file;
  EXPECT_FALSE(SqliteRunnerLock::is_held(file.path(), "split"));
  {
    SqliteRunnerLock first(file.path(), "split");
    first.acquire();
    EXPECT_TRUE(SqliteRunnerLock::is_held(file.path(), "split"));
    EXPECT_FALSE(SqliteRunnerLock::is_held(file.path(), "merge"));
  }

  EXPECT_FALSE(SqliteRunnerLock::is_held(file.path(), "split"));
  SqliteRunnerLock second(file.path(), "split");
  EXPECT_NO_THROW(second.acquire());
}

TEST(SqliteRunnerLock, DoesNotHinderSqliteItself) {
  const SqliteFile file("CREATE TABLE t (a)");
  SqliteRunnerLock lock(file.path(), "split");
  lock.acquire();

  file.run("BEGIN EXCLUSIVE; INSERT INTO t VALUES (1); COMMIT");

  EXPECT_EQ(file.rows("SELECT a FROM t").size(), 1U);
  EXPECT_TRUE(SqliteRunnerLock::is_held(file.path(), "split"));
}

TEST(SqliteRunnerLock, NoticesThatTheFileWasReplaced) {
  const SqliteFile file;
  SqliteRunnerLock lock(file.path(), "split");
  lock.acquire();

  std::filesystem::rename(file.path(), file.path() + ".old");
  SqliteConnection(file.path(), SqliteConnection::Mode::create).execute("PRAGMA user_version = 2");

  EXPECT_EQ(error_of([&] { lock.confirm(); }).kind(), ErrorKind::stop);
}

TEST(SqliteRunnerLock, AMissingFileIsAnErrorToLockAndFreeToLookAt) {
  const SqliteFile file;
  SqliteRunnerLock lock(file.path() + ".missing", "split");

  EXPECT_EQ(error_of([&] { lock.acquire(); }).kind(), ErrorKind::stop);
  EXPECT_FALSE(SqliteRunnerLock::is_held(file.path() + ".missing", "split"));
  EXPECT_FALSE(std::filesystem::exists(file.path() + ".missing"));
}

}  // namespace
}  // namespace backfill
