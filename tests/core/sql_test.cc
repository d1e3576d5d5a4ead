#include "core/sql.h"

#include <gtest/gtest.h>

#include "core/error.h"

namespace backfill {
namespace {

using Names = std::vector<std::string>;

TEST(Quote, DoublesTheQuotesInside) {
  EXPECT_EQ(quote_identifier("odd \"name\""), "\"odd \"\"name\"\"\"");
  EXPECT_EQ(quote_identifier("plain"), "\"plain\"");
  EXPECT_EQ(quote_identifier(""), "\"\"");
  EXPECT_EQ(quote_literal("it's"), "'it''s'");
  EXPECT_EQ(quote_literal("back\\slash"), "'back\\slash'");
}

TEST(SplitName, FoldsOnlyUnquotedPartsAndOnlyWhereTheDatabaseDoes) {
  EXPECT_EQ(split_name("public.Users", true), (Names{"public", "users"}));
  EXPECT_EQ(split_name("public.Users", false), (Names{"public", "Users"}));
  EXPECT_EQ(split_name("\"Shop\".\"Users\"", true), (Names{"Shop", "Users"}));
}

TEST(SplitName, KeepsDotsAndQuotesOfQuotedParts) {
  EXPECT_EQ(split_name("\"a.b\".\"say \"\"hi\"\"\"", true), (Names{"a.b", "say \"hi\""}));
  EXPECT_EQ(split_name("  users_2  ", true), (Names{"users_2"}));
  EXPECT_EQ(split_name("größe", true), (Names{"größe"}));
}

TEST(SplitName, RoundTripsThroughQuoting) {
  for (const std::string name : {"plain", "With Case", "dot.ted", "quo\"ted", "'single'", "a--b"}) {
    EXPECT_EQ(split_name(quote_identifier(name), true), Names{name});
  }
}

TEST(SplitName, RefusesWhatIsNoName) {
  for (const char* name : {"", ".", "a.", ".a", "a..b", "a b", "1a", "\"open", "\"\"", "a;b",
                           "a(b)", "a, b", "a.\"b\"c"}) {
    try {
      split_name(name, true);
      ADD_FAILURE() << name;
    } catch (const Error& error) {
      EXPECT_EQ(error.exit_code(), ExitCode::usage) << name;
    }
  }
}

struct ItemCase {
  const char* item;
  const char* expression;
  const char* alias;
  bool is_column;
};

class SelectItemTest : public testing::TestWithParam<ItemCase> {};

TEST_P(SelectItemTest, IsReadAsAPersonMeansIt) {
  const ItemCase& expected = GetParam();

  const SelectItem item = parse_select_item(expected.item, true);

  EXPECT_EQ(item.expression, expected.expression);
  EXPECT_EQ(item.alias, expected.alias);
  EXPECT_EQ(item.is_column, expected.is_column);
}

INSTANTIATE_TEST_SUITE_P(
    All, SelectItemTest,
    testing::Values(
        ItemCase{"id", "id", "id", true}, ItemCase{" Email ", "Email", "email", true},
        ItemCase{"\"Full Name\"", "\"Full Name\"", "Full Name", true},
        ItemCase{"\"x as y\"", "\"x as y\"", "x as y", true},
        ItemCase{"lower(email) as email", "lower(email)", "email", false},
        ItemCase{"lower(email) AS Email", "lower(email)", "email", false},
        ItemCase{"lower(email) as \"E Mail\"", "lower(email)", "E Mail", false},
        ItemCase{"lower(email)", "lower(email)", "", false},
        ItemCase{"cast(a as text)", "cast(a as text)", "", false},
        ItemCase{"cast(a as text) as b", "cast(a as text)", "b", false},
        ItemCase{"a::text as b", "a::text", "b", false}, ItemCase{"' as x'", "' as x'", "", false},
        ItemCase{"'it''s as x' as y", "'it''s as x'", "y", false},
        ItemCase{"\"a as b\" || 'c as d' as e", "\"a as b\" || 'c as d'", "e", false},
        ItemCase{"tags[1 ] as tag", "tags[1 ]", "tag", false},
        ItemCase{"bias as slant", "bias", "slant", false}, ItemCase{"(a) as\tb", "(a)", "b", false},
        ItemCase{"case when a then 'as b' end as c", "case when a then 'as b' end", "c", false},
        ItemCase{"a as b c", "a as b c", "", false}, ItemCase{"1 as", "1 as", "", false}));

TEST(SelectItem, KeepsCaseWhereTheDatabaseDoes) {
  EXPECT_EQ(parse_select_item("lower(Email) as Email", false).alias, "Email");
}

TEST(Join, PutsTheSeparatorBetweenOnly) {
  EXPECT_EQ(join({}, ", "), "");
  EXPECT_EQ(join({"a"}, ", "), "a");
  EXPECT_EQ(join({"", "a", ""}, ","), ",a,");
}

}  // namespace
}  // namespace backfill
