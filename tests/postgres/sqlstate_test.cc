#include "postgres/sqlstate.h"

#include <gtest/gtest.h>

namespace backfill {
namespace {

TEST(Sqlstate, NamesTheRemedy) {
  for (const char* code : {"08006", "08001", "40001", "40P01", "53300", "55P03", "57P01", "57P02",
                           "57P03", "57P05", "25006", "25P03"}) {
    EXPECT_EQ(kind_of_sqlstate(code), ErrorKind::retry) << code;
  }
  for (const char* code :
       {"22003", "22P02", "23505", "23514", "27000", "38000", "44000", "54000", "P0001"}) {
    EXPECT_EQ(kind_of_sqlstate(code), ErrorKind::reject) << code;
  }
  for (const char* code : {"28P01", "42501", "42P01", "3D000", "XX000", "57P04", ""}) {
    EXPECT_EQ(kind_of_sqlstate(code), ErrorKind::stop) << code;
  }
  EXPECT_EQ(kind_of_sqlstate("57014"), ErrorKind::too_large);
}

TEST(OneLine, TakesBreaksAndIndentsOut) {
  EXPECT_EQ(one_line("first\n\tsecond  third \n"), "first second third");
}

}  // namespace
}  // namespace backfill
