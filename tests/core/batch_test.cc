#include "core/batch.h"

#include <gtest/gtest.h>

#include <random>

#include "backfill/wire.hpp"
#include "core/error.h"
#include "support/batch_builder.h"

namespace backfill {
namespace {

Column column_of(Kind kind) {
  Column column;
  column.name = "c";
  column.kind = kind;
  return column;
}

Cell cell_of(const std::string& bytes) {
  return Cell{bytes.data(), static_cast<std::int32_t>(bytes.size())};
}

std::string shown(Kind kind, const std::string& bytes) {
  return display_cell(column_of(kind), cell_of(bytes));
}

template <class Number, class Write>
std::string fixed(Number number, Write write) {
  std::string bytes(sizeof(Number), '\0');
  write(bytes.data(), number);
  return bytes;
}

TEST(Batch, GivesBackEveryFieldAsItWasAppended) {
  Batch batch;
  batch.begin_tuple(3);
  batch.append_field("abc");
  batch.append_null();
  batch.append_field("");

  std::vector<Cell> cells;
  read_cells(batch.tuple(0), 3, cells);

  ASSERT_EQ(batch.rows(), 1U);
  EXPECT_EQ(cells[0].view(), "abc");
  EXPECT_TRUE(cells[1].is_null());
  EXPECT_FALSE(cells[2].is_null());
  EXPECT_EQ(cells[2].view(), "");
}

TEST(Batch, IsPostgresCopyForm) {
  Batch batch;
  batch.begin_tuple(2);
  batch.append_field("A");
  batch.append_null();

  EXPECT_EQ(batch.tuples(), std::string_view("\0\2\0\0\0\1A\xff\xff\xff\xff", 11));
}

TEST(Batch, TuplesStandBackToBack) {
  const Batch batch = make_batch({{1, "one"}, {2, ""}, {3, "three"}});

  EXPECT_EQ(batch.tuples(), std::string(batch.tuple(0)) + std::string(batch.tuple(1)) +
                                std::string(batch.tuple(2)));
  EXPECT_EQ(batch.tuples(1, 3), std::string(batch.tuple(1)) + std::string(batch.tuple(2)));
  EXPECT_EQ(batch.tuples(2, 2), "");
  EXPECT_EQ(batch.bytes(), batch.tuples().size());
}

TEST(Batch, AppendedTuplesAndCellsAreCopies) {
  const Batch from = make_batch({{1, "one"}, {2, "two"}});
  std::vector<Cell> cells;
  read_cells(from.tuple(1), 2, cells);

  Batch to;
  to.append_tuple(from.tuple(0));
  to.begin_tuple(2);
  for (const Cell& cell : cells) to.append_cell(cell);

  EXPECT_EQ(to.tuples(), from.tuples());
}

TEST(Batch, ClearedHoldsNothingOfBefore) {
  Batch batch = make_batch({{1, "one"}});

  batch.clear();

  EXPECT_TRUE(batch.empty());
  EXPECT_EQ(batch.bytes(), 0U);
}

TEST(ReadCells, RefusesTuplesCutAnywhere) {
  const Batch batch = make_batch({{7, "seven"}});
  const std::string_view whole = batch.tuple(0);
  std::vector<Cell> cells;

  for (std::size_t length = 0; length < whole.size(); ++length) {
    EXPECT_THROW(read_cells(whole.substr(0, length), 2, cells), Error) << length;
  }
  EXPECT_NO_THROW(read_cells(whole, 2, cells));
}

TEST(ReadCells, RefusesAnotherNumberOfFieldsAndBytesLeftOver) {
  const Batch batch = make_batch({{7, "seven"}});
  std::vector<Cell> cells;

  EXPECT_THROW(read_cells(batch.tuple(0), 1, cells), Error);
  EXPECT_THROW(read_cells(batch.tuple(0), 3, cells), Error);
  EXPECT_THROW(read_cells(std::string(batch.tuple(0)) + "x", 2, cells), Error);
}

TEST(ReadCells, RefusesLengthsBelowNull) {
  std::vector<Cell> cells;

  EXPECT_THROW(read_cells(std::string_view("\0\1\xff\xff\xff\xfe", 6), 1, cells), Error);
  EXPECT_THROW(read_cells(std::string_view("\0\1\x80\0\0\0", 6), 1, cells), Error);
}

TEST(ReadCells, NeverLeavesTheTupleWhateverItsBytesAre) {
  const std::uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  const Batch batch = make_batch({{7, "seven"}});
  std::vector<Cell> cells;

  for (int turn = 0; turn < 20'000; ++turn) {
    std::string tuple(batch.tuple(0));
    for (int change = 0; change < 3; ++change)
      tuple[random() % tuple.size()] = static_cast<char>(random());
    try {
      read_cells(tuple, 2, cells);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::stop);
      continue;
    }
    for (const Cell& cell : cells) {
      EXPECT_GE(cell.bytes, tuple.data());
      EXPECT_LE(cell.bytes + cell.view().size(), tuple.data() + tuple.size());
    }
  }
}

TEST(DynamicCell, RoundTripsItsKindAndBytes) {
  Batch batch;
  batch.begin_tuple(3);
  batch.append_dynamic(Kind::int64, int64_bytes(-5));
  batch.append_dynamic(Kind::text, "");
  batch.append_null();
  std::vector<Cell> cells;
  read_cells(batch.tuple(0), 3, cells);

  EXPECT_EQ(read_dynamic(cells[0]).kind, Kind::int64);
  EXPECT_EQ(int64_of(read_dynamic(cells[0]).value.view()), -5);
  EXPECT_EQ(read_dynamic(cells[1]).kind, Kind::text);
  EXPECT_EQ(read_dynamic(cells[1]).value.view(), "");
  EXPECT_FALSE(read_dynamic(cells[1]).value.is_null());
  EXPECT_TRUE(read_dynamic(cells[2]).value.is_null());
}

TEST(DynamicCell, RefusesWhatHasNoStorageClass) {
  const std::string unknown = "\x63 five";
  const std::string short_number = std::string(1, static_cast<char>(Kind::int64)) + "1234567";

  EXPECT_THROW(read_dynamic(cell_of("")), Error);
  EXPECT_THROW(read_dynamic(cell_of(unknown)), Error);
  EXPECT_THROW(read_dynamic(cell_of(short_number)), Error);
}

TEST(DisplayCell, ShowsNumbers) {
  EXPECT_EQ(shown(Kind::int16, fixed<std::int16_t>(-2, wire::write_int16)), "-2");
  EXPECT_EQ(shown(Kind::int32, fixed<std::int32_t>(-70'000, wire::write_int32)), "-70000");
  EXPECT_EQ(shown(Kind::int64, int64_bytes(-9'000'000'000)), "-9000000000");
  EXPECT_EQ(shown(Kind::float32, fixed<float>(1.5F, wire::write_float32)), "1.5");
  EXPECT_EQ(shown(Kind::float64, fixed<double>(-0.1, wire::write_float64)), "-0.1");
  EXPECT_EQ(shown(Kind::numeric, wire::numeric_bytes("-12.340")), "-12.340");
  EXPECT_EQ(shown(Kind::boolean, std::string(1, '\1')), "true");
  EXPECT_EQ(shown(Kind::boolean, std::string(1, '\0')), "false");
}

TEST(DisplayCell, ShowsTextAndDocumentsAndBytes) {
  EXPECT_EQ(shown(Kind::text, "Zoë"), "Zoë");
  EXPECT_EQ(shown(Kind::json, "{\"a\":1}"), "{\"a\":1}");
  EXPECT_EQ(shown(Kind::jsonb, "\1{\"a\": 1}"), "{\"a\": 1}");
  EXPECT_EQ(shown(Kind::bytes, std::string("\0\xab", 2)), "\\x00ab");
  EXPECT_EQ(shown(Kind::other, "A"), "\\x41");
  EXPECT_EQ(
      shown(Kind::uuid,
            std::string("\x12\x34\x56\x78\x9a\xbc\xde\xf0\x12\x34\x56\x78\x9a\xbc\xde\xf0", 16)),
      "12345678-9abc-def0-1234-56789abcdef0");
}

TEST(DisplayCell, ShowsDatesAndTimes) {
  EXPECT_EQ(shown(Kind::date, fixed<std::int32_t>(0, wire::write_int32)), "2000-01-01");
  EXPECT_EQ(shown(Kind::timestamp, int64_bytes(1'500'000)), "2000-01-01 00:00:01.5");
  EXPECT_EQ(shown(Kind::timestamptz, int64_bytes(0)), "2000-01-01 00:00:00+00");
}

TEST(DisplayCell, ShowsHexWhereBytesAreNotOfTheirKind) {
  EXPECT_EQ(shown(Kind::int64, "\1"), "\\x01");
  EXPECT_EQ(shown(Kind::uuid, "\1\2"), "\\x0102");
  EXPECT_EQ(shown(Kind::numeric, "\xff"), "\\xff");
}

TEST(DisplayCell, ShowsNullAndEachDynamicValueByItsOwnKind) {
  Column column = column_of(Kind::int64);
  column.dynamic = true;
  const std::string text = std::string(1, static_cast<char>(Kind::text)) + "seven";
  const std::string number = std::string(1, static_cast<char>(Kind::int64)) + int64_bytes(7);

  EXPECT_EQ(display_cell(column, Cell{}), "NULL");
  EXPECT_EQ(display_cell(column, cell_of(text)), "seven");
  EXPECT_EQ(display_cell(column, cell_of(number)), "7");
}

TEST(RowToJson, NamesEveryColumnInOrderAndKeepsNullApartFromText) {
  Batch batch;
  batch.begin_tuple(3);
  batch.append_field(int64_bytes(7));
  batch.append_null();
  batch.append_field("a \"quoted\" \xff line\n");

  const std::string json =
      row_to_json({int64_column("id"), text_column("none"), text_column("note")}, batch.tuple(0));

  EXPECT_EQ(json,
            "{\"id\":\"7\",\"none\":null,\"note\":\"a \\\"quoted\\\" \xEF\xBF\xBD line\\n\"}");
}

}  // namespace
}  // namespace backfill
