// A thousand differences of every kind, planted at random among a million rows: `verify` finds each
// of them, names its columns, and finds nothing else.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <numeric>
#include <random>

#include "support/postgres_fixture.h"
#include "verify_job.h"

namespace backfill {
namespace {

using Findings = VerifyJob::Findings;

constexpr int kPlantings = 1000;
constexpr int kGroup = 10;  // rows that one planting has to itself
constexpr std::chrono::minutes kPatience{10};

int row_count() {
  const char* wanted = std::getenv("BACKFILL_VERIFY_ROWS");
  return wanted == nullptr ? 1'000'000 : std::atoi(wanted);
}

// What the rows are compared by, and where.
struct Terms {
  const char* name;
  bool has_text_key;  // of a collation in which upper and lower case are neighbours
  bool in_server;     // both tables in one database, which compares them by itself
};

const std::vector<Terms> kAllTerms = {
    {"IntegersThatTravel", false, false},
    {"IntegersInTheServer", false, true},
    {"TextsThatTravel", true, false},
    {"TextsInTheServer", true, true},
};

// The rows 1 to `rows`, made from their numbers by the server. Of each ten, one has NULL and one ''
// in `b`, and the fifth and the sixth hold the same.
class Rows {
 public:
  explicit Rows(const Terms& terms) : terms_(terms) {}

  std::string create_sql(const std::string& table, int rows) const {
    const char* type = terms_.has_text_key ? "text COLLATE \"und-x-icu\"" : "bigint";
    const char* key = terms_.has_text_key ? "'k' || to_hex(16777216 + i)" : "i * 10::bigint";
    return fmt::format(
        "CREATE TABLE {0} (id {1}, a bigint, b text); "
        "INSERT INTO {0} SELECT {2}, v * 7919 % 1000003, "
        "CASE v % 10 WHEN 0 THEN NULL WHEN 1 THEN '' ELSE 'text ' || v END "
        "FROM (SELECT i, i - (i % 10 = 6)::int::bigint AS v FROM generate_series(1, {3}) AS i) "
        "AS n; "
        "ALTER TABLE {0} ADD PRIMARY KEY (id); ANALYZE {0}",
        table, type, key, rows);
  }

  std::string key(int row) const {
    return terms_.has_text_key ? fmt::format("k{:x}", 16777216 + row) : std::to_string(row * 10LL);
  }
  // Of no row; sorts right behind it: in upper case, or one more.
  std::string neighbour(int row) const {
    return terms_.has_text_key ? fmt::format("K{:X}", 16777216 + row)
                               : std::to_string(row * 10LL + 1);
  }
  // Of no row; sorts between it and the next.
  std::string between(int row, int nth) const {
    return terms_.has_text_key ? key(row) + std::string(1, static_cast<char>('a' + nth))
                               : std::to_string(row * 10LL + 2 + nth);
  }
  std::string before_all(int nth) const {
    return terms_.has_text_key ? "a" + std::to_string(nth) : std::to_string(-nth);
  }
  std::string behind_all(int nth) const {
    return terms_.has_text_key ? "z" + std::to_string(nth) : std::to_string(20'000'000'000 + nth);
  }

 private:
  const Terms& terms_;
};

// The differences, as SQL for the target and as `verify` should list them.
class Plantings {
 public:
  Plantings(const Rows& rows, int row_count, std::mt19937_64& random) : rows_(rows) {
    std::vector<int> groups(static_cast<std::size_t>(row_count / kGroup - 2));
    std::iota(groups.begin(), groups.end(), 1);
    std::shuffle(groups.begin(), groups.end(), random);
    groups.resize(std::min<std::size_t>(groups.size(), kPlantings));
    for (const int group : groups) plant(group * kGroup, random);
    for (int nth = 0; nth < 3; ++nth) {
      remove(row_count - nth);
      insert(rows_.before_all(nth), "1, 'head'");
      insert(rows_.behind_all(nth), "1, 'tail'");
    }
  }

  const std::string& sql() const { return sql_; }
  const Findings& findings() const { return findings_; }

