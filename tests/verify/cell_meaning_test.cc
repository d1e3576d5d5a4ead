// Cells of two forms: which of them are surely the same value.

#include "verify/cell_meaning.h"

#include <gtest/gtest.h>

#include <limits>

#include "backfill/wire.hpp"

namespace backfill {
namespace {

// A cell that owns its bytes, with its column.
struct Sample {
  Column column;
  std::string bytes;
  bool is_null = false;

  Cell cell() const {
    if (is_null) return {};
    return {bytes.data(), static_cast<std::int32_t>(bytes.size())};
  }
};

Sample of_kind(Kind kind, std::string bytes) {
  Column column;
  column.name = "c";
  column.kind = kind;
  column.oid = facts_of(kind).oid;
  column.type = facts_of(kind).type;
  return {column, std::move(bytes)};
}

template <class Value>
std::string wide(void (*write)(char*, Value), std::size_t size, Value value) {
  std::string bytes(size, '\0');
  write(bytes.data(), value);
  return bytes;
}

Sample int32(std::int32_t value) { return of_kind(Kind::int32, wide(wire::write_int32, 4, value)); }
Sample int64(std::int64_t value) { return of_kind(Kind::int64, wide(wire::write_int64, 8, value)); }
Sample real(double value) { return of_kind(Kind::float64, wide(wire::write_float64, 8, value)); }
Sample text(const std::string& value) { return of_kind(Kind::text, value); }
Sample null_text() { return {text("").column, "", true}; }

// numeric in PostgreSQL's binary form: digits of base 10000, weight, sign, digits after the point.
Sample numeric(const std::vector<std::int16_t>& digits, std::int16_t weight, std::int16_t scale,
               std::int16_t sign = 0) {
  std::string bytes;
  for (const std::int16_t part : {static_cast<std::int16_t>(digits.size()), weight, sign, scale})
    bytes += wide(wire::write_int16, 2, part);
  for (const std::int16_t digit : digits) bytes += wide(wire::write_int16, 2, digit);
  return of_kind(Kind::numeric, bytes);
}

// As SQLite gives it: the kind in front.
Sample dynamic(const Sample& value) {
  Sample made = value;
  made.column.dynamic = true;
  made.column.oid = 0;
  made.bytes = std::string(1, static_cast<char>(value.column.kind)) + value.bytes;
  return made;
}

bool same(const Sample& a, const Sample& b) {
  return surely_means_the_same(a.column, a.cell(), b.column, b.cell());
}

TEST(CellMeaningTest, TakesIntegersOfEveryWidthByTheirValue) {
  EXPECT_TRUE(same(int32(17), int64(17)));
  EXPECT_FALSE(same(int32(17), int64(18)));
  EXPECT_TRUE(same(int32(-1), dynamic(int64(-1))));
  EXPECT_TRUE(same(of_kind(Kind::boolean, "\1"), dynamic(int64(1))));
}

TEST(CellMeaningTest, TakesNumericsByTheirValueAndNotByTheirScale) {
  EXPECT_TRUE(same(numeric({1, 5000}, 0, 1), numeric({1, 5000}, 0, 2)));   // 1.5 and 1.50
  EXPECT_FALSE(same(numeric({1, 5000}, 0, 1), numeric({1, 5100}, 0, 2)));  // 1.5 and 1.51
  EXPECT_TRUE(same(numeric({}, 0, 0), numeric({}, 0, 2)));                 // 0 and 0.00
  EXPECT_FALSE(same(numeric({1}, 1, 0), numeric({1}, 0, 0)));              // 10000 and 1
  EXPECT_FALSE(same(numeric({1}, 0, 0), numeric({1}, 0, 0, 0x4000)));      // 1 and -1
}

TEST(CellMeaningTest, TakesZeroForMinusZeroAndNanForNan) {
  const double nan = std::numeric_limits<double>::quiet_NaN();

  EXPECT_TRUE(same(real(0.0), real(-0.0)));
  EXPECT_TRUE(same(real(nan), real(-nan)));
  EXPECT_FALSE(same(real(0.0), real(nan)));
}

TEST(CellMeaningTest, NeverTakesNullForAnythingElse) {
  EXPECT_TRUE(same(null_text(), null_text()));
  EXPECT_FALSE(same(null_text(), text("")));
  EXPECT_FALSE(same(text(""), null_text()));
  EXPECT_FALSE(same(null_text(), text("NULL")));
}

TEST(CellMeaningTest, TakesTheTextOfAValueForTheValue) {
  const Sample uuid = of_kind(Kind::uuid, std::string("\x12\x34\x56\x78\x12\x34\x56\x78"
                                                      "\x12\x34\x56\x78\x12\x34\x56\x78",
                                                      16));
  const Sample date = of_kind(Kind::date, wide(wire::write_int32, 4, 0));

  EXPECT_TRUE(same(uuid, dynamic(text("12345678-1234-5678-1234-567812345678"))));
  EXPECT_TRUE(same(date, text("2000-01-01")));
  EXPECT_FALSE(same(date, text("2000-01-02")));
  EXPECT_TRUE(same(of_kind(Kind::jsonb, "\1{\"a\": 1}"), dynamic(text("{\"a\": 1}"))));
}

TEST(CellMeaningTest, LeavesToTheDatabaseWhatItIsNotSureOf) {
  EXPECT_FALSE(same(text("1.50"), dynamic(real(1.5))));
  EXPECT_FALSE(same(of_kind(Kind::bytes, "abc"), text("abc")));
  EXPECT_FALSE(same(of_kind(Kind::other, "abc"), text("abc")));
}

TEST(CellMeaningTest, KeepsTheStorageClassesOfAnyTypedColumnApart) {
  EXPECT_FALSE(same(dynamic(text("1")), dynamic(of_kind(Kind::bytes, "1"))));
  EXPECT_NE(key_meaning(dynamic(text("1")).column, dynamic(text("1")).cell(), true),
            key_meaning(dynamic(int64(1)).column, dynamic(int64(1)).cell(), true));
  EXPECT_EQ(key_meaning(int32(1).column, int32(1).cell(), false),
            key_meaning(dynamic(int64(1)).column, dynamic(int64(1)).cell(), false));
}

}  // namespace
}  // namespace backfill
