// Chunks with bad rows, and chunks that are too large: made smaller until they go in.

#include "engine/chunk_runner_fixture.h"

namespace backfill {
namespace {

TEST_F(ChunkRunnerTest, FindsTheBadRowWhereverItStands) {
  for (const std::int64_t bad : {1, 4, 8}) {
    put_rows(8);
    for (std::int64_t id = 1; id <= 8; ++id) target_.erase(id);
    target_options_.refused = {bad};

    const ChunkReport report = run(make_chunk(0, 8, 8));

    Values expected = transformed_source();
    expected.erase(bad);
    EXPECT_EQ(target_.values(), expected) << bad;
    EXPECT_EQ(report.rows, (RowCounts{8, 7, 0, 1, 0, 0})) << bad;
    ASSERT_EQ(report.dead_letters.size(), 1U) << bad;
    const std::string id = std::to_string(bad);
    EXPECT_EQ(report.dead_letters[0].key, "[\"" + id + "\"]");
    EXPECT_EQ(report.dead_letters[0].code, "23514");
    EXPECT_EQ(report.dead_letters[0].message, "row " + id + " breaks a constraint");
    EXPECT_EQ(report.dead_letters[0].values, "{\"id\":\"" + id + "\",\"value\":\"v" + id + "\"}");
  }
}

TEST_F(ChunkRunnerTest, NamesTheRightRowsAlsoWhereOthersWereSkipped) {
  put_rows(6);
  source_.put(1, "skip");
  source_.put(3, "reject");
  target_options_.refused = {4, 6};

  const ChunkReport report = run(make_chunk(0, 6, 6));

  EXPECT_EQ(report.rows, (RowCounts{6, 2, 1, 3, 0, 0}));
  std::vector<std::string> keys;
  for (const DeadLetter& letter : report.dead_letters) keys.push_back(letter.key);
  EXPECT_EQ(keys, (std::vector<std::string>{"[\"3\"]", "[\"4\"]", "[\"6\"]"}));
  EXPECT_EQ(target_.values(), (Values{{2, "<v2>"}, {5, "<v5>"}}));
}

TEST_F(ChunkRunnerTest, GoesOnWhenEveryRowIsBad) {
  put_rows(5);
  target_options_.refused = {1, 2, 3, 4, 5};

  const ChunkReport report = run(make_chunk(0, 5, 5));

  EXPECT_EQ(report.rows, (RowCounts{5, 0, 0, 5, 0, 0}));
  EXPECT_EQ(report.dead_letters.size(), 5U);
  EXPECT_TRUE(target_.values().empty());
}

TEST_F(ChunkRunnerTest, FailsWhenTheCommitItselfIsRejected) {
  put_rows(2);
  script_.fail("target.commit", 0, Error(ErrorKind::reject, "deferred constraint", "23503"));

  const Error error = failure(make_chunk(0, 2, 2));

  EXPECT_STREQ(error.what(), "chunk 0 (start..2]: deferred constraint");
  EXPECT_TRUE(target_.values().empty());
}

TEST_F(ChunkRunnerTest, CutsAChunkThatIsTooLargeUntilItFits) {
  put_rows(16);
  source_options_.bytes_max = 84;  // four rows

  const ChunkReport report = run(make_chunk(0, 16, 16));

  EXPECT_EQ(target_.values(), transformed_source());
  EXPECT_EQ(report.rows, (RowCounts{16, 16, 0, 0, 0, 0}));
  EXPECT_EQ(report.splits, 3);
  EXPECT_EQ(script_.calls("target.commit"), 4);
  EXPECT_EQ(log_.count("chunk cut in two"), 3);
}

TEST_F(ChunkRunnerTest, CutsAChunkWhoseWriteTakesTooLong) {
  put_rows(4);
  script_.fail("target.write", 1, Error(ErrorKind::too_large, "statement timeout", "57014"));

  const ChunkReport report = run(make_chunk(0, 4, 4));

  EXPECT_EQ(report.splits, 1);
  EXPECT_EQ(target_.values(), transformed_source());
}

TEST_F(ChunkRunnerTest, StopsAtASingleKeyThatIsTooLarge) {
  put_rows(4);
  script_.fail("target.write", 0, Error(ErrorKind::too_large, "statement timeout", "57014"));

  const Error error = failure(make_chunk(0, 4, 4));

  EXPECT_EQ(error.kind(), ErrorKind::stop);
  EXPECT_STREQ(error.what(), "chunk 0 (start..1]: cannot be made smaller: statement timeout");
  EXPECT_EQ(script_.calls("target.write"), 3);
}

// Rows deleted after the cut once made half of the planned keys reach the end of the chunk.
TEST_F(ChunkRunnerTest, CutsAChunkThatHasFewerKeysThanPlanned) {
  put_rows(4);
  source_options_.bytes_max = 60;

  const ChunkReport report = run(make_chunk(0, 4, 1000));

  EXPECT_EQ(report.splits, 1);
  EXPECT_EQ(target_.values(), transformed_source());
}

// Once a connection lost just here ended the run.
TEST_F(ChunkRunnerTest, TriesAgainAConnectionLostWhileAChunkIsCut) {
  put_rows(4);
  script_.fail("target.write", 1, Error(ErrorKind::too_large, "statement timeout", "57014"));
  script_.fail("source.cut", 1, connection_lost());

  const ChunkReport report = run(make_chunk(0, 4, 4));

  EXPECT_EQ(target_.values(), transformed_source());
  EXPECT_EQ(report.rows.written, 4);
  EXPECT_EQ(report.retries, 1);
}

}  // namespace
}  // namespace backfill
