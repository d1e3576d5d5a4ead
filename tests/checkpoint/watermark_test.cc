#include "checkpoint/watermark.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "support/batch_builder.h"

namespace backfill {
namespace {

// Chunk n is (10n, 10n + 10].
Chunk chunk_at(std::uint64_t ordinal) {
  const auto after = static_cast<std::int64_t>(ordinal) * 10;
  Chunk chunk = make_chunk(after, after + 10, 10);
  chunk.ordinal = ordinal;
  return chunk;
}

DoneRange range_at(std::uint64_t ordinal) {
  const Chunk chunk = chunk_at(ordinal);
  return {chunk.after, chunk.upto};
}

TEST(Watermark, StandsWhereTheRunBegins) {
  EXPECT_EQ(Watermark(std::nullopt).key(), std::nullopt);
  EXPECT_EQ(Watermark(key_of(5)).key(), key_of(5));
}

TEST(Watermark, MovesWithEveryChunkThatIsDoneInOrder) {
  Watermark watermark(std::nullopt);

  EXPECT_TRUE(watermark.complete(chunk_at(0)));
  EXPECT_TRUE(watermark.complete(chunk_at(1)));

  EXPECT_EQ(watermark.key(), key_of(20));
  EXPECT_EQ(watermark.next_ordinal(), 2U);
  EXPECT_TRUE(watermark.done_ahead().empty());
}

TEST(Watermark, WaitsForAnOlderChunk) {
  Watermark watermark(std::nullopt);

  EXPECT_FALSE(watermark.complete(chunk_at(1)));
  EXPECT_FALSE(watermark.complete(chunk_at(3)));

  EXPECT_EQ(watermark.key(), std::nullopt);
  EXPECT_EQ(watermark.done_ahead(), (std::vector{range_at(1), range_at(3)}));
}

TEST(Watermark, JumpsOverWhatWasDoneAhead) {
  Watermark watermark(std::nullopt);
  watermark.complete(chunk_at(1));
  watermark.complete(chunk_at(3));

  EXPECT_TRUE(watermark.complete(chunk_at(0)));

  EXPECT_EQ(watermark.key(), key_of(20));
  EXPECT_EQ(watermark.done_ahead(), std::vector{range_at(3)});
}

TEST(Watermark, NeverPassesAChunkThatIsNotDoneWhateverTheOrder) {
  const std::uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  std::vector<std::uint64_t> order(50);
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::shuffle(order.begin(), order.end(), random);

  Watermark watermark(std::nullopt);
  std::vector<bool> done(order.size(), false);
  for (const std::uint64_t ordinal : order) {
    watermark.complete(chunk_at(ordinal));
    done[ordinal] = true;

    const auto first_open =
        static_cast<std::uint64_t>(std::find(done.begin(), done.end(), false) - done.begin());
    ASSERT_EQ(watermark.next_ordinal(), first_open);
    ASSERT_EQ(watermark.key(),
              first_open == 0 ? std::nullopt : std::optional(chunk_at(first_open - 1).upto));
    const auto ahead =
        std::count(done.begin() + static_cast<std::ptrdiff_t>(first_open), done.end(), true);
    ASSERT_EQ(static_cast<std::ptrdiff_t>(watermark.done_ahead().size()), ahead);
  }
  EXPECT_EQ(watermark.key(), key_of(500));
}

}  // namespace
}  // namespace backfill
