#include "sqlite/write_turn.h"

#include <atomic>
#include <filesystem>
#include <thread>

#include "sqlite_file.h"

namespace backfill {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

TEST(WriteTurn, IsHeldByOneAtATimeUnderAnyNameOfTheFile) {
  const SqliteFile file;
  const std::string link = file.path() + ".link";
  std::filesystem::create_symlink(file.path(), link);
  std::atomic<int> inside = 0;
  const auto work = [&](const std::string& path) {
    WriteTurn turn(path);
    for (int i = 0; i < 200; ++i) {
      turn.take();
      EXPECT_EQ(++inside, 1);
      --inside;
      turn.give_back();
    }
  };

  std::jthread first([&] { work(file.path()); });
  std::jthread second([&] { work(link); });
  std::jthread third([&] { work(file.path()); });
}

TEST(WriteTurn, OfOneFileIsNoneOfAnother) {
  const SqliteFile file;
  const SqliteFile other;
  WriteTurn turn(file.path());
  WriteTurn of_other(other.path());
  turn.take();

  of_other.take();
}

TEST(WriteTurn, IsGivenBackAtItsEndAndOnlyOnce) {
  const SqliteFile file;
  WriteTurn next(file.path());
  next.give_back();
  {
    WriteTurn turn(file.path());
    turn.take();
  }

  next.take();
  next.give_back();
  next.give_back();
  next.take();
}

TEST(WriteTurn, LeavesTheFileFreeForATenthOfTheTimeItWasTaken) {
  const SqliteFile file;
  WriteTurn turn(file.path());
  turn.take();
  const auto taken_at = Clock::now();
  while (Clock::now() - taken_at < milliseconds(50)) {
  }
  turn.give_back();
  const auto free_at = Clock::now();

  turn.take();

  EXPECT_GE(Clock::now() - free_at, milliseconds(5));
}

TEST(WriteTurn, ACancelEndsTheWaitAndNothingElse) {
  const SqliteFile file;
  WriteTurn held(file.path());
  WriteTurn waiting(file.path());
  held.take();
  waiting.cancel();
  std::atomic<bool> over = false;
  std::jthread canceller([&] {
    while (!over) waiting.cancel();
  });

  EXPECT_EQ(error_of([&] { waiting.take(); }).kind(), ErrorKind::cancelled);
  over = true;
  canceller.join();

  held.give_back();
  waiting.take();
}

}  // namespace
}  // namespace backfill
