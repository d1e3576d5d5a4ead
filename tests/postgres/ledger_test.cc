#include "postgres/ledger.h"

#include <gtest/gtest.h>

#include "expect_error.h"
#include "target_fixture.h"

namespace backfill {
namespace {

TEST_F(TargetTest, NotesAChunkInTheLedgerTogetherWithItsRows) {
  make_tables(10);
  CopyParts parts(job(WriteMode::insert));
  parts.write.ledger = LedgerSpec{"split", "run-1"};
  PostgresLedger ledger(url(), parts.write.table, *parts.write.ledger);
  ledger.prepare();
  ledger.prepare();
  PostgresTarget target(url(), "split", parts.write);
  const std::vector<Chunk> chunks = parts.plan(5);
  RowCounts counts;
  counts.read = 5;
  counts.written = 4;
  counts.skipped = 1;
  Batch batch;

  for (const Chunk& chunk : chunks) {
    parts.source->read(chunk, batch);
    target.begin(chunk);
    target.write(batch);
    if (chunk.ordinal == 0) target.commit(chunk, counts);
  }
  target.rollback();

  EXPECT_EQ(target.recorded(chunks[0]), counts);
  EXPECT_FALSE(target.recorded(chunks[1]));
  Chunk other = chunks[0];
  other.after = Key{{"3"}};
  EXPECT_FALSE(target.recorded(other));
  ASSERT_EQ(ledger.ranges().size(), 1u);
  EXPECT_EQ(ledger.ranges()[0].upto, chunks[0].upto);
  EXPECT_FALSE(ledger.ranges()[0].after);
  EXPECT_EQ(ledger.ranges()[0].rows, counts);
  ledger.prune({chunks[1].upto});
  EXPECT_EQ(ledger.ranges().size(), 1u);
  ledger.prune({chunks[0].upto});
  EXPECT_TRUE(ledger.ranges().empty());
}

TEST_F(TargetTest, ForgetsOnlyItsOwnJobsLedger) {
  make_tables(1);
  PostgresLedger mine(url(), "public.b", {"mine", "r"});
  PostgresLedger theirs(url(), "public.b", {"theirs", "r"});
  mine.prepare();
  execute(
      "INSERT INTO backfill_ledger SELECT j, '[\"1\"]', NULL, 'r', now(), 0, 0, 0, 0, 0, 0 "
      "FROM (VALUES ('mine'), ('theirs')) AS x(j)");

  mine.clear();

  EXPECT_TRUE(mine.ranges().empty());
  EXPECT_EQ(theirs.ranges().size(), 1u);
}

TEST_F(TargetTest, TellsADbaHowToMakeTheLedger) {
  make_tables(1);
  execute(
      "DROP ROLE IF EXISTS writer; CREATE ROLE writer LOGIN; REVOKE CREATE ON SCHEMA public FROM "
      "public");
  PostgresLedger ledger(url("writer"), "public.b", {"job", "run"});

  const Error error = error_of([&] { ledger.prepare(); });

  EXPECT_EQ(error.exit_code(), ExitCode::unsafe);
  const std::string text = error.what();
  const auto sql = text.find("CREATE TABLE");
  ASSERT_NE(sql, std::string::npos) << text;
  execute(text.substr(sql));
  EXPECT_NO_THROW(ledger.prepare());
  execute("DROP OWNED BY writer; DROP ROLE writer");
}

}  // namespace
}  // namespace backfill
