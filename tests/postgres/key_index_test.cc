#include "postgres/key_index.h"

#include "expect_error.h"

namespace backfill {
namespace {

IndexColumn not_null(const std::string& name) {
  IndexColumn column;
  column.name = name;
  column.not_null = true;
  return column;
}

IndexFacts fit(const std::string& name, const std::vector<std::string>& columns) {
  IndexFacts index;
  index.name = name;
  index.schema = "public";
  index.unique = index.valid = index.btree = true;
  for (const std::string& column : columns) index.columns.push_back(not_null(column));
  return index;
}

Error refusal(IndexFacts index) {
  const std::vector<std::string> wanted = index.key_names();
  return error_of([&] { choose_key_index("public.t", {index}, wanted); });
}

TEST(KeyIndex, TakesNamesInAnyOrder) {
  const std::vector<IndexFacts> indexes{fit("t_b_a", {"b", "a"})};

  const IndexFacts& index = choose_key_index("public.t", indexes, {"a", "b"});

  EXPECT_EQ(index.key_names(), (std::vector<std::string>{"b", "a"}));
}

TEST(KeyIndex, PrefersThePrimaryKeyWhenSeveralFit) {
  std::vector<IndexFacts> indexes{fit("a_first", {"a"}), fit("t_pkey", {"a"}),
                                  fit("z_last", {"a"})};
  indexes[1].primary = true;

  EXPECT_EQ(choose_key_index("public.t", indexes, {"a"}).name, "t_pkey");
  EXPECT_EQ(choose_key_index("public.t", indexes, {}).name, "t_pkey");
}

TEST(KeyIndex, RefusesAnythingThatCouldLoseRows) {
  IndexFacts partial = fit("i", {"a"});
  partial.partial = true;
  IndexFacts deferrable = fit("i", {"a"});
  deferrable.immediate = false;
  IndexFacts invalid = fit("i", {"a"});
  invalid.valid = false;
  IndexFacts nullable = fit("i", {"a"});
  nullable.columns[0].not_null = false;
  IndexFacts descending = fit("i", {"a"});
  descending.columns[0].descending = true;
  IndexFacts duplicates = fit("i", {"a"});
  duplicates.unique = false;

  EXPECT_TRUE(says(refusal(partial), "only a part of the rows"));
  EXPECT_TRUE(says(refusal(deferrable), "DEFERRABLE"));
  EXPECT_TRUE(says(refusal(invalid), "REINDEX INDEX CONCURRENTLY \"public\".\"i\""));
  EXPECT_TRUE(says(refusal(nullable), "ALTER TABLE public.t ALTER COLUMN \"a\" SET NOT NULL"));
  EXPECT_TRUE(says(refusal(descending), "descending"));
  EXPECT_TRUE(says(refusal(duplicates), "not unique"));
  EXPECT_EQ(refusal(duplicates).exit_code(), ExitCode::unsafe);
}

TEST(KeyIndex, SaysWhichKeyToNameWhereThereIsNoPrimaryKey) {
  const Error error = error_of([] { choose_key_index("public.t", {fit("i", {"b", "a"})}, {}); });

  EXPECT_TRUE(says(error, "say key = [\"b\", \"a\"]"));
}

}  // namespace
}  // namespace backfill
