#include "postgres/table.h"

#include "expect_error.h"
#include "support/postgres_fixture.h"

namespace backfill {
namespace {

class Table : public PostgresTest {
 protected:
  TableFacts inspect(const std::string& table, const std::vector<std::string>& key = {},
                     const std::string& where = "") {
    PgConnection connection(url(), "job", "source");
    return inspect_table(connection, table, key, where);
  }

  std::vector<ReadColumn> type(const std::string& table, const std::vector<std::string>& items) {
    PgConnection connection(url(), "job", "source");
    return type_columns(connection, inspect_table(connection, table, {}, ""), items);
  }

  Column column_of_type(const std::string& type) {
    execute("DROP TABLE IF EXISTS typed; CREATE TABLE typed (id int PRIMARY KEY, c " + type + ")");
    return inspect("typed").columns.at(1);
  }
};

TEST_F(Table, KnowsColumnsWithTheirTypes) {
  execute(
      "CREATE TABLE t (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, "
      "price numeric(12,2) NOT NULL, name varchar(20), twice bigint GENERATED ALWAYS AS (id * 2) "
      "STORED, "
      "gone int, at timestamptz(3)); ALTER TABLE t DROP COLUMN gone");

  const TableFacts facts = inspect("t");

  EXPECT_EQ(facts.name, "public.t");
  EXPECT_EQ(facts.key, std::vector<std::string>{"id"});
  EXPECT_EQ(facts.key_index, "t_pkey");
  ASSERT_EQ(facts.columns.size(), 5u);
  EXPECT_EQ(facts.columns[0].type, "bigint");
  EXPECT_TRUE(facts.columns[0].always_identity);
  EXPECT_TRUE(facts.columns[0].not_null);
  EXPECT_EQ(facts.columns[1].type, "numeric(12,2)");
  EXPECT_EQ(facts.columns[1].kind, Kind::numeric);
  EXPECT_TRUE(facts.columns[1].not_null);
  EXPECT_EQ(facts.columns[2].type, "character varying(20)");
  EXPECT_EQ(facts.columns[2].collation, "pg_catalog.\"default\"");
  EXPECT_TRUE(facts.columns[3].generated);
  EXPECT_EQ(facts.columns[4].type, "timestamp(3) with time zone");
  EXPECT_EQ(facts.columns[4].kind, Kind::timestamptz);
}

TEST_F(Table, SeesThroughDomainsAndQualifiesUserTypes) {
  execute("CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE DOMAIN age AS int CHECK (value >= 0)");

  const Column mood = column_of_type("mood");
  const Column age = column_of_type("age");

  EXPECT_EQ(mood.type, "public.mood");
  EXPECT_EQ(mood.kind, Kind::text);
  EXPECT_FALSE(mood.database_bound);
  EXPECT_EQ(age.type, "public.age");
  EXPECT_EQ(age.kind, Kind::int32);
  EXPECT_FALSE(age.database_bound);
}

TEST_F(Table, KnowsWhichBinaryFormsMeanSomethingOnlyHere) {
  execute(
      "CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE TYPE pair AS (a int, b text); "
      "CREATE DOMAIN moods AS mood[]; CREATE TYPE mood_range AS RANGE (subtype = mood)");

  for (const char* type : {"pair", "pair[]", "mood[]", "moods", "mood_range"}) {
    EXPECT_TRUE(column_of_type(type).database_bound) << type;
  }
  for (const char* type :
       {"int[]", "text[]", "int4range", "jsonb", "numeric", "inet", "tsvector"}) {
    EXPECT_FALSE(column_of_type(type).database_bound) << type;
  }
}

TEST_F(Table, GivesTheKeyInTheOrderOfItsIndex) {
  execute("CREATE TABLE t (a int NOT NULL, b text NOT NULL, PRIMARY KEY (b, a))");

  EXPECT_EQ(inspect("t", {"a", "b"}).key, (std::vector<std::string>{"b", "a"}));
  EXPECT_EQ(inspect("t", {"A", "B"}).key, (std::vector<std::string>{"b", "a"}));
}

TEST_F(Table, ComparesAsTheIndexDoesAndNotTheColumn) {
  execute(
      "CREATE TABLE t (name text COLLATE \"C\" NOT NULL); "
      "CREATE UNIQUE INDEX ON t (name COLLATE \"POSIX\")");

  EXPECT_EQ(inspect("t", {"name"}).columns[0].collation, "pg_catalog.\"POSIX\"");
}

TEST_F(Table, RefusesDeferrableAndPartialAndNullableKeys) {
  execute(
      "CREATE TABLE d (id int PRIMARY KEY DEFERRABLE); "
      "CREATE TABLE p (id int NOT NULL); CREATE UNIQUE INDEX ON p (id) WHERE id > 0; "
      "CREATE TABLE n (id int UNIQUE); CREATE TABLE x (a int NOT NULL); "
      "CREATE UNIQUE INDEX ON x ((a + 1))");

  EXPECT_TRUE(says(error_of([&] { inspect("d"); }), "DEFERRABLE"));
  EXPECT_TRUE(says(error_of([&] { inspect("p", {"id"}); }), "only a part"));
  EXPECT_TRUE(says(error_of([&] { inspect("n", {"id"}); }), "SET NOT NULL"));
  EXPECT_TRUE(says(error_of([&] { inspect("x", {"a"}); }), "no unique index on (a)"));
  EXPECT_TRUE(
      says(error_of([&] { inspect("n", {"nope"}); }), "key column nope is not in public.n"));
}

TEST_F(Table, SuggestsANearName) {
  execute("CREATE SCHEMA app; CREATE TABLE app.customers (id int PRIMARY KEY)");

  const Error error = error_of([&] { inspect("custmers"); });

  EXPECT_EQ(error.exit_code(), ExitCode::unsafe);
  EXPECT_TRUE(says(error, "did you mean app.customers?"));
}

TEST_F(Table, RefusesViews) {
  execute("CREATE VIEW v AS SELECT 1 AS id; CREATE MATERIALIZED VIEW m AS SELECT 1 AS id");

  EXPECT_TRUE(says(error_of([&] { inspect("v"); }), "public.v is a view"));
  EXPECT_TRUE(says(error_of([&] { inspect("m"); }), "materialized view"));
}

TEST_F(Table, TellsTablesAndDatabasesApart) {
  execute("CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE u (id int PRIMARY KEY)");
  TestDatabase other;
  other.execute("CREATE TABLE t (id int PRIMARY KEY)");
  PgConnection elsewhere(other.url(), "job", "target");

  const TableFacts t = inspect("t");
  const TableFacts far = inspect_table(elsewhere, "t", {}, "");

  EXPECT_EQ(t.identity, inspect("public.t").identity);
  EXPECT_NE(t.identity, inspect("u").identity);
  EXPECT_EQ(t.database_identity, inspect("u").database_identity);
  EXPECT_NE(t.database_identity, far.database_identity);
}

TEST_F(Table, CountsASmallTableThatWasNeverAnalyzed) {
  execute("CREATE TABLE t (id int PRIMARY KEY, even boolean)");

  EXPECT_EQ(inspect("t").estimated_rows, 0);
  execute("INSERT INTO t SELECT i, i % 2 = 0 FROM generate_series(1, 1000) i");

  EXPECT_EQ(inspect("t").estimated_rows, 1000);
  EXPECT_EQ(inspect("t", {}, "even -- half").estimated_rows, 500);
}

TEST_F(Table, EstimatesALargeTableThatWasNeverAnalyzedByItsSize) {
  execute("CREATE TABLE t (id int PRIMARY KEY)");
  execute("INSERT INTO t SELECT i FROM generate_series(1, 60000) i");

  EXPECT_NEAR(static_cast<double>(inspect("t").estimated_rows.value_or(0)), 60000, 30000);
}

TEST_F(Table, EstimatesRowsByWhatTheServerKnows) {
  execute("CREATE TABLE t (id int PRIMARY KEY, even boolean)");
  execute("INSERT INTO t SELECT i, i % 2 = 0 FROM generate_series(1, 10000) i");
  execute("ANALYZE t");

  EXPECT_EQ(inspect("t").estimated_rows, 10000);
  EXPECT_NEAR(static_cast<double>(inspect("t", {}, "even").estimated_rows.value_or(0)), 5000, 500);
  EXPECT_GT(inspect("t").estimated_bytes.value_or(0), 10000);
  EXPECT_TRUE(says(error_of([&] { inspect("t", {}, "evn"); }), "\"evn\" does not exist"));
}

TEST_F(Table, TakesPartitionedTables) {
  execute(
      "CREATE TABLE t (id int PRIMARY KEY, x text) PARTITION BY RANGE (id); "
      "CREATE TABLE t1 PARTITION OF t FOR VALUES FROM (1) TO (500); "
      "CREATE TABLE t2 PARTITION OF t FOR VALUES FROM (500) TO (2000); "
      "INSERT INTO t SELECT i, 'x' FROM generate_series(1, 1000) i");
  execute("ANALYZE t");

  const TableFacts facts = inspect("t");

  EXPECT_EQ(facts.key, std::vector<std::string>{"id"});
  EXPECT_NEAR(static_cast<double>(facts.estimated_rows.value_or(0)), 1000, 50);
  EXPECT_GT(facts.estimated_bytes.value_or(0), 0);
}

TEST_F(Table, ListsColumnsThatAnyIndexNames) {
  execute(
      "CREATE TABLE t (id int PRIMARY KEY, a int, b text, c int, d int, e int); "
      "CREATE INDEX ON t (a) WHERE c > 0; CREATE INDEX ON t (lower(b)) INCLUDE (e)");

  EXPECT_EQ(inspect("t").indexed_columns, (std::vector<std::string>{"id", "a", "b", "c", "e"}));
}

TEST_F(Table, TypesSelectItems) {
  execute("CREATE TABLE t (id int PRIMARY KEY, \"Email\" text)");

  const auto columns =
      type("t", {"id", "\"Email\"", "lower(\"Email\") as email", "id + 1.5 as more"});

  ASSERT_EQ(columns.size(), 4u);
  EXPECT_TRUE(columns[0].expression.empty());
  EXPECT_EQ(columns[1].column.name, "Email");
  EXPECT_EQ(columns[2].column.name, "email");
  EXPECT_EQ(columns[2].column.kind, Kind::text);
  EXPECT_EQ(columns[2].expression, "lower(\"Email\")");
  EXPECT_EQ(columns[3].column.type, "numeric");
}

TEST_F(Table, RefusesSelectItemsThatAreNotOneValueARow) {
  execute("CREATE TABLE t (id int PRIMARY KEY, tags text[])");

  for (const char* item : {"count(*) as n", "unnest(tags) as tag", "nope as x", "id +", "id + 1"}) {
    const Error error = error_of([&] { type("t", {item}); });
    EXPECT_EQ(error.exit_code(), ExitCode::unsafe) << item;
    EXPECT_TRUE(says(error, item));
  }
}

TEST_F(Table, NamesTheMissingGrants) {
  execute(
      "DROP ROLE IF EXISTS reader; CREATE ROLE reader LOGIN; CREATE SCHEMA app; "
      "CREATE TABLE t (id int PRIMARY KEY, secret text); GRANT SELECT (id) ON t TO reader; "
      "CREATE TABLE app.hidden (id int PRIMARY KEY)");
  execute("REVOKE TEMPORARY ON DATABASE " + database().name() + " FROM public");
  PgConnection connection(url("reader"), "job", "source");
  const TableFacts facts = inspect("t");
  std::vector<ReadColumn> read;
  std::vector<WriteColumn> write;
  for (const Column& column : facts.columns) {
    read.push_back({column, "", true});
    WriteColumn written;
    written.column = written.target = column;
    written.role = column.name == "id" ? WriteColumn::Role::key : WriteColumn::Role::value;
    write.push_back(written);
  }

  const Error reading = error_of([&] { check_read(connection, facts, read); });
  const Error writing = error_of([&] {
    check_write(connection, facts, WriteMode::upsert, write, /*levels=*/false, /*needs_temp=*/true);
  });
  const Error entering = error_of([&] { inspect_table(connection, "app.hidden", {}, ""); });

  EXPECT_TRUE(says(reading, "GRANT SELECT (\"secret\") ON public.t TO reader"));
  EXPECT_TRUE(says(writing, "GRANT INSERT (\"id\", \"secret\") ON public.t TO reader"));
  EXPECT_TRUE(says(writing, "GRANT UPDATE (\"secret\") ON public.t TO reader"));
  EXPECT_TRUE(says(writing, "GRANT TEMPORARY ON DATABASE"));
  EXPECT_TRUE(says(entering, "GRANT USAGE ON SCHEMA"));
  EXPECT_EQ(writing.exit_code(), ExitCode::unsafe);

  execute("GRANT SELECT, INSERT, UPDATE ON t TO reader; GRANT TEMPORARY ON DATABASE " +
          database().name() + " TO reader");
  EXPECT_NO_THROW(check_read(connection, facts, read));
  EXPECT_NO_THROW(check_write(connection, facts, WriteMode::upsert, write, false, true));
  connection.reconnect();
  execute("DROP OWNED BY reader; DROP ROLE reader");
}

TEST_F(Table, RefusesRowsThatASecurityPolicyHides) {
  execute(
      "DROP ROLE IF EXISTS tenant; CREATE ROLE tenant LOGIN; CREATE TABLE t (id int PRIMARY KEY); "
      "GRANT SELECT ON t TO tenant; ALTER TABLE t ENABLE ROW LEVEL SECURITY; "
      "CREATE POLICY few ON t USING (id > 5)");
  PgConnection connection(url("tenant"), "job", "source");

  const Error error = error_of([&] { check_read(connection, inspect("t"), {}); });
  const Error query = error_of([&] { connection.query("SELECT * FROM t"); });

  EXPECT_TRUE(says(error, "row-level security"));
  EXPECT_EQ(query.kind(), ErrorKind::stop);
  execute("DROP OWNED BY tenant; DROP ROLE tenant");
}

}  // namespace
}  // namespace backfill
