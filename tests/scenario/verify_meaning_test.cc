// Values that are equal without having the same bytes are no differences, and values that differ
// are, whatever the types on the two sides.

#include <gtest/gtest.h>

#include "verify_job.h"

namespace backfill {
namespace {

using Findings = std::set<std::string>;

// A copy between two tables of these columns; `id` comes in addition.
class TypedCopy {
 public:
  TypedCopy(const Ends& ends, const std::string& source_columns, const std::string& target_columns)
      : source_(make_playground(ends.source)), target_(make_playground(ends.target)) {
    source_->execute("CREATE TABLE things (id bigint NOT NULL PRIMARY KEY, " + source_columns +
                     ")");
    target_->execute("CREATE TABLE copies (id bigint NOT NULL PRIMARY KEY, " + target_columns +
                     ")");
    job_ = std::make_unique<JobOnDisk>(std::map<std::string, std::string>{
        {"source.url", toml_string(source_->url())},
        {"source.table", toml_string(source_->table("things"))},
        {"target.url", toml_string(target_->url())},
        {"target.table", toml_string(target_->table("copies"))}});
  }

  Playground& source() { return *source_; }
  Playground& target() { return *target_; }

  void copy() {
    const ProgramEnd end = job_->run();
    ASSERT_EQ(end.exit_code, 0) << end;
  }

  // `id column,column` of rows that differ.
  Findings differing() {
    const ProgramEnd end = job_->call("verify", {"--settle=0s", "--json"});
    EXPECT_TRUE(end.exit_code == 0 || end.exit_code == 5) << end;
    const nlohmann::json json = json_of(end);
    Findings findings;
    for (const auto& finding : json["first_differences"]) {
      std::string text = finding["key"][0].get<std::string>();
      for (const auto& column : finding["columns"]) text += " " + column.get<std::string>();
      findings.insert(text);
    }
    return findings;
  }