 private:
  void plant(int first, std::mt19937_64& random) {
    const auto below = [&](int end) {
      return std::uniform_int_distribution<int>(0, end - 1)(random);
    };
    switch (below(9)) {
      case 0:
        return change(first + 2 + below(3), fmt::format("a = a # (1::bigint << {})", below(63)),
                      "a");
      case 1:
        return change(first, "b = ''", "b");
      case 2:
        return change(first + 1, "b = NULL", "b");
      case 3:
        return swap(first + 3, first + 7);
      case 4:  // two that were the same and still are: their digests cancel in an XOR
        change(first + 5, "a = a + 1, b = 'twin'", "a,b");
        return change(first + 6, "a = a + 1, b = 'twin'", "a,b");
      case 5:
        remove(first + 5);
        return remove(first + 6);
      case 6:
        insert(rows_.between(first + 8, 0), "5, 'twin'");
        return insert(rows_.between(first + 8, 1), "5, 'twin'");
      case 7:  // its values are all there, under the key of a neighbour
        insert(rows_.neighbour(first + 4), values_of(first + 4));
        return remove(first + 4);
      default:
        return insert(rows_.neighbour(first + 9), values_of(first + 9));
    }
  }

  std::string where(int row) const { return "id = '" + rows_.key(row) + "'"; }
  std::string values_of(int row) const {
    return fmt::format("(SELECT a FROM copies WHERE {0}), (SELECT b FROM copies WHERE {0})",
                       where(row));
  }
  void change(int row, const std::string& assignments, const std::string& columns) {
    sql_ += fmt::format("UPDATE copies SET {} WHERE {};\n", assignments, where(row));
    findings_.insert("different " + rows_.key(row) + "," + columns);
  }
  void swap(int one, int other) {
    sql_ += fmt::format(
        "UPDATE copies AS c SET a = o.a, b = o.b FROM copies AS o "
        "WHERE (c.id = '{0}' AND o.id = '{1}') OR (c.id = '{1}' AND o.id = '{0}');\n",
        rows_.key(one), rows_.key(other));
    findings_.insert("different " + rows_.key(one) + ",a,b");
    findings_.insert("different " + rows_.key(other) + ",a,b");
  }
  void remove(int row) {
    sql_ += fmt::format("DELETE FROM copies WHERE {};\n", where(row));
    findings_.insert("missing " + rows_.key(row));
  }
  void insert(const std::string& key, const std::string& values) {
    sql_ += fmt::format("INSERT INTO copies VALUES ('{}', {});\n", key, values);
    findings_.insert("extra " + key);
  }

  const Rows& rows_;
  std::string sql_;
  Findings findings_;
};

// Those that only one of them has, as many as can be read.
std::string unlike(const Findings& found, const Findings& planted) {
  constexpr std::size_t kShown = 20;
  std::vector<std::string> lines;
  for (const std::string& finding : planted) {
    if (!found.contains(finding)) lines.push_back("not found: " + finding);
  }
  for (const std::string& finding : found) {
    if (!planted.contains(finding)) lines.push_back("not planted: " + finding);
  }
  std::string text;
  for (std::size_t i = 0; i < std::min(lines.size(), kShown); ++i) text += lines[i] + "\n";
  return lines.empty() ? "" : fmt::format("{} wrong:\n{}", lines.size(), text);
}

class VerifyMillionTest : public ::testing::TestWithParam<Terms> {};

TEST_P(VerifyMillionTest, FindsEachOfAThousandDifferencesAndNothingElse) {
  const std::uint64_t seed = std::random_device{}();
  std::cout << "seed " << seed << std::endl;
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  const int rows = row_count();
  const Rows table(GetParam());
  TestDatabase source;
  std::optional<TestDatabase> elsewhere;
  if (!GetParam().in_server) elsewhere.emplace();
  TestDatabase& target = elsewhere ? *elsewhere : source;
  source.execute(table.create_sql("people", rows));
  target.execute(table.create_sql("copies", rows));
  const Plantings planted(table, rows, random);
  target.execute(planted.sql());
  const JobOnDisk job({{"source.url", toml_string(source.url())},
                       {"source.table", "\"people\""},
                       {"target.url", toml_string(target.url())},
                       {"target.table", "\"copies\""},
                       {"batch.size", "1000"},
                       {"batch.adaptive", "true"},
                       {"throttle.enabled", "false"}});
  const std::string list = (job.folder() / "differences.jsonl").string();

  const ProgramEnd end =
      Program({BACKFILL_PROGRAM, "verify", job.file(), "--settle=0s", "--json", "--list", list})
          .wait(kPatience);

  EXPECT_EQ(end.exit_code, 5) << end;
  EXPECT_EQ(unlike(read_findings(list), planted.findings()), "");
  const nlohmann::json json = json_of(end);
  EXPECT_EQ(json["rows"]["source"], rows);
  std::cout << planted.findings().size() << " differences, " << json["elapsed_s"] << " s"
            << std::endl;
}

INSTANTIATE_TEST_SUITE_P(With, VerifyMillionTest, ::testing::ValuesIn(kAllTerms),
                         [](const auto& tested) { return tested.param.name; });

}  // namespace
}  // namespace backfill
