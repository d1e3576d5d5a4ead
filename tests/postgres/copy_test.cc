// Whole copies: every type arrives as it was, in one database and between two.

#include "copy_job.h"
#include "expect_error.h"
#include "support/postgres_fixture.h"

namespace backfill {
namespace {

class Copy : public PostgresTest {};

struct TypeCase {
  const char* name;
  const char* type;
  const char* values;
};

constexpr const char* user_types =
    "CREATE TYPE mood AS ENUM ('sad', 'ok', 'it''s \"fine\"'); "
    "CREATE DOMAIN percent AS numeric(5,2) CHECK (value BETWEEN 0 AND 100); "
    "CREATE TYPE pair AS (a int, b text, m mood); "
    "CREATE TYPE mood_range AS RANGE (subtype = mood)";

constexpr TypeCase types[] = {
    {"boolean", "boolean", "(true), (false)"},
    {"integers", "bigint", "(-9223372036854775808), (0), (9223372036854775807)"},
    {"numeric", "numeric",
     "('NaN'), ('Infinity'), ('-Infinity'), ('0.00'), ('-1e-20'), ('1e100'), ('1.10')"},
    {"money", "money", "(12.34), (-1)"},
    {"real", "double precision", "('NaN'), ('-0'), ('5e-324'), ('-Infinity')"},
    {"text", "text", "(''), (E'a\\nb\\t\\\\N'), ('äöü €'), ('NULL')"},
    {"char", "char(5)", "(''), ('ab')"},
    {"varchar", "varchar(5)", "('abcde'), ('a ')"},
    {"bytea", "bytea", "('\\x'), ('\\x00ff5c0a')"},
    {"uuid", "uuid", "('7f3a9c52-1111-4222-8333-444455556666')"},
    {"json", "json", "('{\"b\":1, \"a\" : 1.0}'), ('null')"},
    {"jsonb", "jsonb", "('{\"b\":1, \"a\" : 1.10}'), ('null'), ('[]')"},
    {"date", "date", "('infinity'), ('-infinity'), ('4714-11-24 BC'), ('5874897-12-31')"},
    {"timestamptz", "timestamptz",
     "('infinity'), ('-infinity'), ('2024-10-27 02:30:00.123456+01')"},
    {"timestamp", "timestamp(0)", "('2024-10-27 02:30:00.7')"},
    {"interval", "interval", "('1 mon -1 day 00:00:00.000001')"},
    {"timetz", "timetz", "('04:05:06.789-08')"},
    {"arrays", "int[]", "('{}'), ('{NULL,1}'), ('{{1,2},{3,NULL}}'), ('[5:6]={1,2}')"},
    {"text_arrays", "text[]", "('{}'), ('{NULL,\"NULL\",\"a,b\",\"\\\"\"}')"},
    {"range", "int4range", "('empty'), ('[1,5)'), ('(,)')"},
    {"multirange", "int4multirange", "('{}'), ('{[1,3),[7,9)}')"},
    {"network", "inet", "('10.0.0.0/8'), ('::1')"},
    {"bits", "bit varying(9)", "('101'), ('')"},
    {"search", "tsvector", "('a:1 fat:2A')"},
    {"geometry", "polygon", "('((0,0),(1,1),(2,0))')"},
    {"xml", "xml", "('<a>b</a>')"},
    {"enumeration", "mood", "('sad'), ('it''s \"fine\"')"},
    {"domain", "percent", "(0), (99.5)"},
    {"composite", "pair", "('(1,\"x,y\",ok)'), ('(,,)')"},
    {"enum_array", "mood[]", "('{sad,NULL,ok}'), ('{}')"},
    {"composite_array", "pair[]", "('{\"(1,a,sad)\",NULL}')"},
    {"user_range", "mood_range", "('[sad,ok]'), ('empty')"},
};

class CopyOfType : public Copy, public ::testing::WithParamInterface<TypeCase> {
 protected:
  static std::string table(const std::string& name) {
    return "CREATE TABLE " + name + " (id serial PRIMARY KEY, v " + GetParam().type + ")";
  }
  static std::string fill() {
    const std::string type = GetParam().type;
    return "INSERT INTO a (v) SELECT x.v::" + type + " FROM (VALUES " + GetParam().values +
           ") AS x(v) UNION ALL SELECT NULL";
  }
};

TEST_P(CopyOfType, IsTheSameByteForByteInOneDatabase) {
  execute(user_types);
  execute(table("a") + "; " + table("b"));
  execute(fill());

  const WriteReport report = CopyParts({.source_url = url(), .target_url = url()}).copy_all(2);

  EXPECT_EQ(std::to_string(report.written), value("SELECT count(*) FROM a"));
  EXPECT_EQ(
      value("SELECT count(*) FROM a"),
      value(
          "SELECT count(*) FROM a JOIN b ON a.id = b.id AND ROW(a.v)::record *= ROW(b.v)::record"));
}

TEST_P(CopyOfType, IsTheSameInAnotherDatabase) {
  TestDatabase other;
  execute(user_types);
  // Other numbers for the same types.
  other.execute("CREATE TYPE unrelated AS ENUM ('x')");
  other.execute(user_types);
  execute(table("a"));
  execute(fill());
  other.execute(table("b"));

  CopyParts({.source_url = url(), .target_url = other.url()}).copy_all(2);

  EXPECT_EQ(rows("SELECT id, v FROM a ORDER BY id"), other.rows("SELECT id, v FROM b ORDER BY id"));
}

INSTANTIATE_TEST_SUITE_P(OfEveryKind, CopyOfType, ::testing::ValuesIn(types),
                         [](const auto& each) { return each.param.name; });

TEST_F(Copy, CastsWhereTypesDiffer) {
  execute(
      "CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE DOMAIN code AS varchar(3); "
      "CREATE TABLE a (id int PRIMARY KEY, n text, m text, j text, t timestamp, u numeric, c "
      "text); "
      "CREATE TABLE b (id bigint PRIMARY KEY, n numeric(6,2), m mood, j jsonb, t timestamptz, u "
      "int, c code); "
      "INSERT INTO a VALUES (1, '1.005', 'ok', '{\"a\":1}', '2024-01-01', 7, 'abc'), "
      "(2, NULL, NULL, NULL, NULL, NULL, NULL)");
  CopyParts parts({.source_url = url(), .target_url = url()});

  parts.copy_all(10);

  EXPECT_EQ(rows("TABLE b"),
            (std::vector<std::string>{"1|1.01|ok|{\"a\": 1}|2024-01-01 00:00:00+00|7|abc",
                                      "2|NULL|NULL|NULL|NULL|NULL|NULL"}));
  EXPECT_EQ(parts.target_database.conversions(parts.write).at(0),
            "column id: integer -> bigint, cast by the server");
}

TEST_F(Copy, NeverCutsAValueOffToMakeItFit) {
  execute(
      "CREATE DOMAIN code AS varchar(3); CREATE TABLE a (id int PRIMARY KEY, c text); "
      "INSERT INTO a VALUES (1, 'abcd')");
  for (const char* type : {"varchar(3)", "char(3)", "code"}) {
    execute("DROP TABLE IF EXISTS b; CREATE TABLE b (id int PRIMARY KEY, c " + std::string(type) +
            ")");
    CopyParts parts({.source_url = url(), .target_url = url()});

    const Error error = error_of([&] { parts.copy_all(10); });

    EXPECT_EQ(error.code(), "22001") << type;
    EXPECT_EQ(error.kind(), ErrorKind::reject) << type;
  }
}

TEST_F(Copy, FillsIdentityColumnsWithTheSourcesNumbers) {
  execute(
      "CREATE TABLE a (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, x int, "
      "y int GENERATED ALWAYS AS (x * 2) STORED); CREATE TABLE b (LIKE a INCLUDING ALL); "
      "INSERT INTO a (x) VALUES (5), (6); DELETE FROM a WHERE id = 1");
  for (const WriteMode mode : {WriteMode::insert_missing, WriteMode::upsert, WriteMode::insert}) {
    execute("TRUNCATE b");
    CopyJob job{.source_url = url(), .target_url = url()};
    job.mode = mode;

    CopyParts(job).copy_all(10);

    EXPECT_EQ(rows("TABLE b"), std::vector<std::string>{"2|6|12"}) << write_mode_name(mode);
  }
}

}  // namespace
}  // namespace backfill
