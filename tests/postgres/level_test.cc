// Validating and levelling a batch, as PostgreSQL's sources and targets do it.

#include "copy_job.h"
#include "expect_error.h"
#include "support/postgres_fixture.h"

namespace backfill {
namespace {

class LevelTest : public PostgresTest {
 protected:
  void SetUp() override {
    PostgresTest::SetUp();
    execute(
        "CREATE TABLE a (id int PRIMARY KEY, name text); CREATE TABLE b (id int PRIMARY KEY, name "
        "text); INSERT INTO a SELECT i, 'n' || i FROM generate_series(1, 5) i");
  }

  CopyParts parts(WriteMode mode = WriteMode::insert_missing) {
    CopyJob job{.source_url = url(), .target_url = url()};
    job.mode = mode;
    return CopyParts(job);
  }

  // Copies all rows as one chunk; `before_commit` is what an application does meanwhile.
  void copy(CopyParts& parts, const std::string& before_commit = "") {
    chunk_ = parts.plan(100).at(0);
    moment_ = parts.source->moment();
    parts.source->read(chunk_, batch_);
    parts.target->begin(chunk_);
    mark_ = parts.target->mark();
    parts.target->write(batch_);
    if (!before_commit.empty()) execute(before_commit);
    mark_ = parts.target->mark();
    parts.target->commit(chunk_, {});
  }

  LevelReport level(CopyParts& parts) {
    parts.source->read(chunk_, batch_);
    return parts.target->level(chunk_, mark_, batch_);
  }

  bool may_have_changed(CopyParts& parts) {
    return parts.source->may_have_changed(chunk_, moment_, rows_read_);
  }

  std::vector<std::string> target() { return rows("SELECT id, name FROM b ORDER BY id"); }

