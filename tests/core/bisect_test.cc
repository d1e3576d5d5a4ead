#include "core/bisect.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <set>

#include "core/error.h"

namespace backfill {
namespace {

// A table that refuses some rows, counts the writes, and keeps what it took.
struct Table {
  std::set<std::size_t> bad;
  std::vector<std::size_t> written;
  int writes = 0;

  std::set<std::size_t> find_bad(std::size_t rows) {
    std::vector<RowReject> rejects;
    bisect(
        rows,
        [this](std::size_t first, std::size_t last) {
          ++writes;
          for (std::size_t row = first; row < last; ++row) {
            if (bad.contains(row)) throw Error(ErrorKind::reject, "bad row", "23514");
          }
          for (std::size_t row = first; row < last; ++row) written.push_back(row);
        },
        rejects);
    std::set<std::size_t> found;
    for (const RowReject& reject : rejects) found.insert(reject.row);
    return found;
  }
};

// Each bad row is on one path of failed writes; each failed write has at most two below it.
double writes_max(std::size_t rows, std::size_t bad) {
  const double height = std::ceil(std::log2(static_cast<double>(std::max<std::size_t>(rows, 2))));
  return 1 + 2 * static_cast<double>(bad) * height;
}

TEST(Bisect, FindsTheBadRowsAndWritesTheOthersInOrder) {
  for (const std::set<std::size_t>& bad :
       {std::set<std::size_t>{}, {0}, {99}, {50}, {0, 99}, {49, 50}, {10, 11, 12, 80}}) {
    Table table{bad, {}, 0};

    EXPECT_EQ(table.find_bad(100), bad);

    std::vector<std::size_t> good;
    for (std::size_t row = 0; row < 100; ++row) {
      if (!bad.contains(row)) good.push_back(row);
    }
    EXPECT_EQ(table.written, good);
  }
}

TEST(Bisect, WritesOnceWhereNothingIsBadAndNeverWhereThereIsNothing) {
  Table good;
  EXPECT_TRUE(good.find_bad(1000).empty());
  EXPECT_EQ(good.writes, 1);

  Table none;
  EXPECT_TRUE(none.find_bad(0).empty());
  EXPECT_EQ(none.writes, 0);
}

TEST(Bisect, TakesWritesByTheBadRowsTimesTheLogarithmOfAll) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  for (const std::size_t rows : {1U, 2U, 3U, 1000U, 1024U, 20'000U}) {
    for (const std::size_t bad : {1U, 2U, 5U, 50U}) {
      if (bad > rows) continue;
      Table table;
      while (table.bad.size() < bad) table.bad.insert(random() % rows);
      const std::set<std::size_t> expected = table.bad;

      EXPECT_EQ(table.find_bad(rows), expected);

      EXPECT_LE(table.writes, writes_max(rows, bad)) << bad << " of " << rows;
    }
  }
}

TEST(Bisect, PassesOnWhatIsNotAboutRows) {
  std::vector<RowReject> rejects;
  const auto lose = [](std::size_t, std::size_t) { throw Error(ErrorKind::retry, "gone"); };

  EXPECT_THROW(bisect(10, lose, rejects), Error);
  EXPECT_TRUE(rejects.empty());
}

}  // namespace
}  // namespace backfill
