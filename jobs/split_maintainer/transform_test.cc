#include <gtest/gtest.h>

#include "plugin/contract_engine.h"

namespace backfill {
namespace {

GivenAnswer answer_to(GivenCell maintainer) {
  ContractEngine engine(*backfill_transform_entry(), {{.name = "maintainer"}},
                        {{.name = "maintainer_name"}, {.name = "maintainer_email"}});
  return engine.apply({{std::move(maintainer)}}).at(0);
}

// `name|email`, or `rejected: reason`.
std::string split(const std::string& maintainer) {
  const GivenAnswer answer = answer_to(text_cell(maintainer));
  if (answer.verdict == BACKFILL_REJECT) return "rejected: " + answer.reason;
  EXPECT_EQ(answer.verdict, BACKFILL_WRITE);
  return answer.outputs.at(0).value() + "|" + answer.outputs.at(1).value();
}

TEST(SplitMaintainer, PartsNameAndAddress) {
  EXPECT_EQ(split("Debian Perl Group <perl@example.org>"), "Debian Perl Group|perl@example.org");
  EXPECT_EQ(split("  Zoë  Ł <z@x.org> \n"), "Zoë  Ł|z@x.org");
  EXPECT_EQ(split("Jane< j@x >"), "Jane|j@x");
}

TEST(SplitMaintainer, KeepsCommasAndDotsInANameAsTheyAre) {
  EXPECT_EQ(split("Doe, John A. <j@x>"), "Doe, John A.|j@x");
  EXPECT_EQ(split("R. G. (Bob) Team <r@x>"), "R. G. (Bob) Team|r@x");
}

TEST(SplitMaintainer, TakesQuotesOffAName) {
  EXPECT_EQ(split("\"Doe, John\" <j@x>"), "Doe, John|j@x");
  EXPECT_EQ(split("\"J. \\\"Jo\\\" <Doe>\" <j@x>"), "J. \"Jo\" <Doe>|j@x");
  EXPECT_EQ(split("\"Doe, John\" (QA) <j@x>"), "Doe, John (QA)|j@x");
}

TEST(SplitMaintainer, TakesAnAddressWithoutAName) { EXPECT_EQ(split("<j@x>"), "|j@x"); }

TEST(SplitMaintainer, RejectsWhatIsNoMaintainerAndSaysWhy) {
  EXPECT_EQ(split(""), "rejected: the maintainer is empty");
  EXPECT_EQ(split(" \t"), "rejected: the maintainer is empty");
  EXPECT_EQ(split("Debian Perl Group"), "rejected: no address in < >");
  EXPECT_EQ(split("perl@example.org"), "rejected: no address in < >");
  EXPECT_EQ(split("Jane <j@x"), "rejected: < without >");
  EXPECT_EQ(split("Jane <>"), "rejected: nothing between < and >");
  EXPECT_EQ(split("Jane <jx>"), "rejected: no @ in the address");
  EXPECT_EQ(split("Jane <j@x@y>"), "rejected: more than one @ in the address");
  EXPECT_EQ(split("Jane <@x>"), "rejected: nothing before @ in the address");
  EXPECT_EQ(split("Jane <j@>"), "rejected: nothing after @ in the address");
  EXPECT_EQ(split("Jane <j @x>"), "rejected: a space in the address");
  EXPECT_EQ(split("\"Jane <j@x>"), "rejected: the quoted name does not end");
  EXPECT_EQ(split("Jane <j@x> of Debian"), "rejected: text after the address");
}

TEST(SplitMaintainer, RejectsSeveralAddresses) {
  EXPECT_EQ(split("A <a@x>, B <b@y>"), "rejected: several addresses");
  EXPECT_EQ(split("a@x, B <b@y>"), "rejected: several addresses");
  EXPECT_EQ(split("A <a@x,b@y>"), "rejected: several addresses");
}

TEST(SplitMaintainer, SkipsNull) { EXPECT_EQ(answer_to(null_cell()).verdict, BACKFILL_SKIP); }

}  // namespace
}  // namespace backfill
