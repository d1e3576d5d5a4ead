#include "sqlite/table.h"

#include "sqlite_file.h"

namespace backfill {
namespace {

using Names = std::vector<std::string>;

Error refusal(const SqliteFile& file, const std::string& table, const Names& key = {}) {
  const Error error = error_of([&] { file.facts(table, key); });
  EXPECT_EQ(error.exit_code(), ExitCode::unsafe);
  return error;
}

bool says(const Error& error, const std::string& words) {
  return std::string(error.what()).find(words) != std::string::npos;
}

TEST(SqliteTable, TypesColumnsByTheirDeclaredAffinity) {
  const SqliteFile file(
      "CREATE TABLE t (id INTEGER PRIMARY KEY, a BIGINT, b VARCHAR(9), c BLOB, d DOUBLE, e "
      "NUMERIC(9,2), f, "
      "g TEXT AS (a || 'x') STORED, h TEXT AS (a) VIRTUAL)");

  const TableFacts facts = file.facts("t");

  std::vector<Kind> kinds;
  for (const Column& column : facts.columns) kinds.push_back(column.kind);
  EXPECT_EQ(kinds,
            (std::vector<Kind>{Kind::int64, Kind::int64, Kind::text, Kind::bytes, Kind::float64,
                               Kind::other, Kind::other, Kind::text, Kind::text}));
  EXPECT_TRUE(SqliteFile::column_of(facts, "g").generated);
  EXPECT_TRUE(SqliteFile::column_of(facts, "h").generated);
  EXPECT_TRUE(SqliteFile::column_of(facts, "id").not_null);
  EXPECT_TRUE(SqliteFile::column_of(facts, "f").dynamic);
  EXPECT_EQ(facts.key, Names{"id"});
  EXPECT_EQ(facts.key_index, "rowid");
}

TEST(SqliteTable, EstimatesRowsAndBytes) {
  const SqliteFile file(
      "CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1), (2), (3)");
  SqliteConnection connection = file.connect();

  EXPECT_EQ(inspect_table(connection, "t", {}, "").estimated_rows, 3);
  EXPECT_EQ(inspect_table(connection, "t", {}, "id > 1 -- most of them").estimated_rows, 2);
  EXPECT_GT(inspect_table(connection, "t", {}, "").estimated_bytes, 4096);
  const Error error = error_of([&] { inspect_table(connection, "t", {}, "nothing = 1"); });
  EXPECT_EQ(error.exit_code(), ExitCode::unsafe);
  EXPECT_TRUE(says(error, "source.where"));
}

TEST(SqliteTable, TakesAnyUniqueWholeAscendingIndexThatForbidsNull) {
  const SqliteFile file(
      "CREATE TABLE t (a TEXT NOT NULL COLLATE NOCASE, b INT NOT NULL, c INT);"
      "CREATE UNIQUE INDEX t_key ON t (a, b);");

  EXPECT_EQ(file.facts("t", {"a", "b"}).key, (Names{"a", "b"}));
  EXPECT_EQ(file.facts("T", {"B", "A"}).key, (Names{"a", "b"}));
  EXPECT_EQ(file.facts("t", {"a", "b"}).key_index, "t_key");
  EXPECT_EQ(SqliteFile::column_of(file.facts("t", {"a", "b"}), "a").collation, "\"NOCASE\"");
}

TEST(SqliteTable, RefusesKeysThatDoNotOrderEveryRow) {
  const SqliteFile file(
      "CREATE TABLE t (a INT NOT NULL, b INT, c INT NOT NULL, d TEXT NOT NULL, e INT NOT NULL);"
      "CREATE UNIQUE INDEX partial ON t (a) WHERE a > 5; CREATE UNIQUE INDEX nullable ON t (b);"
      "CREATE UNIQUE INDEX descending ON t (c DESC); CREATE UNIQUE INDEX computed ON t (lower(d));"
      "CREATE INDEX plain ON t (e)");

  EXPECT_TRUE(says(refusal(file, "t"), "no primary key"));
  EXPECT_TRUE(says(refusal(file, "t", {"a"}), "unique, whole, ascending"));
  EXPECT_TRUE(says(refusal(file, "t", {"b"}), "declare it NOT NULL"));
  EXPECT_TRUE(says(refusal(file, "t", {"c"}), "unique, whole, ascending"));
  EXPECT_TRUE(says(refusal(file, "t", {"d"}), "unique, whole, ascending"));
  EXPECT_TRUE(says(refusal(file, "t", {"e"}), "CREATE UNIQUE INDEX"));
  EXPECT_TRUE(says(refusal(file, "t", {"z"}), "no column z"));
}

TEST(SqliteTable, AcceptsADeclaredPrimaryKeyWhileItHoldsNoNull) {
  const SqliteFile file("CREATE TABLE t (a TEXT PRIMARY KEY); INSERT INTO t VALUES ('x')");

  const TableFacts facts = file.facts("t");
  EXPECT_EQ(facts.key, Names{"a"});
  EXPECT_TRUE(std::any_of(facts.notes.begin(), facts.notes.end(), [](const std::string& note) {
    return note.find("key column a") != std::string::npos;
  }));

  file.run("INSERT INTO t VALUES (NULL)");
  EXPECT_TRUE(says(refusal(file, "t"), "holds NULL in key column a"));
}

TEST(SqliteTable, KnowsTheKeyOfATableWithoutRowid) {
  const SqliteFile file("CREATE TABLE t (v, b INT, a TEXT, PRIMARY KEY (a, b)) WITHOUT ROWID");

  const TableFacts facts = file.facts("t");

  EXPECT_EQ(facts.key, (Names{"a", "b"}));
  EXPECT_TRUE(SqliteFile::column_of(facts, "a").not_null);
}

TEST(SqliteTable, SaysWhatIsThereInsteadOfAMissingTable) {
  const SqliteFile file(
      "CREATE TABLE users (id INTEGER PRIMARY KEY); CREATE VIEW v AS SELECT * FROM users");

  EXPECT_TRUE(says(refusal(file, "user"), "it holds users"));
  EXPECT_TRUE(says(refusal(file, "v"), "is a view"));
  EXPECT_EQ(error_of([&] { file.facts("other.users"); }).exit_code(), ExitCode::usage);
}

TEST(SqliteTable, QuotesOddNamesAndIdentifiesATableByFileAndName) {
  const SqliteFile file(
      "CREATE TABLE \"odd \"\"name\" (id INTEGER PRIMARY KEY); CREATE TABLE \"order\" "
      "(id INTEGER PRIMARY KEY)");

  EXPECT_EQ(file.facts("\"odd \"\"name\"").name, "\"odd \"\"name\"");
  EXPECT_EQ(file.facts("\"order\"").name, "\"order\"");
  EXPECT_EQ(file.facts("main.\"order\"").identity, file.facts("\"ORDER\"").identity);
  EXPECT_NE(file.facts("\"order\"").identity, file.facts("\"odd \"\"name\"").identity);
}

TEST(SqliteTable, NotesTriggers) {
  const SqliteFile file(
      "CREATE TABLE t (id INTEGER PRIMARY KEY); CREATE TRIGGER audit AFTER INSERT ON t BEGIN "
      "SELECT 1; END");

  const auto notes = file.facts("t").notes;

  EXPECT_TRUE(std::any_of(notes.begin(), notes.end(), [](const std::string& note) {
    return note.find("trigger audit") != std::string::npos;
  }));
}

TEST(SqliteTable, TypesSelectItems) {
  const SqliteFile file("CREATE TABLE t (id INTEGER PRIMARY KEY, email TEXT)");
  SqliteConnection connection = file.connect();
  const TableFacts facts = file.facts("t");

  const auto typed = type_columns(connection, facts, {"ID", "lower(email) as email"});

  ASSERT_EQ(typed.size(), 2U);
  EXPECT_EQ(typed[0].column.name, "id");
  EXPECT_EQ(typed[0].expression, "");
  EXPECT_EQ(typed[1].column.name, "email");
  EXPECT_EQ(typed[1].expression, "lower(email)");
  EXPECT_TRUE(typed[1].column.dynamic);
  EXPECT_EQ(type_columns(connection, facts, {}).size(), 2U);
  EXPECT_EQ(type_columns(connection, facts, {"*"}).size(), 2U);
}

TEST(SqliteTable, RefusesSelectItemsThatAreWrongOrWouldFoldRows) {
  const SqliteFile file("CREATE TABLE t (id INTEGER PRIMARY KEY)");
  SqliteConnection connection = file.connect();
  const TableFacts facts = file.facts("t");

  for (const std::string item :
       {"nothing", "lower(nothing) as x", "count(*) as n", "id, id as x"}) {
    const Error error = error_of([&] { type_columns(connection, facts, {item}); });
    EXPECT_EQ(error.exit_code(), ExitCode::unsafe) << item;
    EXPECT_TRUE(says(error, "source.columns")) << error.what();
  }
}

}  // namespace
}  // namespace backfill
