#include "engine/read_ahead.h"

#include <gtest/gtest.h>

#include "support/fake_source.h"

namespace backfill {
namespace {

class ReadAheadTest : public testing::Test {
 protected:
  ReadAheadTest() {
    for (std::int64_t id = 1; id <= 9; ++id) table_.put(id, "v" + std::to_string(id));
  }

  static Chunk chunk(std::int64_t after, std::int64_t upto) {
    Chunk chunk;
    chunk.after = Key{{std::to_string(after)}};
    chunk.upto = Key{{std::to_string(upto)}};
    return chunk;
  }

  std::size_t rows_of(const Chunk& chunk) {
    reader_.read(chunk, batch_);
    return batch_.rows();
  }

  FakeTable table_;
  FaultScript script_;
  Batch batch_;
  ReadAhead reader_{std::make_unique<FakeSource>(table_, script_, FakeSource::Options{}), true,
                    std::chrono::hours(1)};
};

TEST_F(ReadAheadTest, HandsOverWhatItReadWithoutReadingAgain) {
  reader_.begin(chunk(0, 3));
  script_.await("source.read", 1);
  EXPECT_EQ(rows_of(chunk(0, 3)), 3);
  EXPECT_EQ(script_.calls("source.read"), 1);
}

TEST_F(ReadAheadTest, ReadsAChunkThatWasNotReadAhead) { EXPECT_EQ(rows_of(chunk(3, 5)), 2); }

TEST_F(ReadAheadTest, ReadsAgainWhatHasWaitedForLong) {
  ReadAhead reader(std::make_unique<FakeSource>(table_, script_, FakeSource::Options{}), true,
                   std::chrono::seconds(0));
  reader.begin(chunk(0, 3));
  script_.await("source.read", 1);
  table_.erase(2);

  reader.read(chunk(0, 3), batch_);

  EXPECT_EQ(batch_.rows(), 2);
  EXPECT_EQ(script_.calls("source.read"), 2);
}

TEST_F(ReadAheadTest, KeepsItThroughReadsOfOthers) {
  reader_.begin(chunk(5, 9));
  EXPECT_EQ(rows_of(chunk(0, 3)), 3);
  EXPECT_EQ(rows_of(chunk(5, 9)), 4);
  EXPECT_EQ(script_.calls("source.read"), 2);
}

TEST_F(ReadAheadTest, IsTheCallersAgainOnceHandedOver) {
  reader_.begin(chunk(0, 3));
  EXPECT_EQ(rows_of(chunk(0, 3)), 3);
  table_.put(2, "changed");
  EXPECT_EQ(rows_of(chunk(0, 3)), 3);
  EXPECT_EQ(script_.calls("source.read"), 2);
}

TEST_F(ReadAheadTest, ThrowsWhenTheChunkIsAskedForWhatWentWrongWithIt) {
  script_.fail("source.read", 1, connection_lost());
  reader_.begin(chunk(5, 9));
  script_.await("source.read", 1);
  EXPECT_THROW(rows_of(chunk(5, 9)), Error);
  reader_.reconnect();
  EXPECT_EQ(rows_of(chunk(5, 9)), 4);
}

TEST_F(ReadAheadTest, ReadsAnewAfterAReconnect) {
  reader_.begin(chunk(0, 3));
  reader_.reconnect();
  table_.put(2, "changed");
  EXPECT_EQ(rows_of(chunk(0, 3)), 3);
  EXPECT_EQ(script_.calls("source.read"), 2);
}

TEST_F(ReadAheadTest, EndsWithAReadThatHangs) {
  FaultScript script;
  script.hold("source.read");
  {
    ReadAhead reader(std::make_unique<FakeSource>(table_, script, FakeSource::Options{}), false);
    reader.begin(chunk(0, 3));
    script.await("source.read", 1);
  }
  EXPECT_EQ(script.calls("source.read"), 1);
}

}  // namespace
}  // namespace backfill
