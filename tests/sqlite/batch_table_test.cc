#include "sqlite/batch_table.h"

#include "sqlite_file.h"

namespace backfill {
namespace {

using Rows = std::vector<std::string>;

Columns dynamic_columns(std::size_t count) {
  Column column;
  column.name = "c";
  column.dynamic = true;
  return Columns(count, column);
}

class SqliteBatchTableTest : public testing::Test {
 protected:
  const SqliteFile file_{"CREATE TABLE t (a, b)"};
  SqliteConnection connection_{file_.path(), SqliteConnection::Mode::read_write};
  SqliteBatchTable table_{connection_, dynamic_columns(2)};
  SqliteStatement insert_ =
      connection_.prepare("INSERT INTO t SELECT f0, f1 FROM " + SqliteBatchTable::name());
};

TEST_F(SqliteBatchTableTest, HoldsTheTuplesOfThePartThatWasAskedFor) {
  const Batch batch = batch_of("VALUES (1, 'a'), (2.5, NULL), ('', X'00'), (4, 'd')");

  table_.run(insert_, batch, 1, 3);
  table_.run(insert_, batch, 3, 3);
  table_.run(insert_, batch, 0, 1);

  EXPECT_EQ(file_.rows("SELECT * FROM t"), (Rows{"2.5|NULL", "''|X'00'", "1|'a'"}));
}

TEST_F(SqliteBatchTableTest, ThrowsWhatIsWrongWithARowAndServesTheNextBatch) {
  Batch short_of_a_field;
  short_of_a_field.begin_tuple(1);
  short_of_a_field.append_null();
  Batch without_a_kind;
  without_a_kind.begin_tuple(2);
  without_a_kind.append_null();
  without_a_kind.append_field("");

  for (const Batch& broken : {short_of_a_field, without_a_kind}) {
    const Error error = error_of([&] { table_.run(insert_, broken, 0, 1); });
    EXPECT_EQ(error.kind(), ErrorKind::stop);
    EXPECT_TRUE(std::string(error.what()).starts_with("a row is not")) << error.what();
  }

  table_.run(insert_, batch_of("VALUES (1, 'a')"), 0, 1);
  EXPECT_EQ(file_.rows("SELECT * FROM t"), Rows{"1|'a'"});
}

TEST_F(SqliteBatchTableTest, IsOutOfReachForTheFilesOwnTriggers) {
  file_.run(
      "CREATE TRIGGER peek AFTER INSERT ON t BEGIN DELETE FROM t WHERE a IN "
      "(SELECT f0 FROM backfill_batch); END");

  const Error error = error_of([&] { table_.run(insert_, batch_of("VALUES (1, 'a')"), 0, 1); });

  EXPECT_EQ(error.kind(), ErrorKind::stop) << error.what();
  EXPECT_EQ(file_.rows("SELECT * FROM t"), Rows{});
}

}  // namespace
}  // namespace backfill
