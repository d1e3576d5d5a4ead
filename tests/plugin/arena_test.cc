#include "plugin/arena.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>

namespace backfill {
namespace {

TEST(Arena, KeepsPiecesApartUntilReset) {
  Arena arena;
  std::vector<char*> pieces;

  for (int i = 0; i < 3000; ++i) {
    pieces.push_back(static_cast<char*>(arena.allocate(100)));
    ASSERT_NE(pieces.back(), nullptr);
    std::memset(pieces.back(), i % 128, 100);
  }

  for (int i = 0; i < 3000; ++i) {
    EXPECT_EQ(pieces[static_cast<std::size_t>(i)][0], i % 128);
    EXPECT_EQ(pieces[static_cast<std::size_t>(i)][99], i % 128);
  }
}

TEST(Arena, AlignsForEveryType) {
  Arena arena;
  arena.allocate(1);

  const auto address = reinterpret_cast<std::uintptr_t>(arena.allocate(1));

  EXPECT_EQ(address % alignof(std::max_align_t), 0U);
}

TEST(Arena, UsesItsMemoryAgainAfterReset) {
  Arena arena;
  void* first = arena.allocate(10);

  arena.reset();

  EXPECT_EQ(arena.allocate(10), first);
}

TEST(Arena, RefusesBeyondItsLimit) {
  Arena arena(std::size_t{1} << 20);

  EXPECT_EQ(arena.allocate((std::size_t{1} << 20) + 1), nullptr);
  EXPECT_EQ(arena.allocate(static_cast<std::size_t>(-1)), nullptr);
  std::size_t bytes = 0;
  while (arena.allocate(1000) != nullptr) bytes += 1000;
  EXPECT_LE(bytes, std::size_t{1} << 20);
  EXPECT_GT(bytes, std::size_t{900'000});
  EXPECT_TRUE(arena.is_exhausted());

  arena.reset();
  EXPECT_FALSE(arena.is_exhausted());
  EXPECT_NE(arena.allocate(1000), nullptr);
}

TEST(Arena, TakesALargePieceAfterManySmallOnes) {
  Arena arena(std::size_t{64} << 20);
  while (arena.allocate(4096) != nullptr) {
  }

  arena.reset();

  EXPECT_NE(arena.allocate(std::size_t{20} << 20), nullptr);
}

}  // namespace
}  // namespace backfill
