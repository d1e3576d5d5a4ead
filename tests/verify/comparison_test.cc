// Two batches of one key range: every difference is in doubt, and nothing else where the bytes
// are the same.

#include "verify/comparison.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

#include "support/batch_builder.h"

namespace backfill {
namespace {

using Rows = std::map<std::int64_t, std::string>;

Batch batch_of(const Rows& rows) { return make_batch({rows.begin(), rows.end()}); }

Columns id_and_value() { return {int64_column("id"), text_column("value")}; }

// The ids in doubt, and those that only the second has.
struct Ids {
  std::vector<std::int64_t> doubtful;
  std::vector<std::int64_t> unmatched;
  bool operator==(const Ids&) const = default;
};

std::int64_t id_in(const Batch& batch, std::size_t row) {
  std::vector<Cell> cells;
  read_cells(batch.tuple(row), 2, cells);
  return int64_of(cells[0].view());
}

Ids compare(const Rows& expected, const Rows& actual) {
  Comparison comparison(id_and_value(), id_and_value(), {0});
  const Batch left = batch_of(expected);
  const Batch right = batch_of(actual);
  const Comparison::Result result = comparison.compare(left, right);
  Ids ids;
  for (const std::size_t row : result.doubtful) ids.doubtful.push_back(id_in(left, row));
  for (const std::size_t row : result.unmatched) ids.unmatched.push_back(id_in(right, row));
  return ids;
}

TEST(ComparisonTest, PassesEqualBatches) {
  EXPECT_EQ(compare({{1, "a"}, {2, "b"}}, {{1, "a"}, {2, "b"}}), Ids());
  EXPECT_EQ(compare({}, {}), Ids());
}

TEST(ComparisonTest, SeesRowsOfOneSideAtEveryPlace) {
  EXPECT_EQ(compare({{1, "a"}}, {}), (Ids{{1}, {}}));
  EXPECT_EQ(compare({}, {{1, "a"}}), (Ids{{}, {1}}));
  EXPECT_EQ(compare({{1, "a"}, {3, "c"}}, {{2, "b"}, {3, "c"}, {4, "d"}}), (Ids{{1}, {2, 4}}));
}

TEST(ComparisonTest, SeesRowsThatHaveSwappedTheirValues) {
  EXPECT_EQ(compare({{1, "a"}, {2, "b"}}, {{1, "b"}, {2, "a"}}), (Ids{{1, 2}, {}}));
}

// Two equal rows cancel out in an XOR of their hashes.
TEST(ComparisonTest, SeesThatOneSideHasAPairOfEqualRowsMore) {
  Comparison comparison(id_and_value(), id_and_value(), {0});
  const Batch one = make_batch({{1, "a"}});
  const Batch three = make_batch({{1, "a"}, {2, "b"}, {2, "b"}});

  EXPECT_EQ(comparison.compare(one, three).unmatched.size(), 2U);
}

TEST(ComparisonTest, FindsExactlyWhatWasPlanted) {
  const std::uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  const auto below = [&](std::int64_t end) {
    return std::uniform_int_distribution<std::int64_t>(0, end - 1)(random);
  };
  for (int round = 0; round < 1000; ++round) {
    Rows expected;
    for (std::int64_t i = below(40); i > 0; --i) expected[below(60)] = std::string(1, 'x');
    Rows actual = expected;
    Ids planted;
    for (std::int64_t id = 0; id < 60; ++id) {
      if (below(10) != 0) continue;
      if (!expected.contains(id)) {
        actual[id] = "extra";
        planted.unmatched.push_back(id);
        continue;
      }
      planted.doubtful.push_back(id);
      if (below(2) == 0) {
        actual.erase(id);
      } else {
        actual[id][0] ^= 1;
      }
    }
    ASSERT_EQ(compare(expected, actual), planted) << "round " << round;
  }
}

}  // namespace
}  // namespace backfill
