#include "sqlite/literal.h"

#include <cmath>
#include <limits>
#include <random>

#include "sqlite_file.h"

namespace backfill {
namespace {

TEST(SqliteLiteral, ReadsWhatTheQuoteFunctionPrints) {
  SqliteConnection connection(":memory:", SqliteConnection::Mode::create);
  for (const std::string value :
       {"8123", "-9223372036854775808", "9223372036854775807", "1.5", "-0.1", "1e300", "'it''s'",
        "''", "'1'", "X'00ff'", "X''", "3.0"}) {
    SqliteStatement quoted = connection.prepare("SELECT quote(" + value + ")");
    ASSERT_TRUE(quoted.step());

    const SqliteValue parsed = parse_literal(quoted.bytes(0));
    SqliteStatement same =
        connection.prepare("SELECT " + value + " IS ?1, typeof(" + value + ") = typeof(?1)");
    switch (parsed.storage) {
      case StorageClass::integer:
        same.bind_integer(1, parsed.integer);
        break;
      case StorageClass::real:
        same.bind_real(1, parsed.real);
        break;
      case StorageClass::text:
        same.bind_text(1, parsed.bytes);
        break;
      default:
        same.bind_blob(1, parsed.bytes);
    }

    ASSERT_TRUE(same.step());
    EXPECT_EQ(same.integer(0), 1) << value;
    EXPECT_EQ(same.integer(1), 1) << value;
  }
}

TEST(SqliteLiteral, KeepsEveryBitOfAReal) {
  const unsigned seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  std::vector<double> values{
      0.1,      1.0,      -0.0, 1e22, 1e-320, 5e-324, std::numeric_limits<double>::max(),
      HUGE_VAL, -HUGE_VAL};
  for (int i = 0; i < 1000; ++i) values.push_back(std::bit_cast<double>(random()));

  for (const double value : values) {
    if (std::isnan(value)) continue;
    const SqliteValue parsed = parse_literal(real_literal(value));
    EXPECT_EQ(parsed.storage, StorageClass::real) << real_literal(value);
    EXPECT_EQ(std::bit_cast<std::uint64_t>(parsed.real), std::bit_cast<std::uint64_t>(value))
        << real_literal(value);
  }
}

TEST(SqliteLiteral, KeepsTextsThatJsonOrQuoteWouldDamage) {
  for (const std::string& text : {std::string("a\0b", 3), std::string("\xff\xfe"),
                                  std::string("\xc0\x80"), std::string("it's"), std::string("ä€😀"),
                                  std::string("\xed\xa0\x80"), std::string("\0", 1)}) {
    const Key key = Key::from_json(key_of({text_literal(text)}).to_json());

    const SqliteValue parsed = parse_literal(key.values.at(0));
    EXPECT_EQ(parsed.storage, StorageClass::text);
    EXPECT_EQ(parsed.bytes, text) << text_literal(text);
  }
}

TEST(SqliteLiteral, RefusesWhatIsNotOne) {
  for (const std::string bad : {"",
                                "'",
                                "'a",
                                "a'",
                                "'a'b'",
                                "'''",
                                "X'0'",
                                "X'0g'",
                                "X'",
                                "X",
                                "1 ",
                                " 1",
                                "+1",
                                "--1",
                                "1a",
                                "0x10",
                                "9223372036854775808",
                                "nan",
                                "inf",
                                "NULL",
                                "1; DROP TABLE t",
                                "CAST(X'0' AS TEXT)",
                                "CAST( AS TEXT)",
                                "CAST(1 AS TEXT)",
                                "'a' OR 1",
                                "1e",
                                ".",
                                "-"}) {
    EXPECT_EQ(error_of([&] { parse_literal(bad); }).kind(), ErrorKind::stop) << bad;
  }
}

TEST(SqliteLiteral, AnyBytesAreALiteralOrAnErrorAndLiteralsPrintBackTheSame) {
  const unsigned seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const std::string alphabet = "'X019.e-+afF CAST(AS TEXT)\xff" + std::string(1, '\0');

  for (int round = 0; round < 20000; ++round) {
    std::string text;
    for (auto length = random() % 12; length > 0; --length)
      text += alphabet[random() % alphabet.size()];
    try {
      const SqliteValue value = parse_literal(text);
      if (value.storage == StorageClass::text) {
        EXPECT_EQ(parse_literal(text_literal(value.bytes)), value);
      }
      if (value.storage == StorageClass::blob) {
        EXPECT_EQ(parse_literal(blob_literal(value.bytes)), value);
      }
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::stop);
    }
  }
}

TEST(SqliteLiteral, AKeyMustHaveOneValueAColumn) {
  SqliteConnection connection(":memory:", SqliteConnection::Mode::create);
  SqliteStatement statement = connection.prepare("SELECT ?, ?");

  EXPECT_EQ(error_of([&] { bind_key(statement, 1, key_of({"1"}), 2); }).kind(), ErrorKind::stop);
}

}  // namespace
}  // namespace backfill
