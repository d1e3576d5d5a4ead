// A key of one database as the other spells it.

#include "verify/key_form.h"

#include <gtest/gtest.h>

#include "support/batch_builder.h"

namespace backfill {
namespace {

Key key_of_row(const Batch& batch, const Columns& columns, KeyForm form) {
  std::vector<Cell> cells;
  read_cells(batch.tuple(0), columns.size(), cells);
  return key_in_form(columns, {{0, 1}, {-1, -1}}, cells, form);
}

TEST(KeyFormTest, SpellsValuesAsTextForPostgresAndAsLiteralsForSqlite) {
  const Columns columns{int64_column("id"), text_column("region")};
  const Batch batch = make_batch({{17, "it's"}});

  EXPECT_EQ(key_of_row(batch, columns, KeyForm::postgres).values,
            (std::vector<std::string>{"17", "it's"}));
  EXPECT_EQ(key_of_row(batch, columns, KeyForm::sqlite).values,
            (std::vector<std::string>{"17", "'it''s'"}));
}

TEST(KeyFormTest, TakesTheTextOfAKeyThatCannotBeReadFromItsOwnColumn) {
  const Columns columns{int64_column("unreadable"), text_column("its text")};
  const Batch batch = make_batch({{17, "10.0.0.1/32"}});
  std::vector<Cell> cells;
  read_cells(batch.tuple(0), 2, cells);

  EXPECT_EQ(key_in_form(columns, {{0}, {1}}, cells, KeyForm::postgres).values,
            (std::vector<std::string>{"10.0.0.1/32"}));
}

TEST(KeyFormTest, QuotesAConditionSoThatItCanBePasted) {
  EXPECT_EQ(key_condition({"id"}, Key{{"17"}}, KeyForm::postgres), "\"id\" = '17'");
  EXPECT_EQ(key_condition({"a", "b\"c"}, Key{{"it's", "2"}}, KeyForm::postgres),
            "(\"a\", \"b\"\"c\") = ('it''s', '2')");
  EXPECT_EQ(key_condition({"id"}, Key{{"'it''s'"}}, KeyForm::sqlite), "\"id\" = 'it''s'");
}

}  // namespace
}  // namespace backfill
