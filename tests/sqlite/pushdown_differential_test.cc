// Random tables, written by rows in batches and by pushdown, come out the same to the byte.

#include <random>

#include "pushdown_job.h"

namespace backfill {
namespace {

constexpr int kRounds = 200;
constexpr int kRowsMax = 40;

class Maker {
 public:
  explicit Maker(unsigned seed) : random_(seed) {}

  int below(int limit) { return static_cast<int>(random_() % static_cast<unsigned>(limit)); }
  std::string one_of(const std::vector<std::string>& choices) {
    return choices[static_cast<std::size_t>(below(static_cast<int>(choices.size())))];
  }

  std::string value() {
    return one_of({"NULL",
                   "0",
                   "1",
                   "-1",
                   "1.0",
                   "2",
                   "2.5",
                   "-0.0",
                   "1e300",
                   "9e999",
                   "9223372036854775807",
                   "'1'",
                   "'01'",
                   "'1.0'",
                   "'a'",
                   "'A'",
                   "'b '",
                   "''",
                   "'it''s'",
                   "X''",
                   "X'61'",
                   "X'31'",
                   "CAST(X'610062' AS TEXT)",
                   "CAST(X'ff' AS TEXT)",
                   "'1e2'",
                   "'0x10'"});
  }
  std::string key_value(bool is_rowid) {
    if (is_rowid) return std::to_string(below(60) - 10);
    for (;;)
      if (std::string made = value(); made != "NULL") return made;
  }
  std::string type() {
    return one_of({"", "TEXT", "INTEGER", "REAL", "NUMERIC", "BLOB", "TEXT COLLATE NOCASE",
                   "VARCHAR(3) COLLATE RTRIM", "INT CHECK (x IS NOT 2)", "REAL NOT NULL"});
  }

  // Two tables of the same columns and different types, and rows for both.
  std::string tables() {
    shape_ = below(4);
    std::string sql = "BEGIN;";
    const std::string first = one_of({"", "TEXT", "NUMERIC", "TEXT COLLATE NOCASE", "BLOB"});
    const std::string second = one_of({"", "INTEGER", "REAL", "TEXT"});
    for (const std::string table : {"a", "b"}) {
      const bool alike = table == "a" || below(3) > 0;
      sql += create(table, alike ? first : type_of_key(), alike ? second : type_of_key());
      if (below(6) == 0)
        sql += "CREATE TRIGGER " + table + "_t AFTER INSERT ON " + table +
               " BEGIN UPDATE a SET y = 'seen' WHERE x = NEW.x; END;";
      for (int row = below(kRowsMax); row > 0; --row) sql += insert(table);
    }
    return sql + "COMMIT";
  }

  PushdownJob job() {
    PushdownJob job;
    if (shape_ == 2) job.key = {"k", "l"};
    job.mode = std::vector{WriteMode::insert_missing, WriteMode::upsert, WriteMode::insert,
                           WriteMode::update}[static_cast<std::size_t>(below(4))];
    const bool in_place = job.mode == WriteMode::update && below(8) > 0;
    if (in_place) job.target = "a";
    if (in_place || below(2) == 0)
      job.items = {"k", "l", expression() + " -- x\nas x", expression() + " as y"};
    job.where = one_of({"", "", "k > 1 -- some", "x IS NOT NULL OR y = 1", "typeof(y) <> 'blob'"});
    if (job.mode == WriteMode::upsert && below(3) == 0) job.version_column = "y";
    return job;
  }

 private:
  std::string type_of_key() { return one_of({"", "TEXT", "NUMERIC", "TEXT COLLATE NOCASE"}); }

  std::string create(const std::string& table, const std::string& first,
                     const std::string& second) {
    const std::string rest =
        ", l " + second + " NOT NULL, x " + type() + ", y " + one_of({"", "TEXT", "REAL", "BLOB"});
    const std::string sql = "CREATE TABLE " + table + " (k ";
    if (shape_ == 0) return sql + "INTEGER PRIMARY KEY" + rest + ");";
    if (shape_ == 1)
      return sql + first + " NOT NULL" + rest + ", PRIMARY KEY (k, l)) WITHOUT ROWID;";
    if (shape_ == 3) return sql + first + " NOT NULL PRIMARY KEY" + rest + ");";
    return sql + first + " NOT NULL" + rest + "); CREATE UNIQUE INDEX " + table + "_k ON " + table +
           " (k COLLATE " + one_of({"NOCASE", "BINARY"}) + ", l);";
  }

  std::string insert(const std::string& table) {
    return "INSERT OR IGNORE INTO " + table + " VALUES (" + key_value(shape_ == 0) + ", " +
           key_value(false) + ", " + value() + ", " + value() + ");";
  }

  std::string expression() {
    return one_of({"x", "y", "k", "l", "x || y", "x + 1", "CAST(y AS TEXT)", "CAST(x AS REAL)",
                   "upper(y)", "coalesce(x, y)", "json_array(k)", "zeroblob(2)", "a.x IS a.y"});
  }

  std::mt19937 random_;
  int shape_ = 0;
};

// What is in both tables in the end, the counts, or how it failed.
std::vector<std::string> outcome(const SqliteFile& file, const PushdownRun& run, bool pushed_down) {
  std::vector<std::string> lines;
  try {
    const RowCounts rows = pushed_down ? run.push_down_or_carry(7) : run.carry_rows(7);
    lines.push_back("read " + std::to_string(rows.read) + " written " +
                    std::to_string(rows.written) + " unchanged " + std::to_string(rows.unchanged));
  } catch (const Error& error) {
    lines.push_back("error " + error.code());
  }
  for (const std::string table : {"a", "b"}) {
    std::string sql = "SELECT '" + table + "'";
    for (const std::string column : {"k", "l", "x", "y"})
      sql += ", typeof(" + column + "), quote(" + column + "), hex(" + column + ")";
    for (const std::string& row : file.rows(sql + " FROM " + table + " ORDER BY 3, 6, 4, 7"))
      lines.push_back(row);
  }
  return lines;
}

TEST(SqlitePushdown, WritesWhatRowsInBatchesWouldWrite) {
  const unsigned first_seed = std::random_device()();
  int pushed_down = 0;
  int failed = 0;
  for (unsigned seed = first_seed; seed < first_seed + kRounds && !HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Maker maker(seed);
    const std::string tables = maker.tables();
    const PushdownJob job = maker.job();
    SCOPED_TRACE(tables);
    const SqliteFile file(tables);
    const SqliteFile other(tables);
    const PushdownRun rows(file, job);
    const PushdownRun pushed(other, job);
    if (!pushed.may_be_pushed_down()) continue;
    ++pushed_down;
    const auto expected = outcome(file, rows, false);
    if (expected.at(0).starts_with("error")) ++failed;
    EXPECT_EQ(outcome(other, pushed, true), expected);
  }
  EXPECT_GT(pushed_down, kRounds / 2);
  EXPECT_LT(failed, pushed_down / 2);
}

}  // namespace
}  // namespace backfill
