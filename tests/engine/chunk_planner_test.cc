#include "engine/chunk_planner.h"

#include <gtest/gtest.h>

#include <random>

#include "support/batch_builder.h"
#include "support/collecting_log.h"
#include "support/fake_source.h"
#include "support/manual_clock.h"

namespace backfill {
namespace {

using std::chrono::milliseconds;

class ChunkPlannerTest : public testing::Test {
 protected:
  void put(std::int64_t first, std::int64_t last, std::int64_t step = 1) {
    for (std::int64_t id = first; id <= last; id += step) table_.put(id, "v");
  }

  static DoneRange range(std::int64_t after, std::int64_t upto) {
    DoneRange range;
    if (after != 0) range.after = key_of(after);
    range.upto = key_of(upto);
    return range;
  }

  // Plans (after, end] in chunks of `size`, and says what was handed out: `(0..3] (3..5]done`.
  std::string plan(std::int64_t after, std::int64_t end, std::int64_t size,
                   std::vector<DoneRange> done = {}) {
    ChunkSizer sizer(fixed(size));
    ChunkPlanner::Span span{std::nullopt, key_of(end), std::move(done)};
    if (after != 0) span.after = key_of(after);
    ChunkPlanner planner(std::make_unique<FakeSource>(table_, script_, source_options_),
                         std::move(span), sizer, {3, milliseconds(10), milliseconds(10)}, clock_,
                         log_);
    std::string text;
    const auto accept = [&](const Chunk& chunk, bool is_done) {
      EXPECT_EQ(chunk.ordinal, chunks_.size());
      chunks_.push_back(chunk);
      if (chunks_.size() > 1000) return false;
      text += (text.empty() ? "(" : " (") + (chunk.after ? chunk.after->display() : "0") + ".." +
              chunk.upto.display() + (is_done ? "]done" : "]");
      if (chunks_.size() == stop_after_) stop_.request_stop();
      if (chunks_.size() == resize_after_) sizer.set_options(fixed(resize_to_));
      return chunks_.size() != refuse_from_;
    };
    is_complete_ = planner.plan(accept, stop_.get_token());
    return text;
  }

  static ChunkSizerOptions fixed(std::int64_t size) {
    ChunkSizerOptions options;
    options.size = size;
    options.size_min = 1;
    options.adaptive = false;
    return options;
  }

