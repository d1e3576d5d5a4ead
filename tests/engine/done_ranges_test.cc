#include "engine/done_ranges.h"

#include <gtest/gtest.h>

#include "support/batch_builder.h"
#include "support/fake_source.h"

namespace backfill {
namespace {

DoneRange range(std::int64_t after, std::int64_t upto) {
  return {after == 0 ? std::nullopt : std::optional(key_of(after)), key_of(upto)};
}

LedgerRange written(std::int64_t after, std::int64_t upto) {
  const DoneRange bounds = range(after, upto);
  RowCounts rows;
  rows.read = rows.written = upto - after;
  return {bounds.after, bounds.upto, rows};
}

class DoneRangesTest : public testing::Test {
 protected:
  DoneRanges merge(std::optional<std::int64_t> watermark, const std::vector<DoneRange>& checkpoint,
                   const std::vector<LedgerRange>& ledger) {
    FakeSource source(table_, script_, {});
    return merge_done_ranges(source, watermark ? std::optional(key_of(*watermark)) : std::nullopt,
                             checkpoint, ledger);
  }

  FakeTable table_;
  FaultScript script_;
};

TEST_F(DoneRangesTest, AsksNothingWhenNothingIsDone) {
  const DoneRanges done = merge(std::nullopt, {}, {});

  EXPECT_TRUE(done.ranges.empty());
  EXPECT_EQ(script_.calls("source.in_key_order"), 0);
}

TEST_F(DoneRangesTest, AreInTheDatabasesOrder) {
  // As text, 9 comes after 100.
  const DoneRanges done = merge(5, {range(100, 110), range(8, 9)}, {written(20, 30)});

  EXPECT_EQ(done.ranges, (std::vector{range(8, 9), range(20, 30), range(100, 110)}));
}

TEST_F(DoneRangesTest, TakeTheCountsOfWhatOnlyTheLedgerKnows) {
  const DoneRanges done = merge(std::nullopt, {range(10, 20)}, {written(0, 10), written(10, 20)});

  EXPECT_EQ(done.ranges, (std::vector{range(0, 10), range(10, 20)}));
  ASSERT_EQ(done.ledger_rows.size(), 1U);
  EXPECT_EQ(done.ledger_rows.at({"10"}).written, 10);
}

TEST_F(DoneRangesTest, CountNoPartOfWhatTheCheckpointHasAgain) {
  const DoneRanges done =
      merge(5, {range(10, 20)}, {written(10, 14), written(14, 20), written(15, 18)});

  EXPECT_EQ(done.ranges, std::vector{range(10, 20)});
  EXPECT_TRUE(done.ledger_rows.empty());
}

TEST_F(DoneRangesTest, LeaveOutWhatIsBelowTheWatermark) {
  const DoneRanges done =
      merge(20, {range(10, 15)}, {written(0, 10), written(15, 20), written(20, 25)});

  EXPECT_EQ(done.ranges, std::vector{range(20, 25)});
  EXPECT_EQ(done.ledger_rows.size(), 1U);
}

TEST_F(DoneRangesTest, KeepBothHalvesOfASplitChunk) {
  const DoneRanges done = merge(std::nullopt, {}, {written(5, 10), written(0, 5)});

  EXPECT_EQ(done.ranges, (std::vector{range(0, 5), range(5, 10)}));
  EXPECT_EQ(done.ledger_rows.size(), 2U);
}

}  // namespace
}  // namespace backfill