 private:
  std::unique_ptr<Playground> source_;
  std::unique_ptr<Playground> target_;
  std::unique_ptr<JobOnDisk> job_;
};

TEST(VerifyMeaningTest, BetweenPostgresTypesIsTheTypesOwnEquality) {
  TypedCopy copy({Engine::postgres, Engine::postgres},
                 "amount numeric, ratio double precision, doc jsonb, at timestamptz, code char(4), "
                 "name text, tags text[], address inet, wait interval",
                 "amount numeric, ratio double precision, doc jsonb, at timestamptz, code char(8), "
                 "name varchar(50), tags text[], address inet, wait interval");
  copy.source().execute(
      "INSERT INTO things VALUES "
      "(1, 1.5, 0.0, '{\"a\": 1.0, \"b\": 2}', '2024-03-01 10:00:00.25+00', 'ab', 'x', '{a,b}', "
      "'10.0.0.1', '1 day'), "
      "(2, 'NaN', 'NaN', 'null', 'infinity', '', '', '{}', '::1', '2 hours'), "
      "(3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)");
  copy.copy();
  EXPECT_EQ(copy.differing(), Findings());

  copy.target().execute(
      "UPDATE copies SET amount = 1.5000, ratio = '-0.0', doc = '{\"b\": 2, \"a\": 1.00}', "
      "at = '2024-03-01 11:00:00.250+01', code = 'ab  ' WHERE id = 1; "
      "UPDATE copies SET ratio = '-NaN' WHERE id = 2");
  EXPECT_EQ(copy.differing(), Findings());

  copy.target().execute(
      "UPDATE copies SET amount = 1.50001, code = 'ac' WHERE id = 1; "
      "UPDATE copies SET name = ' ', tags = '{\"\"}', address = '::2' WHERE id = 2; "
      "UPDATE copies SET name = '', doc = 'null' WHERE id = 3");
  EXPECT_EQ(copy.differing(), (Findings{"1 amount code", "2 name tags address", "3 doc name"}));
}

TEST(VerifyMeaningTest, OfWhatTheTargetRoundsIsWhatItWouldStore) {
  TypedCopy copy({Engine::postgres, Engine::postgres},
                 "amount numeric, at timestamp, n integer, f double precision, s varchar(20)",
                 "amount numeric(8,2), at timestamp(3), n bigint, f real, s text");
  copy.source().execute(
      "INSERT INTO things VALUES (1, 1.005, '2024-03-01 10:00:00.123456', 7, 0.1, 'a'), "
      "(2, 2.999, '2024-03-01 10:00:00.9996', -7, 1e10, 'b')");
  copy.copy();
  EXPECT_EQ(copy.differing(), Findings());

  copy.target().execute(
      "UPDATE copies SET amount = 1.02 WHERE id = 1; "
      "UPDATE copies SET at = at + interval '1 ms', n = 8, f = 1.5 WHERE id = 2");
  EXPECT_EQ(copy.differing(), (Findings{"1 amount", "2 at n f"}));
}

TEST(VerifyMeaningTest, FromSqliteIsWhatPostgresMakesOfIt) {
  TypedCopy copy({Engine::sqlite, Engine::postgres},
                 "amount REAL, flag INTEGER, at TEXT, uid TEXT, doc TEXT, name TEXT, raw BLOB",
                 "amount numeric(8,2), flag boolean, at timestamptz, uid uuid, doc jsonb, name "
                 "text, raw bytea");
  copy.source().execute(
      "INSERT INTO things VALUES "
      "(1, 1.5, 1, '2024-03-01 10:00:00', '12345678-1234-5678-1234-56789ABCDEF0', "
      "'{\"b\": 1, \"a\": 2}', 'Ann', x'00ff'), "
      "(2, 2, 0, '2024-03-01', NULL, '[1.0]', '', x'')");
  copy.copy();
  EXPECT_EQ(copy.differing(), Findings());

  copy.target().execute(
      "UPDATE copies SET doc = '{\"a\": 2, \"b\": 1.0}', amount = 1.50 WHERE id = 1; "
      "UPDATE copies SET flag = true, raw = NULL WHERE id = 2");
  EXPECT_EQ(copy.differing(), (Findings{"2 flag raw"}));
}

TEST(VerifyMeaningTest, IntoSqliteIsWhatItStores) {
  TypedCopy copy({Engine::postgres, Engine::sqlite},
                 "amount numeric, flag boolean, at timestamptz, day date, uid uuid, doc jsonb, "
                 "ratio double precision, name text",
                 "amount NUMERIC, flag INTEGER, at TEXT, day TEXT, uid TEXT, doc TEXT, ratio REAL, "
                 "name TEXT");
  copy.source().execute(
      "INSERT INTO things VALUES "
      "(1, 1.50, true, '2024-03-01 10:00:00+00', '2024-03-01', "
      "'12345678-1234-5678-1234-56789abcdef0', '{\"a\": 1}', -0.0, 'Ann'), "
      "(2, 100.00, false, NULL, NULL, NULL, 'null', 'NaN', '')");
  copy.copy();
  EXPECT_EQ(copy.differing(), Findings());

  copy.target().execute(
      "UPDATE copies SET amount = 1.51, ratio = 0.0 WHERE id = 1; "
      "UPDATE copies SET flag = 1, name = NULL WHERE id = 2");
  EXPECT_EQ(copy.differing(), (Findings{"1 amount", "2 flag name"}));
}

// Keys that one collation takes for neighbours or equals and another does not.
TEST(VerifyMeaningTest, OfTextKeysFindsNeighboursOfEveryCollation) {
  for (const Ends& ends : all_ends()) {
    SCOPED_TRACE(ends_name(ends));
    const auto source = make_playground(ends.source);
    const auto target = make_playground(ends.target);
    source->execute("CREATE TABLE words (word text NOT NULL PRIMARY KEY, n integer)");
    target->execute("CREATE TABLE copies (word text NOT NULL PRIMARY KEY, n integer)");
    std::string rows;
    for (const char* word :
         {"a", "A", "ab", "a b", "a-b", "Ab", "ä", "b", "B", "_", "", "'", "z z"})
      rows += std::string(rows.empty() ? "" : ", ") + "(" + sql_text(word) + ", 1)";
    source->execute("INSERT INTO words VALUES " + rows);
    const JobOnDisk job({{"source.url", toml_string(source->url())},
                         {"source.table", toml_string(source->table("words"))},
                         {"batch.size", "3"},
                         {"target.url", toml_string(target->url())},
                         {"target.table", toml_string(target->table("copies"))}});
    ASSERT_EQ(job.run().exit_code, 0);
    EXPECT_EQ(job.call("verify", {"--settle=0s"}).exit_code, 0);

    target->execute(
        "DELETE FROM copies WHERE word IN ('A', 'a-b'); "
        "INSERT INTO copies VALUES ('a_b', 1), ('aB', 1); "
        "UPDATE copies SET n = 2 WHERE word = 'ä'");
    const ProgramEnd end = job.call("verify", {"--settle=0s", "--json"});

    EXPECT_EQ(end.exit_code, 5) << end;
    const nlohmann::json found = json_of(end)["differences"];
    EXPECT_EQ(found["missing"], 2) << end;
    EXPECT_EQ(found["extra"], 2) << end;
    EXPECT_EQ(found["different"], 1) << end;
  }
}

TEST(VerifyMeaningTest, LooksUpRowsByKeysOfManyTypes) {
  for (const char* type : {"numeric", "uuid", "date", "timestamptz", "inet", "bytea", "float8"}) {
    SCOPED_TRACE(type);
    const std::string value = type == std::string("uuid")
                                  ? "('00000000-0000-0000-0000-0000000000' || (10 + i))::uuid"
                              : type == std::string("date") ? "date '2024-01-01' + i"
                              : type == std::string("timestamptz")
                                  ? "timestamptz '2024-01-01 00:00Z' + i * interval '1 h'"
                              : type == std::string("inet")  ? "inet '10.0.0.0' + i"
                              : type == std::string("bytea") ? "int4send(i)"
                                                             : std::string("(i + 0.5)::") + type;
    const auto source = make_playground(Engine::postgres);
    const auto target = make_playground(Engine::postgres);
    source->execute(std::string("CREATE TABLE things (k ") + type + " PRIMARY KEY, n integer)");
    target->execute(std::string("CREATE TABLE copies (k ") + type + " PRIMARY KEY, n integer)");
    source->execute("INSERT INTO things SELECT " + value + ", i FROM generate_series(1, 40) AS i");
    target->execute("INSERT INTO copies SELECT " + value +
                    ", i FROM generate_series(2, 43) AS i WHERE i <> 20; UPDATE copies SET n = 0 "
                    "WHERE n = 30");
    const JobOnDisk job({{"source.url", toml_string(source->url())},
                         {"source.table", toml_string(source->table("things"))},
                         {"batch.size", "7"},
                         {"target.url", toml_string(target->url())},
                         {"target.table", toml_string(target->table("copies"))}});

    const nlohmann::json found =
        json_of(job.call("verify", {"--settle=0s", "--json"}))["differences"];
    const ProgramEnd mended = job.call("reconcile", {"--settle=0s", "--delete-extra"});

    EXPECT_EQ(found["missing"], 2);
    EXPECT_EQ(found["extra"], 3);
    EXPECT_EQ(found["different"], 1);
    EXPECT_EQ(mended.exit_code, 0) << mended;
    EXPECT_EQ(target->rows("SELECT * FROM copies ORDER BY k"),
              source->rows("SELECT * FROM things ORDER BY k"));
  }
}

}  // namespace
}  // namespace backfill