  FakeTable table_;
  FakeSource::Options source_options_;
  FaultScript script_;
  ManualClock clock_;
  CollectingLog log_;
  std::stop_source stop_;
  std::vector<Chunk> chunks_;
  std::size_t stop_after_ = 0;
  std::size_t refuse_from_ = 0;
  std::size_t resize_after_ = 0;
  std::int64_t resize_to_ = 0;
  bool is_complete_ = false;
};

TEST_F(ChunkPlannerTest, FindsNothingInATableThatWasEmptied) {
  EXPECT_EQ(plan(0, 10, 3), "");
  EXPECT_TRUE(is_complete_);
}

TEST_F(ChunkPlannerTest, PlansASingleKey) {
  put(7, 7);

  EXPECT_EQ(plan(0, 7, 3), "(0..7]");
  EXPECT_TRUE(is_complete_);
  EXPECT_EQ(chunks_[0].keys, 1);
  EXPECT_EQ(chunks_[0].size, 3);
}

TEST_F(ChunkPlannerTest, CutsExactlyAsManyKeysAsAsked) {
  put(1, 6);

  EXPECT_EQ(plan(0, 6, 3), "(0..3] (3..6]");
  EXPECT_EQ(chunks_[1].keys, 3);
}

TEST_F(ChunkPlannerTest, PlansTheOneKeyThatIsLeftOver) {
  put(1, 7);

  EXPECT_EQ(plan(0, 7, 3), "(0..3] (3..6] (6..7]");
  EXPECT_EQ(chunks_[2].keys, 1);
}

TEST_F(ChunkPlannerTest, LeavesNoKeyOutWhereThereAreGaps) {
  put(-50, 1000, 97);

  EXPECT_EQ(plan(0, 1000, 4), "(0..241] (241..629] (629..920]");
  EXPECT_TRUE(is_complete_);
}

TEST_F(ChunkPlannerTest, ProvesTheEndByAReadThatFindsNoKey) {
  put(1, 6);

  plan(0, 6, 3);

  EXPECT_EQ(script_.calls("source.cut"), 3);
}

TEST_F(ChunkPlannerTest, LooksForTheEndsOfSmallChunksTogether) {
  source_options_.cuts_of_a_look = 4;
  put(1, 20, 2);

  EXPECT_EQ(plan(0, 20, 2), "(0..3] (3..7] (7..11] (11..15] (15..19]");
  EXPECT_TRUE(is_complete_);
  EXPECT_EQ(script_.calls("source.cut"), 3);
}

TEST_F(ChunkPlannerTest, LooksForOneEndAtATimeWhereALookTookTooLong) {
  source_options_.cuts_of_a_look = 4;
  put(1, 10);
  script_.fail("source.cut", 1, Error(ErrorKind::too_large, "statement timeout", "57014"));

  EXPECT_EQ(plan(0, 10, 4), "(0..2] (2..6] (6..10]");
  EXPECT_EQ(script_.calls("source.cut"), 5);
}

TEST_F(ChunkPlannerTest, HeedsAnotherSizeThoughTheNextEndsAreKnown) {
  source_options_.cuts_of_a_look = 4;
  put(1, 20);
  resize_after_ = 2;
  resize_to_ = 5;

  EXPECT_EQ(plan(0, 20, 2), "(0..2] (2..4] (4..9] (9..14] (14..19] (19..20]");
  EXPECT_EQ(chunks_[1].size, 2);
  EXPECT_EQ(chunks_[2].size, 5);
}

TEST_F(ChunkPlannerTest, KeepsTheKnownEndsWhenTheSizeHardlyChanges) {
  source_options_.cuts_of_a_look = 4;
  put(1, 40);
  resize_after_ = 1;
  resize_to_ = 11;

  EXPECT_EQ(plan(0, 40, 10), "(0..10] (10..20] (20..30] (30..40]");
  EXPECT_EQ(chunks_[3].size, 10);
}

TEST_F(ChunkPlannerTest, GoesOnAboveTheWatermark) {
  put(1, 10);

  EXPECT_EQ(plan(4, 10, 3), "(4..7] (7..10]");
}

TEST_F(ChunkPlannerTest, LeavesRowsAboveTheEndKeyAlone) {
  put(1, 20);

  EXPECT_EQ(plan(0, 10, 4), "(0..4] (4..8] (8..10]");
}

TEST_F(ChunkPlannerTest, PlansRowsThatWereInsertedBelowTheEndMeanwhile) {
  put(1, 6, 5);
  script_.on("source.cut", 2, [&] { put(3, 3); });

  EXPECT_EQ(plan(0, 6, 1), "(0..1] (1..3] (3..6]");
}

TEST_F(ChunkPlannerTest, EndsWhenTheLastKeyIsDeletedMeanwhile) {
  put(1, 6);
  script_.on("source.cut", 2, [&] {
    for (std::int64_t id = 4; id <= 6; ++id) table_.erase(id);
  });

  EXPECT_EQ(plan(0, 6, 3), "(0..3]");
  EXPECT_TRUE(is_complete_);
}

TEST_F(ChunkPlannerTest, PassesOverADoneRangeAtTheStart) {
  put(1, 9);

  EXPECT_EQ(plan(0, 9, 3, {range(0, 5)}), "(0..5]done (5..8] (8..9]");
}

TEST_F(ChunkPlannerTest, PassesOverADoneRangeRightAboveTheWatermark) {
  put(1, 9);

  EXPECT_EQ(plan(2, 9, 3, {range(2, 5)}), "(2..5]done (5..8] (8..9]");
}

TEST_F(ChunkPlannerTest, PassesOverDoneRangesInTheMiddle) {
  put(1, 20);

  EXPECT_EQ(plan(0, 20, 10, {range(4, 6), range(6, 9), range(12, 15)}),
            "(0..4] (4..6]done (6..9]done (9..12] (12..15]done (15..20]");
  EXPECT_TRUE(is_complete_);
}

TEST_F(ChunkPlannerTest, PassesOverADoneRangeAtTheEnd) {
  put(1, 9);

  EXPECT_EQ(plan(0, 9, 10, {range(6, 9)}), "(0..6] (6..9]done");
  EXPECT_TRUE(is_complete_);
}

TEST_F(ChunkPlannerTest, HalvesACutThatTakesTooLongAndGrowsBackSlowly) {
  put(1, 10);
  for (int i = 1; i <= 2; ++i) {
    script_.fail("source.cut", i, Error(ErrorKind::too_large, "statement timeout", "57014"));
  }

  EXPECT_EQ(plan(0, 10, 8), "(0..2] (2..6] (6..10]");
  EXPECT_TRUE(clock_.waits().empty());
}

TEST_F(ChunkPlannerTest, FailsWhenACutOfOneKeyTakesTooLong) {
  put(1, 10);
  script_.fail("source.cut", 0, Error(ErrorKind::too_large, "statement timeout", "57014"));

  try {
    plan(0, 10, 8);
    ADD_FAILURE() << "went on";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "plan the chunk after the start: statement timeout");
  }
  EXPECT_EQ(script_.calls("source.cut"), 4);
}

TEST_F(ChunkPlannerTest, WaitsReconnectsAndTriesAgainAfterALostConnection) {
  put(1, 6);
  script_.fail("source.cut", 2, connection_lost());
  script_.fail("source.reconnect", 1, connection_lost("still down"));

  EXPECT_EQ(plan(0, 6, 3), "(0..3] (3..6]");
  EXPECT_TRUE(is_complete_);
  EXPECT_EQ(clock_.waits().size(), 2U);
  EXPECT_EQ(log_.count("will try again planner=plan the chunk after 3"), 2);
}

TEST_F(ChunkPlannerTest, NeverTakesAnErrorForTheEndOfTheTable) {
  put(1, 6);
  script_.fail("source.cut", 0, connection_lost());

  try {
    plan(0, 6, 3);
    ADD_FAILURE() << "ended as if all was done";
  } catch (const Error& error) {
    EXPECT_EQ(error.exit_code(), ExitCode::source_unreachable);
  }
  EXPECT_EQ(clock_.waits().size(), 3U);
  EXPECT_FALSE(is_complete_);
}

TEST_F(ChunkPlannerTest, FailsAtOnceOnWhatNoRetryMends) {
  put(1, 6);
  script_.fail("source.cut", 1, Error(ErrorKind::stop, "relation does not exist", "42P01"));

  EXPECT_THROW(plan(0, 6, 3), Error);
  EXPECT_TRUE(clock_.waits().empty());
}

TEST_F(ChunkPlannerTest, IsNotCompleteAfterAStop) {
  put(1, 9);
  stop_after_ = 2;

  EXPECT_EQ(plan(0, 9, 3), "(0..3] (3..6]");
  EXPECT_FALSE(is_complete_);
}

TEST_F(ChunkPlannerTest, IsNotCompleteWhenAChunkIsNotTaken) {
  put(1, 9);
  refuse_from_ = 2;

  plan(0, 9, 3);

  EXPECT_EQ(chunks_.size(), 2U);
  EXPECT_FALSE(is_complete_);
}

TEST_F(ChunkPlannerTest, IsNotCompleteWhenAStopCancelsTheLastRead) {
  put(1, 3);
  script_.on("source.cut", 2, [&] { stop_.request_stop(); });
  script_.fail("source.cut", 2, Error(ErrorKind::cancelled, "cancelled", "57014"));

  EXPECT_EQ(plan(0, 3, 3), "(0..3]");
  EXPECT_FALSE(is_complete_);
}

TEST_F(ChunkPlannerTest, TriesAgainWhenSomebodyElseCancelsARead) {
  put(1, 3);
  script_.fail("source.cut", 1, Error(ErrorKind::cancelled, "cancelled", "57014"));

  EXPECT_EQ(plan(0, 3, 3), "(0..3]");
  EXPECT_TRUE(is_complete_);
}

TEST_F(ChunkPlannerTest, CoversEveryKeyOnceWhateverIsDoneAlready) {
  const std::uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  for (int turn = 0; turn < 200; ++turn) {
    chunks_.clear();
    for (std::int64_t id = 1; id <= 60; ++id) {
      table_.erase(id);
      if (random() % 3 != 0) table_.put(id, "v");
    }
    table_.put(60, "v");
    std::vector<DoneRange> done;
    const auto after = static_cast<std::int64_t>(random() % 10);
    for (std::int64_t at = after; at < 50;) {
      const std::int64_t from = at + static_cast<std::int64_t>(random() % 8);
      const std::int64_t upto = from + 1 + static_cast<std::int64_t>(random() % 8);
      done.push_back(range(from, upto));
      at = upto;
    }

    plan(after, 60, 1 + static_cast<std::int64_t>(random() % 9), done);

    ASSERT_TRUE(is_complete_);
    std::map<std::int64_t, int> covered;
    for (const auto& [id, row] : table_.rows()) {
      for (const Chunk& chunk : chunks_) {
        const std::int64_t from = chunk.after ? id_of(*chunk.after) : 0;
        if (from < id && id <= id_of(chunk.upto)) ++covered[id];
      }
      ASSERT_EQ(covered[id], id > after ? 1 : 0) << "key " << id << " in turn " << turn;
    }
  }
}

}  // namespace
}  // namespace backfill
