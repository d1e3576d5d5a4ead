#include "postgres/looks.h"

#include <gtest/gtest.h>

namespace backfill {
namespace {

int looks_until_trusted(Looks& looks) {
  int count = 0;
  for (; looks.is_wanted(); ++count) looks.found(0);
  return count;
}

TEST(Looks, TrustsTheFirstThatFindsNothing) {
  Looks looks;
  EXPECT_EQ(looks_until_trusted(looks), 1);
}

TEST(Looks, GoOnWhileTheyFindKeys) {
  Looks looks;
  for (int i = 0; i < 10; ++i) {
    EXPECT_TRUE(looks.is_wanted());
    looks.found(1);
  }
  EXPECT_EQ(looks_until_trusted(looks), 1);
}

TEST(Looks, TrustLessWithEachKeyTheyMissed) {
  Looks looks;
  looks_until_trusted(looks);
  for (const int patience : {1, 2, 4, 8, 16, 32, 64, 128, 256, 256}) {
    looks.missed();
    EXPECT_EQ(looks_until_trusted(looks), patience);
  }
}

TEST(Looks, CountAnewAfterOneThatFoundKeys) {
  Looks looks;
  looks.missed();
  looks.missed();
  looks.missed();  // three in a row, four from the next time on
  looks.found(0);
  looks.found(2);
  EXPECT_EQ(looks_until_trusted(looks), 8);
}

}  // namespace
}  // namespace backfill
