#include "postgres/source.h"

#include <random>

#include "copy_job.h"
#include "expect_error.h"
#include "support/postgres_fixture.h"

namespace backfill {
namespace {

class SourceTest : public PostgresTest {
 protected:
  // What each key type must survive: chunks of one, of three and of all keys give every row of
  // `a` once, in the order of the server, and find single keys again.
  void expect_walk(const std::string& order_by, const std::vector<std::string>& key = {}) {
    CopyJob job{.source_url = url(), .target_url = url()};
    job.key = key;
    CopyParts parts(job);
    const std::vector<std::string> all = rows("SELECT n FROM a ORDER BY " + order_by);
    for (const std::int64_t keys : {1, 3, 1000}) {
      SCOPED_TRACE("chunks of " + std::to_string(keys));
      std::vector<std::string> seen;
      std::vector<Key> ends;
      for (const Chunk& chunk : parts.plan(keys)) {
        Batch batch;
        parts.source->read(chunk, batch);
        EXPECT_EQ(static_cast<std::int64_t>(batch.rows()), chunk.keys);
        for (const std::string& n : numbers(parts, batch)) seen.push_back(n);
        ends.push_back(chunk.upto);
      }
      EXPECT_EQ(seen, all);
      EXPECT_EQ(ends, shuffled_and_sorted(parts, ends));
      expect_found(parts, ends);
    }
  }

 private:
  static std::vector<Key> shuffled_and_sorted(CopyParts& parts, std::vector<Key> keys) {
    const unsigned seed = std::random_device{}();
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::shuffle(keys.begin(), keys.end(), std::mt19937(seed));
    return parts.source->in_key_order(keys);
  }

  static void expect_found(CopyParts& parts, const std::vector<Key>& keys) {
    Batch batch;
    parts.source->read_keys(keys, batch);
    EXPECT_EQ(batch.rows(), keys.size());
  }

