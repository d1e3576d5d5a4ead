#include "sqlite/source.h"

#include <map>
#include <random>
#include <thread>

#include "core/row_key.h"
#include "sqlite_file.h"

namespace backfill {
namespace {

// The keys of all rows, read chunk after chunk as the planner would.
std::vector<Key> walk(SqliteSource& source, const ReadSpec& spec, std::int64_t size) {
  std::vector<Key> keys;
  const auto end = source.last_key();
  if (!end) return keys;
  Columns columns;
  for (const ReadColumn& column : spec.columns) columns.push_back(column.column);
  std::vector<int> positions;
  for (const Column& column : spec.key) positions.push_back(find_column(columns, column.name));
  std::optional<Key> after;
  Batch batch;
  while (const auto cut = source.cut(after, *end, size)) {
    Chunk chunk;
    chunk.after = after;
    chunk.upto = cut->upto;
    source.read(chunk, batch);
    EXPECT_EQ(static_cast<std::int64_t>(batch.rows()), cut->keys);
    for (std::size_t row = 0; row < batch.rows(); ++row)
      keys.push_back(row_key(columns, positions, batch.tuple(row)));
    after = cut->upto;
  }
  return keys;
}

std::vector<std::string> display(const std::vector<Key>& keys) {
  std::vector<std::string> texts;
  for (const Key& key : keys) texts.push_back(key.display());
  return texts;
}

TEST(SqliteSource, WalksEveryRowOnceInKeyOrderWhateverTheChunkSize) {
  const SqliteFile file(
      "CREATE TABLE t (id INTEGER PRIMARY KEY);"
      "INSERT INTO t VALUES (-9223372036854775808), (-5), (0), (1), (2), (700), (701), "
      "(9223372036854775807)");
  const ReadSpec spec = file.read_spec("t");
  SqliteSource source(file.path(), spec);
  const std::vector<std::string> expected{"-9223372036854775808", "-5", "0", "1", "2", "700", "701",
                                          "9223372036854775807"};

  for (std::int64_t size = 1; size <= 9; ++size)
    EXPECT_EQ(display(walk(source, spec, size)), expected) << "chunk size " << size;
}

TEST(SqliteSource, WalksCompositeKeysTablesWithoutRowidAndCollations) {
  const SqliteFile file(
      "CREATE TABLE r (v, b INT NOT NULL, a TEXT NOT NULL, UNIQUE (a, b));"
      "CREATE TABLE w (a TEXT, b INT, v, PRIMARY KEY (a, b)) WITHOUT ROWID;"
      "CREATE TABLE n (a TEXT COLLATE NOCASE PRIMARY KEY NOT NULL);"
      "CREATE TABLE m (a TEXT NOT NULL); CREATE UNIQUE INDEX m_a ON m (a COLLATE NOCASE);"
      "INSERT INTO r (a, b) VALUES ('x', 2), ('x', 10), ('y', 1), ('X', 3), ('', 0);"
      "INSERT INTO w (a, b) SELECT a, b FROM r;"
      "INSERT INTO n VALUES ('b'), ('A'), ('c'), ('B2'), ('a1'); INSERT INTO m SELECT a FROM n");

  const std::map<std::string, std::vector<std::string>> keys{
      {"r", {"a", "b"}}, {"w", {"a", "b"}}, {"n", {"a"}}, {"m", {"a"}}};
  for (const auto& [table, key] : keys) {
    const ReadSpec spec = file.read_spec(table, key);
    SqliteSource source(file.path(), spec);
    const std::vector<std::string> expected =
        key.size() == 2
            ? std::vector<std::string>{"('', 0)", "('X', 3)", "('x', 2)", "('x', 10)", "('y', 1)"}
            : std::vector<std::string>{"'A'", "'a1'", "'b'", "'B2'", "'c'"};
    for (std::int64_t size = 1; size <= 6; ++size)
      EXPECT_EQ(display(walk(source, spec, size)), expected) << table << " by " << size;
  }
}

TEST(SqliteSource, WalksKeysOfMixedStorageClassesAndOddTexts) {
  const SqliteFile file(
      "CREATE TABLE t (k PRIMARY KEY NOT NULL); INSERT INTO t VALUES (1), (1.5), ('1'), ('it''s'), "
      "(CAST(X'610062' AS TEXT)), (CAST(X'6100' AS TEXT)), (''), (X'00'), (X''), (-1e300)");
  const ReadSpec spec = file.read_spec("t");
  SqliteSource source(file.path(), spec);

  for (std::int64_t size = 1; size <= 11; ++size) EXPECT_EQ(walk(source, spec, size).size(), 10U);
  EXPECT_EQ(source.cut(std::nullopt, *source.last_key(), 6)->upto,
            key_of({"CAST(X'6100' AS TEXT)"}));
}

TEST(SqliteSource, ARandomTableIsWalkedWithoutGapOrRepeat) {
  const unsigned seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const SqliteFile file("CREATE TABLE t (a INT, b TEXT, PRIMARY KEY (a, b)) WITHOUT ROWID");
  SqliteConnection connection = file.connect();
  SqliteTransaction transaction(connection);
  SqliteStatement insert = connection.prepare("INSERT OR IGNORE INTO t VALUES (?, ?)");
  for (int row = 0; row < 500; ++row) {
    insert.bind_integer(1, static_cast<std::int64_t>(random() % 20) - 10);
    insert.bind_text(2, std::string(random() % 4, static_cast<char>(random() % 256)));
    insert.run();
  }
  transaction.commit();
  const ReadSpec spec = file.read_spec("t");
  SqliteSource source(file.path(), spec);
  SqliteStatement all = connection.prepare("SELECT a, b FROM t ORDER BY a, b");

  for (const std::int64_t size : {1, 7, 100, 1000}) {
    std::vector<Key> keys;
    std::optional<Key> after;
    const Key end = *source.last_key();
    while (const auto cut = source.cut(after, end, 1)) keys.push_back(*(after = cut->upto));
    std::size_t place = 0;
    const ResetAtEnd reset(all);
    while (all.step()) EXPECT_EQ(keys.at(place++), read_key(all, 2));
    EXPECT_EQ(place, keys.size());
    EXPECT_EQ(walk(source, spec, size).size(), keys.size());
  }
}

TEST(SqliteSource, AnEmptyTableHasNoLastKey) {
  const SqliteFile file("CREATE TABLE t (id INTEGER PRIMARY KEY)");
  SqliteSource source(file.path(), file.read_spec("t"));

  EXPECT_EQ(source.last_key(), std::nullopt);
  EXPECT_FALSE(source.cut(std::nullopt, key_of({"5"}), 10).has_value());
}

TEST(SqliteSource, CutsNoFurtherThanTheEndAndNotByWhere) {
  const SqliteFile file(
      "CREATE TABLE t (id INTEGER PRIMARY KEY, v); INSERT INTO t (id) VALUES (1), (2), (3), (9)");
  ReadSpec spec = file.read_spec("t");
  spec.where = "v IS NOT NULL";
  SqliteSource source(file.path(), spec);

  const auto cut = source.cut(key_of({"1"}), key_of({"5"}), 100);

  ASSERT_TRUE(cut.has_value());
  EXPECT_EQ(cut->upto, key_of({"3"}));
  EXPECT_EQ(cut->keys, 2);
  EXPECT_FALSE(source.cut(key_of({"3"}), key_of({"5"}), 100).has_value());
}

TEST(SqliteSource, ReadsOnlyRowsThatMatchWhereEvenWhenItEndsInAComment) {
  const SqliteFile file(
      "CREATE TABLE t (id INTEGER PRIMARY KEY, v); CREATE INDEX t_v ON t (v);"
      "INSERT INTO t VALUES (1, 'x'), (2, 'y'), (3, 'x'), (4, 'x')");
  ReadSpec spec = file.read_spec("t");
  spec.where = "v = 'x' OR v = 'z' -- the good ones";
  SqliteSource source(file.path(), spec);
  Chunk chunk = chunk_up_to("3");
  Batch batch;

  source.read(chunk, batch);
  EXPECT_EQ(batch.rows(), 2U);
  source.read_keys({key_of({"4"}), key_of({"2"}), key_of({"77"})}, batch);
  EXPECT_EQ(batch.rows(), 1U);
}

TEST(SqliteSource, EveryStatementSearchesTheKeyAndSortsNothing) {
  const SqliteFile file(
      "CREATE TABLE t (id INTEGER PRIMARY KEY, v); CREATE INDEX t_v ON t (v);"
      "CREATE TABLE c (a INT NOT NULL, b TEXT NOT NULL, v, UNIQUE (a, b)); CREATE INDEX c_v ON c "
      "(v);"
      "CREATE TABLE w (a TEXT, b INT, v, PRIMARY KEY (a, b)) WITHOUT ROWID; CREATE INDEX w_v ON w "
      "(v)");
  const std::map<std::string, std::vector<std::string>> keys{
      {"t", {}}, {"c", {"a", "b"}}, {"w", {}}};

  for (const auto& [table, key] : keys) {
    ReadSpec spec = file.read_spec(table, key);
    spec.where = "v = 'x'";
    SqliteSource source(file.path(), spec);
    for (const Statement& statement : source.statements()) {
      for (const std::string& line : file.rows("EXPLAIN QUERY PLAN " + statement.sql)) {
        EXPECT_EQ(line.find("TEMP B-TREE"), std::string::npos) << statement.sql << line;
        if (statement.purpose != "find the last key") {
          EXPECT_NE(line.find("SEARCH"), std::string::npos) << statement.sql << line;
        }
      }
    }
  }
}

TEST(SqliteSource, RefusesABatchOverItsBytesUnlessItIsOneRow) {
  const SqliteFile file(
      "CREATE TABLE t (id INTEGER PRIMARY KEY, v); INSERT INTO t VALUES (1, zeroblob(1000)), (2, "
      "zeroblob(1000))");
  ReadSpec spec = file.read_spec("t");
  spec.bytes_max = 500;
  SqliteSource source(file.path(), spec);
  Batch batch;

  source.read(chunk_up_to("1"), batch);
  EXPECT_EQ(batch.rows(), 1U);
  EXPECT_EQ(error_of([&] { source.read(chunk_up_to("2"), batch); }).kind(), ErrorKind::too_large);
}

TEST(SqliteSource, PutsKeysIntoTheOrderOfTheirCollation) {
  const SqliteFile file("CREATE TABLE t (a TEXT COLLATE NOCASE PRIMARY KEY NOT NULL)");
  SqliteSource source(file.path(), file.read_spec("t"));

  const auto sorted =
      source.in_key_order({key_of({"'b'"}), key_of({"'C'"}), key_of({"'A'"}), key_of({"2"})});

  EXPECT_EQ(display(sorted), (std::vector<std::string>{"2", "'A'", "'b'", "'C'"}));
  EXPECT_EQ(display(source.in_key_order(sorted)), display(sorted));
}

TEST(SqliteSource, LeavesNoReadLockBehindAlsoAfterAnError) {
  const SqliteFile file(
      "CREATE TABLE t (id INTEGER PRIMARY KEY, v); INSERT INTO t VALUES (1, 'x'), (2, 'y'), (3, "
      "'z')");
  ReadSpec spec = file.read_spec("t");
  spec.bytes_max = 1;
  SqliteSource source(file.path(), spec);
  Batch batch;
  source.cut(std::nullopt, key_of({"3"}), 1);
  error_of([&] { source.read(chunk_up_to("3"), batch); });

  SqliteConnection writer(file.path(), SqliteConnection::Mode::read_write,
                          std::chrono::milliseconds(0));
  EXPECT_NO_THROW(writer.execute("BEGIN EXCLUSIVE; COMMIT"));
}

TEST(SqliteSource, KeysAreBoundAndNeverRunAsSql) {
  const SqliteFile file("CREATE TABLE t (a TEXT PRIMARY KEY NOT NULL); INSERT INTO t VALUES ('x')");
  SqliteSource source(file.path(), file.read_spec("t"));

  const Error error =
      error_of([&] { source.cut(std::nullopt, key_of({"'x'); DROP TABLE t; --"}), 5); });

  EXPECT_EQ(error.kind(), ErrorKind::stop);
  EXPECT_EQ(file.rows("SELECT a FROM t").size(), 1U);
}

TEST(SqliteSource, ACancelFromAnotherThreadEndsARead) {
  const SqliteFile file("CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1), (2)");
  ReadSpec spec = file.read_spec("t", {},
                                 {"id",
                                  "(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM "
                                  "n) SELECT max(i) FROM n) as x"});
  SqliteSource source(file.path(), spec);
  Batch batch;
  std::atomic<bool> over = false;

  std::thread canceller([&] {
    while (!over) source.cancel();
  });
  const Error error = error_of([&] { source.read(chunk_up_to("2"), batch); });
  over = true;
  canceller.join();

  EXPECT_EQ(error.kind(), ErrorKind::cancelled);
}

TEST(SqliteSource, ReadsAgainAfterReconnecting) {
  const SqliteFile file("CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1), (2)");
  SqliteSource source(file.path(), file.read_spec("t"));

  source.reconnect();

  EXPECT_EQ(source.last_key(), key_of({"2"}));
}

}  // namespace
}  // namespace backfill
