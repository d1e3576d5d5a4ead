#include "sqlite/ledger.h"

#include "sqlite_file.h"

namespace backfill {
namespace {

Chunk chunk_between(const std::string& after, const std::string& upto) {
  Chunk chunk = chunk_up_to(upto);
  if (!after.empty()) chunk.after = key_of({after});
  return chunk;
}

class SqliteLedgerTest : public testing::Test {
 protected:
  SqliteLedgerTest() { ledger_.prepare(); }

  SqliteTarget target(const std::string& job = "split") {
    WriteSpec spec = file_.write_spec("t", WriteMode::insert);
    spec.ledger = LedgerSpec{job, "run-1"};
    return SqliteTarget(file_.path(), spec);
  }

  const SqliteFile file_{"CREATE TABLE t (id INTEGER PRIMARY KEY, v)"};
  SqliteLedger ledger_{file_.path(), "split"};
  const RowCounts counts_{1, 2, 3, 4, 5, 6};
};

TEST_F(SqliteLedgerTest, RecordsAChunkWithItsRows) {
  SqliteTarget writer = target();
  const Chunk first = chunk_between("", "'it''s'");
  const Chunk second = chunk_between("'it''s'", "7");
  EXPECT_EQ(writer.recorded(first), std::nullopt);

  for (const Chunk& chunk : {first, second}) {
    writer.begin(chunk);
    writer.commit(chunk, counts_);
  }

  EXPECT_EQ(writer.recorded(first), counts_);
  EXPECT_EQ(writer.recorded(second), counts_);
  const auto ranges = ledger_.ranges();
  ASSERT_EQ(ranges.size(), 2U);
  EXPECT_EQ(ranges[0].after, std::nullopt);
  EXPECT_EQ(ranges[0].upto, first.upto);
  EXPECT_EQ(ranges[1].after, second.after);
  EXPECT_EQ(ranges[1].rows, counts_);
}

TEST_F(SqliteLedgerTest, ForgetsWhatARollbackUndid) {
  SqliteTarget writer = target();
  const Chunk chunk = chunk_between("", "1");
  writer.begin(chunk);
  writer.write(batch_of("VALUES (1, 'a')"));

  writer.rollback();

  EXPECT_EQ(writer.recorded(chunk), std::nullopt);
}

TEST_F(SqliteLedgerTest, APartOfAChunkDoesNotStandForTheWhole) {
  SqliteTarget writer = target();
  const Chunk second_half = chunk_between("5", "9");
  writer.begin(second_half);
  writer.commit(second_half, counts_);

  EXPECT_EQ(writer.recorded(chunk_between("", "9")), std::nullopt);
  EXPECT_EQ(writer.recorded(chunk_between("1", "9")), std::nullopt);
}

TEST_F(SqliteLedgerTest, PrunesAndClearsThisJobOnly) {
  for (const std::string job : {"split", "other"}) {
    SqliteTarget writer = target(job);
    for (const std::string upto : {"1", "2", "3"}) {
      const Chunk chunk = chunk_up_to(upto);
      writer.begin(chunk);
      writer.commit(chunk, counts_);
    }
  }

  ledger_.prune({key_of({"1"}), key_of({"2"})});
  EXPECT_EQ(ledger_.ranges().size(), 1U);
  ledger_.clear();
  EXPECT_EQ(ledger_.ranges().size(), 0U);

  EXPECT_EQ(SqliteLedger(file_.path(), "other").ranges().size(), 3U);
}

TEST_F(SqliteLedgerTest, MayBePreparedAgain) {
  ledger_.prepare();

  EXPECT_EQ(ledger_.ranges().size(), 0U);
}

TEST_F(SqliteLedgerTest, WithoutALedgerNothingIsRecorded) {
  SqliteTarget writer(file_.path(), file_.write_spec("t", WriteMode::insert));
  const Chunk chunk = chunk_up_to("1");
  writer.begin(chunk);
  writer.commit(chunk, counts_);

  EXPECT_EQ(writer.recorded(chunk), std::nullopt);
  EXPECT_EQ(ledger_.ranges().size(), 0U);
}

TEST(SqliteLedger, ClearingWhereThereIsNoLedgerDoesNothing) {
  const SqliteFile file;

  SqliteLedger(file.path(), "split").clear();

  EXPECT_EQ(file.rows("SELECT * FROM sqlite_master").size(), 0U);
}

}  // namespace
}  // namespace backfill
