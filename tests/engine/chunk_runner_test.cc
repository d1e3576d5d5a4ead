#include "engine/chunk_runner_fixture.h"

#include <random>
#include <set>

namespace backfill {
namespace {

TEST_F(ChunkRunnerTest, WritesTheTransformedRowsOfItsRange) {
  put_rows(6);

  const ChunkReport report = run(make_chunk(2, 5, 3));

  EXPECT_EQ(target_.values(), (Values{{3, "<v3>"}, {4, "<v4>"}, {5, "<v5>"}}));
  EXPECT_EQ(report.rows, (RowCounts{3, 3, 0, 0, 0, 0}));
  EXPECT_EQ(report.chunk.upto, key_of(5));
  EXPECT_GT(report.bytes, 0U);
  EXPECT_EQ(report.retries, 0);
  EXPECT_FALSE(report.from_ledger);
}

TEST_F(ChunkRunnerTest, ForwardsAPlainCopyWithoutATransform) {
  layout_ = copy_layout();
  put_rows(3);

  run(make_chunk(0, 3, 3));

  EXPECT_EQ(target_.values(), source_.values());
}

TEST_F(ChunkRunnerTest, OpensNoTransactionForARangeWithoutRows) {
  const ChunkReport report = run(make_chunk(0, 5, 5));

  EXPECT_EQ(report.rows, RowCounts());
  EXPECT_EQ(script_.calls("target.begin"), 0);
}

TEST_F(ChunkRunnerTest, WritesOneTransactionAChunk) {
  put_rows(3);

  run(make_chunk(0, 3, 3));

  EXPECT_EQ(script_.calls("target.begin"), 1);
  EXPECT_EQ(script_.calls("target.write"), 1);
  EXPECT_EQ(script_.calls("target.commit"), 1);
}

TEST_F(ChunkRunnerTest, CountsWhatThePluginSkipsAndRejects) {
  source_.put(1, "v1");
  source_.put(2, "skip this");
  source_.put(3, "reject this");

  const ChunkReport report = run(make_chunk(0, 3, 3));

  EXPECT_EQ(target_.values(), (Values{{1, "<v1>"}}));
  EXPECT_EQ(report.rows, (RowCounts{3, 1, 1, 1, 0, 0}));
  ASSERT_EQ(report.dead_letters.size(), 1U);
  EXPECT_EQ(report.dead_letters[0].key, "[\"3\"]");
  EXPECT_EQ(report.dead_letters[0].code, "transform");
  EXPECT_EQ(report.dead_letters[0].message, "cannot be read: reject this");
  EXPECT_EQ(report.dead_letters[0].values, "{\"id\":\"3\",\"value\":\"reject this\"}");
}

TEST_F(ChunkRunnerTest, CountsRowsThatAreThereAlreadyAsUnchanged) {
  put_rows(3);
  target_.put(2, "theirs");
  target_options_.mode = WriteMode::insert_missing;

  const ChunkReport report = run(make_chunk(0, 3, 3));

  EXPECT_EQ(report.rows, (RowCounts{3, 2, 0, 0, 1, 0}));
  EXPECT_EQ(target_.values().at(2), "theirs");
}

TEST_F(ChunkRunnerTest, TriesAgainAfterALostConnectionWhereverItWasLost) {
  put_rows(3);
  for (const char* call : {"source.read", "target.begin", "target.write", "target.commit"}) {
    script_.fail(call, 1, connection_lost());

    const ChunkReport report = run(make_chunk(0, 3, 3));

    EXPECT_EQ(report.retries, 1) << call;
    EXPECT_EQ(report.rows, (RowCounts{3, 3, 0, 0, 0, 0})) << call;
    EXPECT_EQ(target_.values(), transformed_source()) << call;
  }
  EXPECT_EQ(log_.count("will try again"), 4);
  EXPECT_EQ(clock_.waits().size(), 4U);
}

TEST_F(ChunkRunnerTest, KeepsTryingWhileItCannotReconnect) {
  put_rows(3);
  script_.fail("target.write", 1, connection_lost());
  script_.fail("target.reconnect", 1, connection_lost("still down"));
  script_.fail("source.reconnect", 2, connection_lost("still down"));

  const ChunkReport report = run(make_chunk(0, 3, 3));

  EXPECT_EQ(report.retries, 3);
  EXPECT_EQ(target_.values(), transformed_source());
}

TEST_F(ChunkRunnerTest, GivesUpNamingTheSourceWhenItStaysAway) {
  put_rows(3);
  script_.fail("source.read", 0, connection_lost("source is down"));

  const Error error = failure(make_chunk(0, 3, 3));

  EXPECT_EQ(error.exit_code(), ExitCode::source_unreachable);
  EXPECT_STREQ(error.what(), "chunk 0 (start..3]: given up after 4 retries: source is down");
  EXPECT_EQ(clock_.waits().size(), 4U);
}

TEST_F(ChunkRunnerTest, GivesUpNamingTheTargetWhenItStaysAway) {
  put_rows(3);
  script_.fail("target.begin", 0, connection_lost());
  EXPECT_EQ(failure(make_chunk(0, 3, 3)).exit_code(), ExitCode::target_unreachable);

  script_.fail("target.reconnect", 0, connection_lost());
  EXPECT_EQ(failure(make_chunk(0, 3, 3)).exit_code(), ExitCode::target_unreachable);
  EXPECT_TRUE(target_.values().empty());
}

TEST_F(ChunkRunnerTest, GivesUpAsFailedWhenTheDatabaseIsThereButNeverReady) {
  put_rows(3);
  script_.fail("target.write", 0, Error(ErrorKind::retry, "lock timeout", "55P03"));

  const Error error = failure(make_chunk(0, 3, 3));

  EXPECT_EQ(error.exit_code(), ExitCode::failed);
  EXPECT_EQ(error.code(), "55P03");
}

TEST_F(ChunkRunnerTest, DoesNotTryAgainWhatNoRetryMends) {
  put_rows(3);
  script_.fail("target.write", 1, Error(ErrorKind::stop, "no privilege", "42501"));

  const Error error = failure(make_chunk(0, 3, 3));

  EXPECT_STREQ(error.what(), "chunk 0 (start..3]: no privilege");
  EXPECT_TRUE(clock_.waits().empty());
  EXPECT_TRUE(target_.values().empty());
}

TEST_F(ChunkRunnerTest, RedoesAndCountsRowsThatChangedSinceTheRead) {
  use_in_place();
  put_rows(4);
  script_.on("target.begin", 1, [&] {
    source_.put(2, "newer");
    source_.put(3, "newest");
  });

  const ChunkReport report = run(make_chunk(0, 4, 4));

  EXPECT_EQ(source_.values(), (Values{{1, "<v1>"}, {2, "<newer>"}, {3, "<newest>"}, {4, "<v4>"}}));
  EXPECT_EQ(report.rows, (RowCounts{4, 4, 0, 0, 0, 2}));
  EXPECT_EQ(script_.calls("target.lock"), 0);
}

TEST_F(ChunkRunnerTest, LeavesRowsAloneThatWentSinceTheRead) {
  use_in_place();
  put_rows(3);
  script_.on("target.begin", 1, [&] { source_.erase(2); });

  const ChunkReport report = run(make_chunk(0, 3, 3));

  EXPECT_EQ(source_.values(), (Values{{1, "<v1>"}, {3, "<v3>"}}));
  EXPECT_EQ(report.rows, (RowCounts{3, 2, 0, 0, 1, 1}));
}

TEST_F(ChunkRunnerTest, LocksRowsThatKeepChanging) {
  use_in_place();
  put_rows(3);
  int changes = 0;
  script_.on("target.write", 0, [&] {
    if (source_.put(2, "change " + std::to_string(changes + 1))) ++changes;
  });

  const ChunkReport report = run(make_chunk(0, 3, 3));

  EXPECT_EQ(script_.calls("target.lock"), 1);
  EXPECT_EQ(report.rows.conflicts, changes);
  EXPECT_EQ(report.rows.written, 3);
  EXPECT_EQ(source_.values().at(2), fake_transformed("change " + std::to_string(changes)));
  EXPECT_TRUE(source_.put(2, "free again"));
}

TEST_F(ChunkRunnerTest, KeepsTheVerdictOfARowThatChangedIntoABadOne) {
  use_in_place();
  put_rows(2);
  script_.on("target.begin", 1, [&] { source_.put(2, "reject now"); });

  const ChunkReport report = run(make_chunk(0, 2, 2));

  EXPECT_EQ(report.rows, (RowCounts{2, 1, 0, 1, 0, 1}));
  ASSERT_EQ(report.dead_letters.size(), 1U);
  EXPECT_EQ(report.dead_letters[0].message, "cannot be read: reject now");
}

TEST_F(ChunkRunnerTest, WritesAgainAfterALostCommitWithoutALedger) {
  put_rows(3);
  script_.fail("target.committed", 1, connection_lost());

  const ChunkReport report = run(make_chunk(0, 3, 3));

  EXPECT_EQ(target_.values(), transformed_source());
  EXPECT_EQ(target_.row(2)->times_written, 2);
  EXPECT_EQ(report.rows, (RowCounts{3, 3, 0, 0, 0, 0}));
  EXPECT_FALSE(report.from_ledger);
}

TEST_F(ChunkRunnerTest, NeverWritesTwiceAfterALostCommitWithTheLedger) {
  put_rows(3);
  target_options_.keeps_ledger = true;
  script_.fail("target.committed", 1, connection_lost());

  const ChunkReport report = run(make_chunk(0, 3, 3));

  for (const auto& [id, row] : target_.rows()) EXPECT_EQ(row.times_written, 1) << id;
  EXPECT_TRUE(report.from_ledger);
  EXPECT_EQ(report.rows, (RowCounts{3, 3, 0, 0, 0, 0}));
}

TEST_F(ChunkRunnerTest, WritesAfterACommitThatTookNoEffectAlsoWithTheLedger) {
  put_rows(3);
  target_options_.keeps_ledger = true;
  script_.fail("target.commit", 1, connection_lost());

  const ChunkReport report = run(make_chunk(0, 3, 3));

  for (const auto& [id, row] : target_.rows()) EXPECT_EQ(row.times_written, 1) << id;
  EXPECT_FALSE(report.from_ledger);
}

// Rejected rows of a chunk that only the ledger knew were once in no dead letters.
TEST_F(ChunkRunnerTest, KeepsDeadLettersBeforeItCommitsToALedger) {
  put_rows(3);
  target_options_.keeps_ledger = true;
  target_options_.refused = {2};
  std::string kept_before_commit;
  script_.on("target.commit", 1, [&] {
    for (const DeadLetter& letter : kept_) kept_before_commit += letter.key;
  });
  script_.fail("target.committed", 1, connection_lost());
  script_.fail("target.recorded", 1, connection_lost());

  const ChunkReport report = run(make_chunk(0, 3, 3));

  EXPECT_TRUE(report.from_ledger);
  EXPECT_EQ(report.rows.rejected, 1);
  EXPECT_EQ(kept_before_commit, "[\"2\"]");
}

TEST_F(ChunkRunnerTest, CommitsNothingWhenDeadLettersCannotBeKept) {
  put_rows(3);
  target_options_.keeps_ledger = true;
  target_options_.refused = {2};
  may_keep_ = false;

  EXPECT_EQ(failure(make_chunk(0, 3, 3)).kind(), ErrorKind::stop);
  EXPECT_TRUE(target_.rows().empty());
}

TEST_F(ChunkRunnerTest, IsCancelledByAStop) {
  put_rows(3);
  script_.on("target.write", 1, [&] { stop_.request_stop(); });
  script_.fail("target.write", 1, Error(ErrorKind::cancelled, "cancelled", "57014"));

  const Error error = failure(make_chunk(0, 3, 3));

  EXPECT_EQ(error.kind(), ErrorKind::cancelled);
  EXPECT_TRUE(target_.values().empty());
  EXPECT_TRUE(clock_.waits().empty());
}

TEST_F(ChunkRunnerTest, TriesAgainWhenSomebodyElseCancelsItsCall) {
  put_rows(3);
  script_.fail("target.write", 1, Error(ErrorKind::cancelled, "cancelled", "57014"));

  const ChunkReport report = run(make_chunk(0, 3, 3));

  EXPECT_EQ(report.retries, 1);
  EXPECT_EQ(target_.values(), transformed_source());
}

TEST_F(ChunkRunnerTest, DoesNotRetryAfterAStop) {
  put_rows(3);
  script_.on("source.read", 1, [&] { stop_.request_stop(); });
  script_.fail("source.read", 1, connection_lost());

  EXPECT_EQ(failure(make_chunk(0, 3, 3)).kind(), ErrorKind::cancelled);
}

TEST_F(ChunkRunnerTest, FinishesAChunkThatIsInFlightWhenAStopComes) {
  put_rows(3);
  script_.on("target.begin", 1, [&] { stop_.request_stop(); });

  run(make_chunk(0, 3, 3));

  EXPECT_EQ(target_.values(), transformed_source());
}

TEST_F(ChunkRunnerTest, WritesEveryRowOnceWhateverIsLostWithTheLedger) {
  const std::uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  retries_ = 1000;
  target_options_.keeps_ledger = true;
  source_options_.bytes_max = 150;
  for (int turn = 0; turn < 100; ++turn) {
    const auto rows = static_cast<std::int64_t>(1 + random() % 12);
    put_rows(rows);
    for (std::int64_t id = 1; id <= 12; ++id) target_.erase(id);
    target_.clear_ledger();
    target_options_.refused = {static_cast<std::int64_t>(1 + random() % 12)};
    script_.fail_randomly(0.1, random());

    const ChunkReport report = run(make_chunk(0, 12, rows));

    std::int64_t written = 0;
    for (const auto& [id, row] : target_.rows()) {
      ASSERT_EQ(row.times_written, 1) << "key " << id << " in turn " << turn;
      ++written;
    }
    const std::int64_t refused = *target_options_.refused.begin() <= rows ? 1 : 0;
    ASSERT_EQ(written, rows - refused);
    ASSERT_EQ(report.rows.read, rows);
    ASSERT_EQ(report.rows.written, written);
    ASSERT_EQ(report.rows.rejected, refused);
    std::set<std::string> kept_keys;
    for (const DeadLetter& letter : kept_) kept_keys.insert(letter.key);
    ASSERT_EQ(static_cast<std::int64_t>(kept_keys.size()), refused);
    kept_.clear();
    for (std::int64_t id = 1; id <= 12; ++id) source_.erase(id);
  }
}

}  // namespace
}  // namespace backfill
