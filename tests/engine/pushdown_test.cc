#include "engine/chunk_runner_fixture.h"

namespace backfill {
namespace {

class PushdownTest : public ChunkRunnerTest {
 protected:
  PushdownTest() {
    layout_ = copy_layout();
    target_options_.from = &source_;
  }
};

TEST_F(PushdownTest, WritesAChunkWithoutReadingIt) {
  put_rows(6);

  const ChunkReport report = run(make_chunk(2, 5, 3));

  EXPECT_EQ(target_.values(), (Values{{3, "v3"}, {4, "v4"}, {5, "v5"}}));
  EXPECT_EQ(report.rows.read, 3);
  EXPECT_EQ(report.rows.written, 3);
  EXPECT_EQ(script_.calls("source.read"), 0);
}

TEST_F(PushdownTest, ReadsAChunkWithABadRowToFindIt) {
  put_rows(6);
  target_options_.refused = {4};

  const ChunkReport report = run(make_chunk(2, 6, 4));

  EXPECT_EQ(target_.values(), (Values{{3, "v3"}, {5, "v5"}, {6, "v6"}}));
  ASSERT_EQ(report.dead_letters.size(), 1u);
  EXPECT_EQ(report.dead_letters[0].key, "[\"4\"]");
  EXPECT_EQ(report.rows.read, 4);
  EXPECT_EQ(report.rows.rejected, 1);
}

TEST_F(PushdownTest, TriesAgainAfterALostConnection) {
  put_rows(6);
  script_.fail("target.commit", 1, connection_lost());

  const ChunkReport report = run(make_chunk(0, 6, 6));

  EXPECT_EQ(target_.values().size(), 6u);
  EXPECT_EQ(report.retries, 1);
  EXPECT_EQ(report.rows.read, 6);
}

TEST_F(PushdownTest, CutsAChunkThatTakesTooLong) {
  put_rows(6);
  script_.fail("target.write_from_source", 1, Error(ErrorKind::too_large, "timeout", "57014"));

  const ChunkReport report = run(make_chunk(0, 6, 6));

  EXPECT_EQ(target_.values().size(), 6u);
  EXPECT_EQ(report.splits, 1);
  EXPECT_EQ(script_.calls("target.write_from_source"), 3);
}

}  // namespace
}  // namespace backfill