  // Column n of each row.
  static std::vector<std::string> numbers(const CopyParts& parts, const Batch& batch) {
    const Columns columns = parts.layout.read_columns();
    const auto n = static_cast<std::size_t>(find_column(columns, "n"));
    std::vector<std::string> found;
    std::vector<Cell> cells;
    for (std::size_t row = 0; row < batch.rows(); ++row) {
      read_cells(batch.tuple(row), columns.size(), cells);
      found.push_back(display_cell(columns[n], cells[n]));
    }
    return found;
  }
};

struct KeyCase {
  const char* name;
  const char* type;
  const char* values;
};

class KeyTypes : public SourceTest, public ::testing::WithParamInterface<KeyCase> {};

TEST_P(KeyTypes, AreWalkedInTheServersOrder) {
  const std::string type = GetParam().type;
  const std::string table = "(k " + type + " PRIMARY KEY, n int)";
  execute("CREATE TYPE mood AS ENUM ('wild', 'sad', 'ok', 'a')");
  execute("CREATE DOMAIN small AS int CHECK (value < 1000)");
  execute("CREATE TABLE a " + table + "; CREATE TABLE b " + table);
  execute("INSERT INTO a SELECT v::" + type + ", row_number() OVER () FROM (VALUES " +
          std::string(GetParam().values) + ") AS x(v)");

  expect_walk("a.k");
}

INSTANTIATE_TEST_SUITE_P(
    OfEveryKind, KeyTypes,
    ::testing::Values(
        KeyCase{"smallint", "smallint", "(-32768), (0), (32767), (5)"},
        KeyCase{"bigint", "bigint",
                "(-9223372036854775808), (-5), (0), (1), (4000000000), (9223372036854775807)"},
        KeyCase{"numeric", "numeric",
                "('NaN'), ('Infinity'), ('-Infinity'), ('1.10'), ('-0.0001'), "
                "('99999999999999999999')"},
        KeyCase{"numeric_with_scale", "numeric(12,2)", "('NaN'), ('1.10'), ('-1.1'), ('0')"},
        KeyCase{"real", "real", "('NaN'), ('-0'), ('1e-40'), ('0.1'), ('Infinity'), ('16777217')"},
        KeyCase{"double", "double precision",
                "('NaN'), ('-0'), ('0.1'), ('5e-324'), ('-Infinity'), ('0.30000000000000004')"},
        KeyCase{"text", "text",
                "(''), ('a'), ('B'), ('it''s'), ('\\x'), ('ä'), (E'tab\\there'), (',')"},
        KeyCase{"varchar", "varchar(9)", "(''), ('a '), ('a'), ('NULL'), ('\"q\"')"},
        KeyCase{"char", "char(5)", "(''), ('a'), ('ab'), ('  x')"},
        KeyCase{"one_byte_char", "\"char\"", "(''), ('a'), ('Z'), ('''')"},
        KeyCase{"name", "name", "('a'), ('B'), ('a b')"},
        KeyCase{"boolean", "boolean", "('f'), ('t')"},
        KeyCase{
            "uuid", "uuid",
            "('ffffffff-ffff-ffff-ffff-ffffffffffff'), ('00000000-0000-0000-0000-000000000000'), "
            "('7f3a9c52-1111-4222-8333-444455556666')"},
        KeyCase{"bytea", "bytea", "('\\x'), ('\\x00'), ('\\xff00'), ('\\x5c')"},
        KeyCase{"date", "date", "('infinity'), ('-infinity'), ('0044-03-15 BC'), ('2024-02-29')"},
        KeyCase{"timestamp", "timestamp",
                "('infinity'), ('2024-02-29 23:59:59.999999'), ('0001-01-01 BC')"},
        KeyCase{
            "timestamptz", "timestamptz",
            "('infinity'), ('-infinity'), ('2024-10-27 02:30:00+02'), ('2024-10-27 02:30:00+01')"},
        KeyCase{"interval", "interval",
                "('1 year 2 days'), ('-3 hours'), ('0'), ('31 days 00:00:00.000001')"},
        KeyCase{"time", "time", "('24:00'), ('00:00'), ('12:34:56.789')"},
        KeyCase{"inet", "inet", "('10.0.0.1'), ('10.0.0.0/8'), ('::1')"},
        KeyCase{"macaddr", "macaddr", "('08:00:2b:01:02:03'), ('00:00:00:00:00:00')"},
        KeyCase{"bits", "bit(3)", "('101'), ('000'), ('111')"},
        KeyCase{"oid", "oid", "('4294967295'), ('0'), ('7')"},
        KeyCase{"enumeration", "mood", "('a'), ('wild'), ('sad'), ('ok')"},
        KeyCase{"domain", "small", "(-7), (0), (999)"},
        KeyCase{"array", "int[]", "('{}'), ('{1,NULL}'), ('{1,2}'), ('{{1,2},{3,4}}')"},
        KeyCase{"range", "int4range", "('empty'), ('[1,5)'), ('(,3)'), ('[2,)')"},
        KeyCase{"jsonb", "jsonb", "('{\"a\": 1}'), ('null'), ('\"x\"'), ('[1, 2]'), ('1.10')"}),
    [](const auto& each) { return each.param.name; });

TEST_F(SourceTest, WalksCompositeKeysInTheOrderOfTheIndex) {
  for (const char* table : {"a", "b"}) {
    execute("CREATE TABLE " + std::string(table) +
            " (id int, region text, at timestamptz, n serial, PRIMARY KEY (region, at, id))");
  }
  execute(
      "INSERT INTO a SELECT i % 7, chr(97 + i % 3), '2024-01-01'::timestamptz + i % 5 * interval "
      "'1 h' "
      "FROM generate_series(1, 104) i");

  expect_walk("region, at, id");
}

TEST_F(SourceTest, WalksTextUnderANondeterministicCollation) {
  execute(
      "CREATE COLLATION anycase (provider = icu, locale = 'und-u-ks-level2', deterministic = "
      "false); "
      "CREATE TABLE a (k text COLLATE anycase PRIMARY KEY, n serial); "
      "CREATE TABLE b (LIKE a INCLUDING ALL); "
      "INSERT INTO a (k) VALUES ('b'), ('A'), ('C'), ('a1'), ('Ä'), ('B2'), ('')");

  expect_walk("k");
}

TEST_F(SourceTest, WalksByTheCollationOfTheIndex) {
  execute(
      "CREATE TABLE a (k text COLLATE \"C\" NOT NULL, n serial); "
      "CREATE UNIQUE INDEX ON a (k COLLATE \"en-x-icu\"); CREATE TABLE b (LIKE a INCLUDING ALL); "
      "INSERT INTO a (k) VALUES ('b'), ('A'), ('C'), ('a'), ('Z'), ('z')");

  expect_walk("k COLLATE \"en-x-icu\"", {"k"});
}

TEST_F(SourceTest, ComparesCitextWithItsOwnOperatorsWhereverTheyAre) {
  execute(
      "CREATE SCHEMA ext; CREATE EXTENSION citext SCHEMA ext; "
      "CREATE TABLE a (k ext.citext PRIMARY KEY, n serial); CREATE TABLE b (LIKE a INCLUDING ALL); "
      "INSERT INTO a (k) VALUES ('b'), ('A'), ('C'), ('aa'), ('Bb'), ('Z'), ('z1')");

  expect_walk("k OPERATOR(ext.<) 'a'::ext.citext DESC, lower(k::text)");
}

TEST_F(SourceTest, WalksPartitions) {
  execute(
      "CREATE TABLE a (k int PRIMARY KEY, n int) PARTITION BY HASH (k); "
      "CREATE TABLE a0 PARTITION OF a FOR VALUES WITH (MODULUS 2, REMAINDER 0); "
      "CREATE TABLE a1 PARTITION OF a FOR VALUES WITH (MODULUS 2, REMAINDER 1); "
      "CREATE TABLE b (k int PRIMARY KEY, n int); "
      "INSERT INTO a SELECT i, i FROM generate_series(1, 50) i");

  expect_walk("k");
}

TEST_F(SourceTest, TakesNamesThatLookLikeSql) {
  execute(
      "CREATE TABLE \"a\"\"; drop table b; --\" (\"k\"\" ' \" int PRIMARY KEY, \"select\" text); "
      "CREATE TABLE b (\"k\"\" ' \" int PRIMARY KEY, \"select\" text); "
      "INSERT INTO \"a\"\"; drop table b; --\" VALUES (1, 'x'), (2, 'it''s')");
  CopyJob job{.source_url = url(), .target_url = url()};
  job.source_table = "\"a\"\"; drop table b; --\"";

  CopyParts(job).copy_all(1);

  EXPECT_EQ(rows("TABLE b"), (std::vector<std::string>{"1|x", "2|it's"}));
}

TEST_F(SourceTest, EndsOnlyWhereNoKeyIsLeft) {
  execute("CREATE TABLE a (k bigint PRIMARY KEY); CREATE TABLE b (k bigint PRIMARY KEY)");
  CopyParts parts({.source_url = url(), .target_url = url()});

  EXPECT_FALSE(parts.source->last_key());
  execute("INSERT INTO a VALUES (-5), (3000000000), (9000000000)");

  EXPECT_EQ(parts.source->last_key()->values, std::vector<std::string>{"9000000000"});
  const auto first = parts.source->cut({}, Key{{"9000000000"}}, 2);
  EXPECT_EQ(first->upto.values, std::vector<std::string>{"3000000000"});
  EXPECT_EQ(first->keys, 2);
  const auto last = parts.source->cut(first->upto, Key{{"9000000000"}}, 2);
  EXPECT_EQ(last->keys, 1);
  EXPECT_FALSE(parts.source->cut(last->upto, Key{{"9000000000"}}, 2));
}

TEST_F(SourceTest, FindsTheEndsOfSeveralChunksAsOneByOne) {
  execute(
      "CREATE TABLE a (k int, t text, PRIMARY KEY (k, t)); CREATE TABLE b (LIKE a INCLUDING ALL); "
      "INSERT INTO a SELECT i / 3, 'x' || i FROM generate_series(1, 100, 3) AS i");
  CopyParts parts({.source_url = url(), .target_url = url()});
  const Key end{{"30", "x91"}};
  std::vector<Source::Cut> one_by_one;
  std::optional<Key> after;
  while (const auto cut = parts.source->cut(after, end, 4)) {
    one_by_one.push_back(*cut);
    after = cut->upto;
  }
  ASSERT_GT(one_by_one.size(), 6U);

  std::vector<Source::Cut> together;
  after.reset();
  while (true) {
    const auto cuts = parts.source->cuts(after, end, 4, 3);
    EXPECT_LE(cuts.size(), 3U);
    if (cuts.empty()) break;
    together.insert(together.end(), cuts.begin(), cuts.end());
    after = cuts.back().upto;
  }

  ASSERT_EQ(together.size(), one_by_one.size());
  for (std::size_t i = 0; i < together.size(); ++i) {
    EXPECT_EQ(together[i].upto, one_by_one[i].upto);
    EXPECT_EQ(together[i].keys, one_by_one[i].keys);
  }
}

TEST_F(SourceTest, LeavesRowsAboveTheEndKeyAlone) {
  execute(
      "CREATE TABLE a (k int PRIMARY KEY); CREATE TABLE b (k int PRIMARY KEY); "
      "INSERT INTO a SELECT generate_series(1, 10)");
  CopyParts parts({.source_url = url(), .target_url = url()});

  const auto cut = parts.source->cut({}, Key{{"7"}}, 100);

  EXPECT_EQ(cut->upto.values, std::vector<std::string>{"7"});
  EXPECT_EQ(cut->keys, 7);
}

TEST_F(SourceTest, CutsByKeysWhateverWhereSays) {
  execute(
      "CREATE TABLE a (k int PRIMARY KEY, x int); CREATE TABLE b (k int PRIMARY KEY, x int); "
      "INSERT INTO a SELECT i, i % 10 FROM generate_series(1, 100) i");
  CopyJob job{.source_url = url(), .target_url = url()};
  job.where = "x = 3 or x = 4";
  CopyParts parts(job);

  const auto chunks = parts.plan(50);
  Batch batch;
  parts.source->read(chunks.at(1), batch);

  EXPECT_EQ(chunks.size(), 2u);
  EXPECT_EQ(batch.rows(), 10u);
}

TEST_F(SourceTest, SortsByTheKeyWhenAnExpressionTakesItsName) {
  execute(
      "CREATE TABLE a (k int PRIMARY KEY, n int); CREATE TABLE b (k text PRIMARY KEY, n int); "
      "INSERT INTO a SELECT i, i FROM generate_series(8, 12) i");
  PgConnection connection(url(), "job", "source");
  ReadSpec spec;
  spec.table = "public.a";
  Column k;
  k.name = "k";
  k.type = "text";
  k.kind = Kind::text;
  spec.columns = {{k, "\"k\"::text", true}};
  k.type = "integer";
  k.oid = 23;
  spec.key = {k};
  PostgresSource source(url(), "job", spec);
  Chunk chunk;
  chunk.upto = Key{{"12"}};
  Batch batch;

  source.read(chunk, batch);

  ASSERT_EQ(batch.rows(), 5u);
  std::vector<Cell> cells;
  read_cells(batch.tuple(0), 1, cells);
  EXPECT_EQ(cells[0].view(), "8");
}

TEST_F(SourceTest, CallsABatchOverItsBytesTooLarge) {
  execute(
      "CREATE TABLE a (k int PRIMARY KEY, x text); CREATE TABLE b (LIKE a INCLUDING ALL); "
      "INSERT INTO a SELECT i, repeat('x', 1000) FROM generate_series(1, 5000) i");
  CopyParts parts({.source_url = url(), .target_url = url()});
  parts.read.bytes_max = 10'000;
  PostgresSource source(url(), "job", parts.read);
  Chunk chunk;
  chunk.upto = Key{{"5000"}};
  Batch batch;

  const Error error = error_of([&] { source.read(chunk, batch); });
  chunk.upto = Key{{"9"}};
  source.read(chunk, batch);

  EXPECT_EQ(error.kind(), ErrorKind::too_large);
  EXPECT_EQ(batch.rows(), 9u);
}

TEST_F(SourceTest, TakesOneRowHoweverLargeItIs) {
  execute(
      "CREATE TABLE a (k int PRIMARY KEY, x text); CREATE TABLE b (LIKE a INCLUDING ALL); "
      "INSERT INTO a VALUES (1, repeat('x', 100000))");
  CopyParts parts({.source_url = url(), .target_url = url()});
  parts.read.bytes_max = 10'000;
  PostgresSource source(url(), "job", parts.read);
  Chunk chunk;
  chunk.upto = Key{{"1"}};
  Batch batch;

  source.read(chunk, batch);

  EXPECT_EQ(batch.rows(), 1u);
}

TEST_F(SourceTest, ReadsOnlyTheKeysThatAreThere) {
  execute(
      "CREATE TABLE a (x int, y text, PRIMARY KEY (x, y)); CREATE TABLE b (LIKE a INCLUDING ALL); "
      "INSERT INTO a SELECT i, 'v' FROM generate_series(1, 3000) i");
  CopyParts parts({.source_url = url(), .target_url = url()});
  std::vector<Key> keys;
  for (int i = 2001; i <= 4500; ++i) keys.push_back(Key{{std::to_string(i), "v"}});
  Batch batch;

  parts.source->read_keys(keys, batch);

  EXPECT_EQ(batch.rows(), 1000u);
}

TEST_F(SourceTest, FailsRatherThanEndEarlyWhenARowCannotBeRead) {
  execute(
      "CREATE TABLE a (k int PRIMARY KEY, x int); CREATE TABLE b (k int PRIMARY KEY, y int); "
      "INSERT INTO a SELECT i, i - 50 FROM generate_series(1, 100) i");
  CopyJob job{.source_url = url(), .target_url = url()};
  job.columns = {"k", "1000 / x as y"};
  CopyParts parts(job);
  Chunk chunk;
  chunk.upto = Key{{"100"}};
  Batch batch;

  const Error error = error_of([&] { parts.source->read(chunk, batch); });

  EXPECT_EQ(error.code(), "22012");
}

TEST_F(SourceTest, UsesTheIndexAndShowsIt) {
  execute("CREATE TABLE a (k int PRIMARY KEY, x text); CREATE TABLE b (LIKE a INCLUDING ALL)");
  execute("INSERT INTO a SELECT i, 'x' FROM generate_series(1, 20000) i");
  CopyParts parts({.source_url = url(), .target_url = url()});

  const auto statements = parts.source->statements();

  EXPECT_EQ(
      statements.back().sql,
      "COPY (SELECT \"k\", \"x\" FROM public.a WHERE \"a\".\"k\" > $after AND \"a\".\"k\" <= $upto "
      "ORDER BY \"a\".\"k\") TO STDOUT (FORMAT binary)");
  std::string plan;
  for (const std::string& line : rows("EXPLAIN SELECT k FROM a WHERE a.k > '17'::integer AND a.k "
                                      "<= '9000'::integer ORDER BY a.k "
                                      "LIMIT 1 OFFSET 999")) {
    plan += line;
  }
  EXPECT_NE(plan.find("Index"), std::string::npos) << plan;
}

}  // namespace
}  // namespace backfill
