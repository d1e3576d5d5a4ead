// Copies that look first: what goes straight into the table, and what through the stage.

#include <gtest/gtest.h>

#include "target_fixture.h"

namespace backfill {
namespace {

// How rows come into table b: `copy` straight, or by `insert` from the stage.
class InsertingTest : public TargetTest {
 protected:
  void SetUp() override {
    TargetTest::SetUp();
    make_tables(40);
    execute(
        "CREATE TABLE said (i serial, way text);"
        "CREATE FUNCTION say() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO said (way) "
        "SELECT CASE WHEN current_query() LIKE '%COPY%' THEN 'copy ' ELSE 'insert ' END "
        "|| count(*) FROM new_rows; RETURN NULL; END $$;"
        "CREATE TRIGGER say AFTER INSERT ON b REFERENCING NEW TABLE AS new_rows "
        "FOR EACH STATEMENT EXECUTE FUNCTION say()");
  }

  std::string ways() { return value("SELECT string_agg(way, ', ' ORDER BY i) FROM said"); }
};

TEST_F(InsertingTest, CopiesWhatIsMissingAndStagesOnlyWhatIsThere) {
  for (const WriteMode mode : {WriteMode::insert_missing, WriteMode::upsert}) {
    execute("DELETE FROM b; INSERT INTO b VALUES (5, 'mine', 0), (6, 'mine', 0); DELETE FROM said");
    CopyParts parts(job(mode));

    const WriteReport report = parts.copy_all(20);

    const bool leaves = mode == WriteMode::insert_missing;
    EXPECT_EQ(ways(), leaves ? "copy 18, copy 20" : "copy 18, insert 0, copy 20");
    EXPECT_EQ(report.written, leaves ? 38 : 40);
    EXPECT_EQ(report.unchanged, leaves ? 2 : 0);
    EXPECT_EQ(value("SELECT string_agg(name, ' ' ORDER BY id) FROM b WHERE id BETWEEN 5 AND 6"),
              leaves ? "mine mine" : "n5 n6");
    EXPECT_EQ(value("SELECT count(*) FROM b"), "40");
  }
}

TEST_F(InsertingTest, StagesAnUpsertOfRowsThatAreThereForTheMostPart) {
  execute("INSERT INTO b SELECT i, 'mine', 0 FROM generate_series(1, 15) AS i; DELETE FROM said");
  CopyParts parts(job(WriteMode::upsert));

  EXPECT_EQ(parts.copy_all(20).written, 40);
  EXPECT_EQ(ways(), "insert 5, copy 20");
}

TEST_F(InsertingTest, CopiesNothingWhereEverythingIsThere) {
  execute("INSERT INTO b SELECT i, 'mine', 0 FROM generate_series(1, 40) AS i; DELETE FROM said");
  CopyParts parts(job(WriteMode::insert_missing));

  const WriteReport report = parts.copy_all(20);

  EXPECT_EQ(report.written, 0);
  EXPECT_EQ(report.unchanged, 40);
  EXPECT_EQ(value("SELECT count(*) FROM said"), "0");
}

// The first look finds nothing, so the second batch is copied without one and meets a key.
TEST_F(InsertingTest, StagesABatchWithAKeyThatNoLookShowed) {
  for (const WriteMode mode : {WriteMode::insert_missing, WriteMode::upsert}) {
    execute(
        "DELETE FROM b; INSERT INTO b VALUES (15, 'mine', 0), (25, 'mine', 0); DELETE FROM said");
    CopyParts parts(job(mode));

    const WriteReport report = parts.copy_all(10);

    const bool leaves = mode == WriteMode::insert_missing;
    EXPECT_EQ(ways(), leaves ? "copy 10, insert 9, copy 9, copy 10"
                             : "copy 10, insert 9, copy 9, insert 0, copy 10");
    EXPECT_EQ(report.written, leaves ? 38 : 40);
    EXPECT_EQ(value("SELECT name FROM b WHERE id = 15"), leaves ? "mine" : "n15");
    EXPECT_EQ(value("SELECT count(*) FROM b"), "40");
  }
}

// Far more rows of others in the range than in the batch: the look is cut off, the result stays.
TEST_F(InsertingTest, IsRightWhereMostRowsOfTheRangeAreTheTargetsAlone) {
  execute(
      "DELETE FROM a WHERE id NOT IN (1, 40); UPDATE a SET id = 9000 WHERE id = 40;"
      "INSERT INTO b SELECT i, 'mine', 0 FROM generate_series(2, 9000) AS i");
  CopyParts parts(job(WriteMode::insert_missing));

  const WriteReport report = parts.copy_all(10);

  EXPECT_EQ(report.written, 1);
  EXPECT_EQ(report.unchanged, 1);
  EXPECT_EQ(value("SELECT count(*) FROM b"), "9000");
}

}  // namespace
}  // namespace backfill
