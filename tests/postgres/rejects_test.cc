// Rows that the target refuses: found wherever they stand, and written around.

#include <gtest/gtest.h>

#include <random>
#include <set>

#include "target_fixture.h"

namespace backfill {
namespace {

TEST_F(TargetTest, WritesAroundBadRowsWhereverTheyStand) {
  make_tables(64);
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  std::set<std::size_t> some;
  while (some.size() < 5) some.insert(random() % 64);
  std::set<std::size_t> all;
  for (std::size_t i = 0; i < 64; ++i) all.insert(i);
  for (const std::set<std::size_t>& bad :
       {std::set<std::size_t>{}, {0}, {31}, {63}, {0, 63}, some, all}) {
    for (const WriteMode mode : {WriteMode::insert_missing, WriteMode::upsert, WriteMode::insert}) {
      execute("TRUNCATE b; UPDATE a SET name = 'n' || id");
      for (const std::size_t row : bad) {
        execute("UPDATE a SET name = NULL WHERE id = " + std::to_string(row + 1));
      }
      execute("ALTER TABLE b ALTER COLUMN name SET NOT NULL");
      CopyParts parts(job(mode));
      const Chunk chunk = parts.plan(100).at(0);
      Batch batch;
      parts.source->read(chunk, batch);
      std::vector<RowReject> rejects;
      parts.target->begin(chunk);

      const WriteReport report =
          parts.target->write_around_rejects(parts.transform(batch).rows, rejects);
      parts.target->commit(chunk, {});

      std::set<std::size_t> named;
      for (const RowReject& reject : rejects) {
        named.insert(reject.row);
        EXPECT_EQ(reject.code, "23502");
      }
      EXPECT_EQ(named, bad);
      EXPECT_EQ(report.written, static_cast<std::int64_t>(64 - bad.size()));
      EXPECT_EQ(value("SELECT count(*) FROM b"), std::to_string(64 - bad.size()));
    }
  }
}

TEST_F(TargetTest, KeepsConflictsApartFromRejectsInPlace) {
  make_tables(16);
  execute("ALTER TABLE a ADD CHECK (name <> 'N4')");
  CopyParts parts(in_place());
  const Chunk chunk = parts.plan(100).at(0);
  Batch batch;
  parts.source->read(chunk, batch);
  execute("UPDATE a SET name = 'live' WHERE id IN (3, 16)");
  std::vector<RowReject> rejects;
  parts.target->begin(chunk);

  const WriteReport report =
      parts.target->write_around_rejects(parts.transform(batch).rows, rejects);
  parts.target->commit(chunk, {});

  ASSERT_EQ(rejects.size(), 1u);
  EXPECT_EQ(rejects[0].row, 3u);
  EXPECT_EQ(report.conflicts, (std::vector<Key>{Key{{"3"}}, Key{{"16"}}}));
  EXPECT_EQ(report.written, 13);
}

TEST_F(TargetTest, RejectsARowThatBreaksADeferredConstraint) {
  make_tables(5);
  execute(
      "CREATE TABLE parent (at int PRIMARY KEY); INSERT INTO parent VALUES (1), (2), (4), (5); "
      "ALTER TABLE b ADD FOREIGN KEY (at) REFERENCES parent DEFERRABLE INITIALLY DEFERRED");
  CopyParts parts(job(WriteMode::insert));
  const Chunk chunk = parts.plan(10).at(0);
  Batch batch;
  parts.source->read(chunk, batch);
  std::vector<RowReject> rejects;
  parts.target->begin(chunk);

  parts.target->write_around_rejects(parts.transform(batch).rows, rejects);
  parts.target->commit(chunk, {});

  ASSERT_EQ(rejects.size(), 1u);
  EXPECT_EQ(rejects[0].row, 2u);
  EXPECT_EQ(rejects[0].code, "23503");
  EXPECT_EQ(value("SELECT count(*) FROM b"), "4");
}

}  // namespace
}  // namespace backfill
