// Values from a database without fixed column types (SQLite), into PostgreSQL's types.

#include <bit>

#include "expect_error.h"
#include "postgres/cell_text.h"
#include "postgres/table.h"
#include "postgres/target.h"
#include "support/postgres_fixture.h"

namespace backfill {
namespace {

std::string big_endian(std::uint64_t value) {
  std::string bytes;
  for (int shift = 56; shift >= 0; shift -= 8) bytes += static_cast<char>(value >> shift);
  return bytes;
}

struct Value {
  Kind kind;
  std::string bytes;
};
Value integer(std::int64_t value) {
  return {Kind::int64, big_endian(static_cast<std::uint64_t>(value))};
}
Value real(double value) {
  return {Kind::float64, big_endian(std::bit_cast<std::uint64_t>(value))};
}
Value text(const std::string& value) { return {Kind::text, value}; }
Value blob(const std::string& value) { return {Kind::bytes, value}; }

class DynamicTarget : public PostgresTest {
 protected:
  // Writes (1, value) into a column of this type and gives what is there then.
  std::string stored(const std::string& type, const Value& sent) {
    execute("DROP TABLE IF EXISTS b; CREATE TABLE b (id int PRIMARY KEY, v " + type + ")");
    write({sent});
    return value("SELECT v FROM b");
  }

  std::vector<RowReject> write(const std::vector<Value>& values) {
    PgConnection connection(url(), "job", "target");
    const TableFacts facts = inspect_table(connection, "b", {}, "");
    WriteSpec spec;
    spec.table = facts.name;
    for (const Column& target : facts.columns) {
      WriteColumn column;
      column.target = target;
      column.column.name = target.name;
      column.column.dynamic = true;
      column.role = target.name == "id" ? WriteColumn::Role::key : WriteColumn::Role::value;
      spec.columns.push_back(column);
    }
    Batch batch;
    for (std::size_t i = 0; i < values.size(); ++i) {
      batch.begin_tuple(2);
      batch.append_dynamic(Kind::int64, integer(static_cast<std::int64_t>(i) + 1).bytes);
      batch.append_dynamic(values[i].kind, values[i].bytes);
    }
    PostgresTarget target(url(), "job", spec);
    std::vector<RowReject> rejects;
    target.begin({});
    target.write_around_rejects(batch, rejects);
    target.commit({}, {});
    return rejects;
  }
};

TEST_F(DynamicTarget, TakesValuesAsAPersonMeansThem) {
  EXPECT_EQ(stored("bigint", integer(-9223372036854775807)), "-9223372036854775807");
  EXPECT_EQ(stored("boolean", integer(1)), "t");
  EXPECT_EQ(stored("boolean", text("no")), "f");
  EXPECT_EQ(stored("numeric(6,2)", real(0.1)), "0.10");
  EXPECT_EQ(stored("double precision", real(0.1)), "0.1");
  EXPECT_EQ(stored("double precision", real(5e-324)), "5e-324");
  EXPECT_EQ(stored("integer", real(5.0)), "5");
  EXPECT_EQ(stored("text", integer(17)), "17");
  EXPECT_EQ(stored("varchar(5)", text("äöü")), "äöü");
  EXPECT_EQ(stored("bytea", blob(std::string("\0\xff", 2))), "\\x00ff");
  EXPECT_EQ(stored("bytea", text("\\x41")), "\\x5c783431");
  EXPECT_EQ(stored("uuid", blob("0123456789abcdef")), "30313233-3435-3637-3839-616263646566");
  EXPECT_EQ(stored("uuid", text("7F3A9C52-1111-4222-8333-444455556666")),
            "7f3a9c52-1111-4222-8333-444455556666");
  EXPECT_EQ(stored("jsonb", text("{\"a\":1}")), "{\"a\": 1}");
  EXPECT_EQ(stored("int[]", text("{1,2}")), "{1,2}");
}

TEST_F(DynamicTarget, ReadsIntegersAsSecondsSince1970) {
  EXPECT_EQ(stored("timestamptz", integer(0)), "1970-01-01 00:00:00+00");
  EXPECT_EQ(stored("timestamptz", integer(1'730'000'000)), "2024-10-27 03:33:20+00");
  EXPECT_EQ(stored("timestamp", integer(-1)), "1969-12-31 23:59:59");
  EXPECT_EQ(stored("date", integer(951'782'400)), "2000-02-29");
  EXPECT_EQ(stored("timestamptz", text("2024-01-02 03:04:05")), "2024-01-02 03:04:05+00");
}

TEST_F(DynamicTarget, AgreesWithTheServersCalendar) {
  for (const char* seconds : {"-62135596801", "-62135596800", "-62167219201", "-1", "68169600",
                              "4107542399", "253402300800", "-99999999999"}) {
    EXPECT_EQ(stored("timestamp", integer(std::stoll(seconds))),
              value(std::string("SELECT to_timestamp(") + seconds + ")::timestamp"))
        << seconds;
  }
}

TEST_F(DynamicTarget, RejectsOnlyTheRowsThatCannotBe) {
  execute("CREATE TABLE b (id int PRIMARY KEY, v boolean)");

  const auto rejects = write({integer(1), integer(7), text("maybe"), blob("x"), integer(0)});

  ASSERT_EQ(rejects.size(), 3u);
  EXPECT_EQ(rejects[0].row, 1u);
  EXPECT_EQ(rejects[0].message, "column v: integer 7 cannot become boolean");
  EXPECT_EQ(rejects[1].row, 2u);
  EXPECT_EQ(rejects[1].code, "22P02");
  EXPECT_EQ(rejects[2].row, 3u);
  EXPECT_EQ(rows("SELECT * FROM b ORDER BY id"), (std::vector<std::string>{"1|t", "5|f"}));
}

}  // namespace
}  // namespace backfill
