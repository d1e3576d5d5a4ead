#include <gtest/gtest.h>

#include "plugin/contract_engine.h"

namespace backfill {
namespace {

struct Names {
  std::string first;
  std::string last;
  bool operator==(const Names&) const = default;
};

std::ostream& operator<<(std::ostream& out, const Names& names) {
  return out << '[' << names.first << "][" << names.last << ']';
}

Names split(const std::string& full_name, const std::string& locale = "en") {
  ContractEngine engine(*backfill_transform_entry(), {{.name = "full_name"}},
                        {{.name = "last_name"}, {.name = "first_name"}}, {{"locale", locale}});
  const auto answer = engine.apply({{text_cell(full_name)}}).at(0);
  EXPECT_EQ(answer.verdict, BACKFILL_WRITE);
  return {answer.outputs.at(0).value(), answer.outputs.at(1).value()};
}

TEST(SplitFullName, TakesTheLastWordAsTheLastName) {
  EXPECT_EQ(split("Ada Lovelace"), (Names{"Ada", "Lovelace"}));
  EXPECT_EQ(split("Mary Ann Evans"), (Names{"Mary Ann", "Evans"}));
  EXPECT_EQ(split("Juan de la Cruz"), (Names{"Juan de la", "Cruz"}));
}

TEST(SplitFullName, TakesOneWordAsTheFirstName) {
  EXPECT_EQ(split("Plato"), (Names{"Plato", ""}));
  EXPECT_EQ(split("Kanō", "ja"), (Names{"Kanō", ""}));
}

TEST(SplitFullName, AnswersAnEmptyNameWithEmptyNames) {
  EXPECT_EQ(split(""), (Names{"", ""}));
  EXPECT_EQ(split(" \t\u00a0 "), (Names{"", ""}));
}

TEST(SplitFullName, TrimsEverySpace) {
  EXPECT_EQ(split("  Mary \t Ann\u00a0\u00a0Evans\n"), (Names{"Mary Ann", "Evans"}));
  EXPECT_EQ(split("山田\u3000太郎", "ja"), (Names{"太郎", "山田"}));
}

TEST(SplitFullName, LeavesOtherLettersAsTheyAre) {
  EXPECT_EQ(split("Zoë Łukasiewicz-Ångström"), (Names{"Zoë", "Łukasiewicz-Ångström"}));
}

TEST(SplitFullName, PutsTheFamilyNameFirstWhereTheLocaleDoes) {
  EXPECT_EQ(split("Nagy János Péter", "hu"), (Names{"János Péter", "Nagy"}));
  EXPECT_EQ(split("Nguyễn Văn An", "vi-VN"), (Names{"Văn An", "Nguyễn"}));
  EXPECT_EQ(split("Yamada Tarō", "JA_jp.UTF-8"), (Names{"Tarō", "Yamada"}));
  EXPECT_EQ(split("Hans Meier", "de-CH"), (Names{"Hans", "Meier"}));
}

TEST(SplitFullName, SkipsNull) {
  ContractEngine engine(*backfill_transform_entry(), {{.name = "full_name"}},
                        {{.name = "last_name"}, {.name = "first_name"}});

  EXPECT_EQ(engine.apply({{null_cell()}}).at(0).verdict, BACKFILL_SKIP);
}

TEST(SplitFullName, RefusesOptionsItDoesNotKnow) {
  const auto refusal = [](const std::string& name, const std::string& value) {
    return ContractEngine(*backfill_transform_entry(), {{.name = "full_name"}},
                          {{.name = "last_name"}, {.name = "first_name"}}, {{name, value}})
        .message();
  };

  EXPECT_EQ(refusal("local", "en"), "unknown option transform.options.local; did you mean locale?");
  EXPECT_EQ(refusal("locale", "12"),
            "option transform.options.locale is 12, not a language such as en or hu");
}

}  // namespace
}  // namespace backfill
