#include "core/key.h"

#include <gtest/gtest.h>

#include "core/error.h"
#include "core/row_key.h"
#include "support/batch_builder.h"

namespace backfill {
namespace {

TEST(Key, RoundTripsThroughJson) {
  for (const Key& key : {Key{{"1"}}, Key{{""}}, Key{{"eu", "81\"23", "line\nbreak"}},
                         Key{{"Zoë", "\\", std::string("zero\0byte", 9)}}}) {
    EXPECT_EQ(Key::from_json(key.to_json()), key) << key.to_json();
  }
}

TEST(Key, IsAJsonArrayOfStrings) {
  EXPECT_EQ(key_of(8123).to_json(), "[\"8123\"]");
  EXPECT_EQ((Key{{"eu", "1"}}.to_json()), "[\"eu\",\"1\"]");
}

TEST(Key, RefusesTextThatIsNoKey) {
  for (const char* text :
       {"", "null", "[]", "[1]", "{\"a\":\"b\"}", "[\"a\"", "\"a\"", "[\"a\"] x"}) {
    EXPECT_THROW(Key::from_json(text), Error) << text;
  }
}

TEST(Key, IsShownPlainAloneAndBracketedWhenComposite) {
  EXPECT_EQ(key_of(8123).display(), "8123");
  EXPECT_EQ((Key{{"eu", "8123"}}.display()), "(eu, 8123)");
}

TEST(RowKey, TakesTheKeyColumnsInKeyOrder) {
  const Batch batch = make_batch({{7, "seven"}});
  const Columns columns = {int64_column("id"), text_column("value")};

  EXPECT_EQ(row_key(columns, {1, 0}, batch.tuple(0)), (Key{{"seven", "7"}}));
}

TEST(RowKey, KeepsAnSqliteNumberApartFromItsText) {
  Column column = int64_column("id");
  column.dynamic = true;
  Batch batch;
  batch.begin_tuple(1);
  batch.append_dynamic(Kind::int64, int64_bytes(1));
  batch.begin_tuple(1);
  batch.append_dynamic(Kind::text, "it's 1");
  batch.begin_tuple(1);
  batch.append_dynamic(Kind::bytes, "\x01");

  EXPECT_EQ(row_key({column}, {0}, batch.tuple(0)), Key{{"1"}});
  EXPECT_EQ(row_key({column}, {0}, batch.tuple(1)), Key{{"'it''s 1'"}});
  EXPECT_EQ(row_key({column}, {0}, batch.tuple(2)), Key{{"X'01'"}});
}

// A bad row whose key was such a text once ended the run, since its dead letter could not be kept.
TEST(RowKey, CanBeKeptWhateverASqliteTextHolds) {
  Column column = text_column("id");
  column.dynamic = true;
  Batch batch;
  batch.begin_tuple(1);
  batch.append_dynamic(Kind::text, "Zo\xeb");
  batch.begin_tuple(1);
  batch.append_dynamic(Kind::text, std::string("a\0b", 3));

  EXPECT_EQ(row_key({column}, {0}, batch.tuple(0)), Key{{"CAST(X'5a6feb' AS TEXT)"}});
  EXPECT_EQ(row_key({column}, {0}, batch.tuple(1)), Key{{"CAST(X'610062' AS TEXT)"}});
  EXPECT_NO_THROW(row_key({column}, {0}, batch.tuple(0)).to_json());
}

TEST(Chunk, IsShownWithItsBounds) {
  Chunk chunk = make_chunk(40'000, 41'000, 1000);
  chunk.ordinal = 41;
  Chunk first = make_chunk(0, 10, 10);

  EXPECT_EQ(chunk.display(), "chunk 41 (40000..41000]");
  EXPECT_EQ(first.display(), "chunk 0 (start..10]");
}

TEST(RowCounts, AddUpFieldByField) {
  RowCounts sum{1, 2, 3, 4, 5, 6};

  sum += RowCounts{10, 20, 30, 40, 50, 60};

  EXPECT_EQ(sum, (RowCounts{11, 22, 33, 44, 55, 66}));
}

TEST(Error, KeepsKindCodeAndExitCodeWhereverItPassed) {
  const Error error = Error(ErrorKind::retry, "connection lost", "08006")
                          .ending_with(ExitCode::target_unreachable)
                          .within("chunk 3");

  EXPECT_STREQ(error.what(), "chunk 3: connection lost");
  EXPECT_EQ(error.kind(), ErrorKind::retry);
  EXPECT_EQ(error.code(), "08006");
  EXPECT_EQ(error.exit_code(), ExitCode::target_unreachable);
}

}  // namespace
}  // namespace backfill
