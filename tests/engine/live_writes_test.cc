// What applications write between a batch's read and the look after its commit.

#include <vector>

#include "engine/chunk_runner_fixture.h"

namespace backfill {
namespace {

class LiveWritesTest : public ChunkRunnerTest {
 protected:
  LiveWritesTest() {
    consistency_ = Consistency::validate;
    target_options_.is_shared = true;
    target_options_.mode = WriteMode::insert_missing;
    note_doubt_ = [this](const Chunk&, const std::string& mark) {
      noted_.push_back(mark);
      std::promise<void> done;
      done.set_value();
      return done.get_future();
    };
    put_rows(3);
  }

  std::vector<std::string> noted_;
};

TEST_F(LiveWritesTest, ARowThatChangedBeforeTheCommitIsSetRight) {
  script_.on("target.commit", 1, [&] { source_.put(2, "new"); });

  const ChunkReport report = run(make_chunk(0, 3, 3));

  EXPECT_EQ(target_.values(), (Values{{1, "<v1>"}, {2, "<new>"}, {3, "<v3>"}}));
  EXPECT_EQ(report.rows, (RowCounts{3, 3, 0, 0, 0, 1}));
}

TEST_F(LiveWritesTest, ARowThatWasDeletedBeforeTheCommitDoesNotComeBack) {
  script_.on("target.commit", 1, [&] { source_.erase(2); });

  const ChunkReport report = run(make_chunk(0, 3, 3));

  EXPECT_EQ(target_.values(), (Values{{1, "<v1>"}, {3, "<v3>"}}));
  EXPECT_EQ(report.rows.conflicts, 1);
}

TEST_F(LiveWritesTest, WhatTheApplicationWroteToTheTargetSinceStays) {
  script_.on("target.committed", 1, [&] {
    source_.put(2, "newer");
    target_.put(2, "by the application");
    source_.erase(3);
    target_.put(3, "by the application");
  });

  run(make_chunk(0, 3, 3));

  EXPECT_EQ(target_.values(),
            (Values{{1, "<v1>"}, {2, "by the application"}, {3, "by the application"}}));
}

TEST_F(LiveWritesTest, ARowThatWasThereBeforeIsNeverDeleted) {
  target_.put(2, "there before");
  script_.on("target.commit", 1, [&] { source_.erase(2); });

  run(make_chunk(0, 3, 3));

  EXPECT_EQ(target_.values(), (Values{{1, "<v1>"}, {2, "there before"}, {3, "<v3>"}}));
}

TEST_F(LiveWritesTest, WhereNothingChangedNothingIsLevelled) {
  run(make_chunk(0, 3, 3));

  EXPECT_EQ(script_.calls("source.validate"), 1);
  EXPECT_EQ(script_.calls("target.level"), 0);
}

TEST_F(LiveWritesTest, WithoutConsistencyNobodyLooks) {
  consistency_ = Consistency::none;
  script_.on("target.commit", 1, [&] { source_.put(2, "new"); });

  run(make_chunk(0, 3, 3));

  EXPECT_EQ(target_.values(), (Values{{1, "<v1>"}, {2, "<v2>"}, {3, "<v3>"}}));
  EXPECT_TRUE(noted_.empty());
}

TEST_F(LiveWritesTest, ABatchIsNotedAsInDoubtBeforeItsCommit) {
  script_.on("target.commit", 1, [&] { EXPECT_EQ(noted_, std::vector<std::string>{"t1"}); });

  run(make_chunk(0, 3, 3));

  EXPECT_EQ(noted_, std::vector<std::string>{"t1"});
}

TEST_F(LiveWritesTest, ACommitWhoseAnswerIsLostIsSettledNotRepeated) {
  script_.on("target.committed", 1, [&] { source_.erase(2); });
  script_.fail("target.committed", 1, connection_lost());

  const ChunkReport report = run(make_chunk(0, 3, 3));

  EXPECT_EQ(target_.values(), (Values{{1, "<v1>"}, {3, "<v3>"}}));
  EXPECT_EQ(script_.calls("target.commit"), 1);
  EXPECT_EQ(report.rows, (RowCounts{3, 3, 0, 0, 0, 1}));
  EXPECT_EQ(report.retries, 1);
}

TEST_F(LiveWritesTest, ACommitWhoseFateNobodyKnowsIsLevelledAndRepeated) {
  target_options_.forgets_fates = true;
  script_.fail("target.committed", 1, connection_lost());

  run(make_chunk(0, 3, 3));

  EXPECT_EQ(target_.values(), transformed_source());
  EXPECT_EQ(script_.calls("target.level"), 1);
  EXPECT_EQ(script_.calls("target.commit"), 2);
}

TEST_F(LiveWritesTest, WhereLocksWereHeldUntilTheCommitNobodyLooks) {
  consistency_ = Consistency::lock;

  run(make_chunk(0, 3, 3));

  EXPECT_EQ(script_.calls("source.validate"), 0);
  EXPECT_EQ(script_.calls("target.level"), 0);
  EXPECT_EQ(noted_, std::vector<std::string>{"t1"});
}

TEST_F(LiveWritesTest, LocksThatWereLostBeforeTheCommitAreMadeGood) {
  consistency_ = Consistency::lock;
  source_options_.keeps_locks = false;
  script_.on("target.commit", 1, [&] { source_.erase(2); });

  run(make_chunk(0, 3, 3));

  EXPECT_EQ(target_.values(), (Values{{1, "<v1>"}, {3, "<v3>"}}));
}

TEST_F(LiveWritesTest, ACommitThatNeverCameToBeIsRepeated) {
  script_.fail("target.commit", 1, connection_lost());

  const ChunkReport report = run(make_chunk(0, 3, 3));

  EXPECT_EQ(target_.values(), transformed_source());
  EXPECT_EQ(script_.calls("target.commit"), 2);
  EXPECT_EQ(report.rows, (RowCounts{3, 3, 0, 0, 0, 0}));
  EXPECT_EQ(noted_, (std::vector<std::string>{"t1", "t2"}));
}

TEST_F(LiveWritesTest, WhatGoesWrongAfterACommitDoesNotSplitTheBatch) {
  script_.fail("target.committed", 1, Error(ErrorKind::too_large, "timeout", "57014"));

  const ChunkReport report = run(make_chunk(0, 3, 3));

  EXPECT_EQ(target_.values(), transformed_source());
  EXPECT_EQ(report.rows, (RowCounts{3, 3, 0, 0, 0, 0}));
  EXPECT_EQ(report.splits, 0);
}

TEST_F(LiveWritesTest, ACommitThatTakesTooLongSplitsTheBatch) {
  script_.fail("target.commit", 1, Error(ErrorKind::too_large, "timeout", "57014"));

  const ChunkReport report = run(make_chunk(0, 3, 3));

  EXPECT_EQ(target_.values(), transformed_source());
  EXPECT_EQ(report.rows, (RowCounts{3, 3, 0, 0, 0, 0}));
  EXPECT_EQ(report.splits, 1);
}

TEST_F(LiveWritesTest, ALookThatIsLostIsTakenAgain) {
  script_.fail("source.validate", 1, connection_lost());
  script_.on("target.commit", 1, [&] { source_.put(2, "new"); });

  run(make_chunk(0, 3, 3));

  EXPECT_EQ(target_.values(), transformed_source());
  EXPECT_EQ(script_.calls("target.commit"), 1);
}

TEST_F(LiveWritesTest, AChunkWithAMarkIsLevelledAndNotCopied) {
  target_.commit({{1, "<v1>"}, {2, "<old>"}, {9, "<gone>"}}, std::nullopt, "t0");
  target_.put(8, "not ours");
  Chunk chunk = make_chunk(0, 9, 9);
  chunk.mark = "t0";

  const ChunkReport report = run(chunk);

  EXPECT_EQ(target_.values(), (Values{{1, "<v1>"}, {2, "<v2>"}, {8, "not ours"}}));
  EXPECT_EQ(report.rows.conflicts, 2);
  EXPECT_EQ(script_.calls("target.commit"), 0);
}

// The source cannot tell the row any more, so it is taken out of the target.
TEST_F(LiveWritesTest, ARowThatIsTakenOutIsSoAlsoAfterALostConnection) {
  target_.commit({{2, "<old>"}}, std::nullopt, "t0");
  script_.fail("source.read", 1, Error(ErrorKind::reject, "division by zero", "22012"));
  script_.fail("target.level", 1, connection_lost());
  Chunk chunk = make_chunk(1, 2, 1);
  chunk.mark = "t0";

  const ChunkReport report = run(chunk);

  EXPECT_TRUE(target_.values().empty());
  EXPECT_EQ(report.retries, 1);
  ASSERT_EQ(report.dead_letters.size(), 1U);
  EXPECT_EQ(report.dead_letters[0].code, "22012");
}

TEST_F(LiveWritesTest, ATargetThatStaysAwayFromTakingARowOutIsTheOneOutOfReach) {
  target_.commit({{2, "<old>"}}, std::nullopt, "t0");
  script_.fail("source.read", 1, Error(ErrorKind::reject, "division by zero", "22012"));
  script_.fail("target.level", 0, connection_lost());
  Chunk chunk = make_chunk(1, 2, 1);
  chunk.mark = "t0";

  try {
    run(chunk);
    FAIL() << "it went on without its target";
  } catch (const Error& error) {
    EXPECT_EQ(error.exit_code(), ExitCode::target_unreachable);
  }
}

TEST_F(LiveWritesTest, AMarkThatNeverCommittedNeedsNoLevelling) {
  Chunk chunk = make_chunk(0, 9, 9);
  chunk.mark = "t0";

  run(chunk);

  EXPECT_EQ(script_.calls("target.level"), 0);
}

// Nobody can write to the target between begin() and the commit.
class OursAloneTest : public LiveWritesTest {
 protected:
  OursAloneTest() { target_options_.is_shared = false; }
};

TEST_F(OursAloneTest, WhatChangedBeforeTheTransactionBeganIsReadAgain) {
  script_.on("target.begin", 1, [&] {
    source_.put(2, "new");
    source_.erase(3);
  });

  const ChunkReport report = run(make_chunk(0, 3, 3));

  EXPECT_EQ(target_.values(), (Values{{1, "<v1>"}, {2, "<new>"}}));
  EXPECT_EQ(report.rows, (RowCounts{2, 2, 0, 0, 0, 0}));
  EXPECT_TRUE(noted_.empty());
  EXPECT_EQ(script_.calls("target.level"), 0);
}

TEST_F(OursAloneTest, NothingIsWrittenWhenAllRowsHaveGone) {
  script_.on("target.begin", 1, [&] {
    for (int id = 1; id <= 3; ++id) source_.erase(id);
  });

  run(make_chunk(0, 3, 3));

  EXPECT_TRUE(target_.values().empty());
  EXPECT_EQ(script_.calls("target.commit"), 0);
}

}  // namespace
}  // namespace backfill