  Chunk chunk_;
  std::string moment_;
  std::string mark_;
  Batch batch_;
  std::int64_t rows_read_ = 5;
};

using Rows = std::vector<std::string>;

TEST_F(LevelTest, RowsOfTheBatchBecomeWhatTheSourceHasNow) {
  CopyParts copied = parts();
  copy(copied, "UPDATE a SET name = 'new' WHERE id = 2; DELETE FROM a WHERE id = 3");

  const LevelReport report = level(copied);

  EXPECT_EQ(target(), (Rows{"1|n1", "2|new", "4|n4", "5|n5"}));
  EXPECT_EQ(report.updated, 1);
  EXPECT_EQ(report.deleted, 1);
}

TEST_F(LevelTest, RowsThatAnybodyElseWroteStay) {
  execute("INSERT INTO b VALUES (1, 'before')");
  for (const WriteMode mode : {WriteMode::insert_missing, WriteMode::upsert}) {
    CopyParts copied = parts(mode);
    copy(copied);
    execute(
        "DELETE FROM a WHERE id IN (1, 3); UPDATE a SET name = 'x' WHERE id = 2; UPDATE b SET name "
        "= 'since' WHERE id IN (2, 3); INSERT INTO b VALUES (0, 'other'), (9, 'other')");

    level(copied);

    const bool upserts = mode == WriteMode::upsert;
    EXPECT_EQ(target(), upserts ? (Rows{"0|other", "2|since", "3|since", "4|n4", "5|n5", "9|other"})
                                : (Rows{"0|other", "1|before", "2|since", "3|since", "4|n4", "5|n5",
                                        "9|other"}));
    execute(
        "DELETE FROM b; DELETE FROM a; INSERT INTO a SELECT i, 'n' || i FROM generate_series(1, 5) "
        "i");
  }
}

TEST_F(LevelTest, AKeyThatCameInBetweenDoesNotTakeTheMarkAway) {
  CopyParts copied = parts();
  chunk_ = copied.plan(100).at(0);
  copied.source->read(chunk_, batch_);
  copied.target->begin(chunk_);
  const std::string first = copied.target->mark();
  execute("INSERT INTO b VALUES (4, 'theirs')");
  copied.target->write(batch_);
  mark_ = copied.target->mark();
  copied.target->commit(chunk_, {});
  execute("DELETE FROM a WHERE id IN (4, 5)");

  level(copied);

  EXPECT_NE(first, "");
  EXPECT_EQ(copied.target->fate(mark_), Fate::committed);
  EXPECT_EQ(target(), (Rows{"1|n1", "2|n2", "3|n3", "4|theirs"}));
}

TEST_F(LevelTest, RowsWrittenAroundRejectsBearTheMarkToo) {
  execute("ALTER TABLE b ADD CHECK (name <> 'n2')");
  CopyParts copied = parts();
  chunk_ = copied.plan(100).at(0);
  copied.source->read(chunk_, batch_);
  copied.target->begin(chunk_);
  std::vector<RowReject> rejects;
  const WriteReport report = copied.target->write_around_rejects(batch_, rejects);
  mark_ = copied.target->mark();
  copied.target->commit(chunk_, {});
  execute("DELETE FROM a WHERE id = 1");

  level(copied);

  EXPECT_EQ(report.written, 4);
  EXPECT_EQ(rejects.size(), 1U);
  EXPECT_EQ(target(), (Rows{"3|n3", "4|n4", "5|n5"}));
}

TEST_F(LevelTest, AValueThatIsRefusedNowIsTakenOut) {
  execute("ALTER TABLE b ADD CHECK (name <> 'bad')");
  CopyParts copied = parts();
  copy(copied,
       "UPDATE a SET name = 'bad' WHERE id IN (2, 4); UPDATE a SET name = 'x' WHERE id = 5");

  const LevelReport report = level(copied);

  ASSERT_EQ(report.rejects.size(), 2U);
  EXPECT_EQ(report.rejects[0].row, 1U);
  EXPECT_EQ(report.rejects[0].code, "23514");
  EXPECT_EQ(target(), (Rows{"1|n1", "3|n3", "5|x"}));
}

TEST_F(LevelTest, AnUpdateOfAnotherTableDeletesNothing) {
  execute("INSERT INTO b SELECT i, 'old' FROM generate_series(1, 5) i");
  CopyParts copied = parts(WriteMode::update);
  copy(copied, "UPDATE a SET name = 'new' WHERE id = 2; DELETE FROM a WHERE id = 3");

  level(copied);

  EXPECT_EQ(target(), (Rows{"1|n1", "2|new", "3|n3", "4|n4", "5|n5"}));
}

TEST_F(LevelTest, WhatChangedSinceTheReadIsSeen) {
  CopyParts copied = parts();
  const std::vector<std::string> changes{
      "UPDATE a SET name = 'new' WHERE id = 2", "DELETE FROM a WHERE id = 2",
      "BEGIN; DELETE FROM a WHERE id = 2; INSERT INTO a VALUES (2, 'n2'); COMMIT",
      // Under a savepoint the row bears another number than its transaction's.
      "BEGIN; SELECT pg_current_xact_id(); SAVEPOINT s; UPDATE a SET name = 'new' WHERE id = 2; "
      "RELEASE s; COMMIT"};
  for (const std::string& change : changes) {
    execute(
        "DELETE FROM b; DELETE FROM a; INSERT INTO a SELECT i, 'n' FROM generate_series(1, 5) i");
    copy(copied);
    EXPECT_FALSE(may_have_changed(copied)) << change;

    execute(change);

    EXPECT_TRUE(may_have_changed(copied)) << change;
  }
}

TEST_F(LevelTest, AChangeUnderWayAtTheReadIsSeenOnceItIsThere) {
  PgConnection application(url(), "application", "target");
  application.command("BEGIN; SELECT pg_current_xact_id(); SAVEPOINT s");
  application.command("UPDATE a SET name = 'new' WHERE id = 2");
  CopyParts copied = parts();
  copy(copied);

  application.command("COMMIT");

  EXPECT_TRUE(may_have_changed(copied));
}

TEST_F(LevelTest, WritesElsewhereAreNoChangeAndOursNeedNoLook) {
  execute("CREATE TABLE other (i int)");
  CopyParts copied = parts();
  copy(copied);

  execute("INSERT INTO other VALUES (1)");
  EXPECT_FALSE(may_have_changed(copied));
  EXPECT_TRUE(copied.source->may_have_changed(chunk_, moment_, std::nullopt));
}

// Such as a foreign key's check leaves on each row that it refers to.
TEST_F(LevelTest, TheMarkOfALockThatHasEndedIsNoChange) {
  PgConnection application(url(), "application", "target");
  CopyParts copied = parts();
  copy(copied);
  application.command("BEGIN; SELECT FROM a WHERE id = 2 FOR KEY SHARE; COMMIT");
  application.command("BEGIN; DELETE FROM a WHERE id = 3; ROLLBACK");

  EXPECT_FALSE(may_have_changed(copied));
  // One who writes may be who has marked them.
  application.command("BEGIN; UPDATE a SET name = 'new' WHERE id = 77");
  EXPECT_TRUE(may_have_changed(copied));
  application.command("COMMIT");
  EXPECT_FALSE(may_have_changed(copied));
}

// Looks that follow each other do not ask each time whether anybody has written at all.
TEST_F(LevelTest, WhatChangesAmongManyLooksIsSeen) {
  execute("CREATE TABLE other (i int)");
  CopyParts copied = parts();
  copy(copied);
  for (int look = 0; look < 50; ++look) {
    execute("INSERT INTO other VALUES (1)");
    EXPECT_FALSE(may_have_changed(copied)) << look;
  }

  execute("DELETE FROM a WHERE id = 5");

  for (int look = 0; look < 50; ++look) EXPECT_TRUE(may_have_changed(copied)) << look;
}

TEST_F(LevelTest, TheFateOfATransactionIsKnownOnceItHasEnded) {
  CopyParts copied = parts();
  PgConnection lost(url(), "lost", "target");
  const std::string mark =
      lost.query("BEGIN; SELECT pg_catalog.pg_current_xact_id()").text(0, 0) + "@" + lost.server();

  EXPECT_EQ(error_of([&] { copied.target->fate(mark); }).kind(), ErrorKind::retry);
  lost.command("ROLLBACK");
  EXPECT_EQ(copied.target->fate(mark), Fate::aborted);
  EXPECT_EQ(copied.target->fate("99999999999@1"), Fate::aborted);
  copy(copied);
  EXPECT_EQ(copied.target->fate(mark_), Fate::committed);
  EXPECT_EQ(copied.target->fate(mark_ + "1"), Fate::unknown);
  EXPECT_EQ(error_of([&] { copied.target->fate("x"); }).kind(), ErrorKind::stop);
}

// It deleted the row's copy before there was one, and nobody sees yet that it deleted the row.
TEST_F(LevelTest, ATransactionThatHasWrittenButNotCommittedIsSeenAndWaitedFor) {
  PgConnection application(url(), "application", "target");
  CopyParts copied = parts();
  copy(copied);
  EXPECT_EQ(copied.source->writers(), "");
  application.command("BEGIN; DELETE FROM a WHERE id = 2; DELETE FROM b WHERE id = 0");

  EXPECT_TRUE(may_have_changed(copied));
  const std::string writers = copied.source->writers();
  EXPECT_NE(writers, "");
  EXPECT_FALSE(copied.source->have_ended(writers));
  application.command("COMMIT");
  EXPECT_TRUE(copied.source->have_ended(writers));
}

TEST_F(LevelTest, RowsReadUnderLockCannotBeChangedUntilTheyAreReleased) {
  CopyParts copied = parts();
  copied.read.locks = true;
  const auto source = copied.source_database.make_source(copied.read);
  PgConnection application(url(), "application", "target");
  application.command("SET lock_timeout = '50ms'");
  source->read(copied.plan(100).at(0), batch_);

  EXPECT_EQ(error_of([&] { application.command("DELETE FROM a WHERE id = 2"); }).code(), "55P03");
  EXPECT_TRUE(source->release());
  EXPECT_FALSE(source->release());
  EXPECT_NO_THROW(application.command("DELETE FROM a WHERE id = 2"));
}

}  // namespace
}  // namespace backfill
