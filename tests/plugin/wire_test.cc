// Pairs of binary form and text as PostgreSQL 15 gave them (`*_send`, `::text`; DateStyle ISO,
// time zone UTC).

#include "backfill/wire.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <random>

namespace backfill::wire {
namespace {

struct Known {
  const char* hex;
  const char* text;
};

std::string from_hex(std::string_view hex) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
    bytes += static_cast<char>(hex_digit(hex[i]) * 16 + hex_digit(hex[i + 1]));
  return bytes;
}

constexpr Known dates[] = {
    {"00000000", "2000-01-01"},    {"ffffffff", "1999-12-31"},    {"0000265e", "2026-11-22"},
    {"0000003b", "2000-02-29"},    {"ffff718e", "1900-02-28"},    {"fff4dbf9", "0001-01-01"},
    {"fff4dbf8", "0001-12-31 BC"}, {"fff4dac6", "0001-02-29 BC"}, {"fff4d510", "0005-02-28 BC"},
    {"fff49d7b", "0044-03-15 BC"}, {"ffda97cd", "4713-01-01 BC"}, {"ffda97a7", "4714-11-24 BC"},
    {"002c95d3", "9999-12-31"},    {"002c95d4", "10000-01-01"},   {"7fda970c", "5874897-12-31"},
    {"7fffffff", "infinity"},      {"80000000", "-infinity"},
};

constexpr Known timestamps[] = {
    {"0000000000000000", "2000-01-01 00:00:00"},
    {"000303dbe4bdd820", "2026-11-22 13:05:00.5"},
    {"ffffffffffffffff", "1999-12-31 23:59:59.999999"},
    {"7fffff5bb3b29fff", "294276-12-31 23:59:59.999999"},
    {"fd0f7cc1411fa000", "4714-11-24 00:00:00 BC"},
    {"ff1af9e96690a201", "0044-03-15 12:30:00.000001 BC"},
    {"fffca2fec4c9f4c0", "1970-01-01 00:00:00.12"},
    {"0487db00297a1580", "12345-06-07 08:09:10"},
    {"7fffffffffffffff", "infinity"},
    {"8000000000000000", "-infinity"},
};

constexpr Known zoned_timestamps[] = {
    {"0000000000000000", "2000-01-01 00:00:00+00"},
    {"000303dbe4bdd820", "2026-11-22 13:05:00.5+00"},
    {"ff1af9e966947290", "0044-03-15 12:30:00.25+00 BC"},
    {"7fffffffffffffff", "infinity"},
    {"8000000000000000", "-infinity"},
};

constexpr Known numerics[] = {
    {"0000000000000000", "0"},
    {"0000000000000002", "0.00"},
    {"00010000000000000001", "1"},
    {"00010000400000000001", "-1"},
    {"0002000000000002000c1388", "12.50"},
    {"00010001000000000001", "10000"},
    {"0001000000000000270f", "9999"},
    {"0003000100000004000100010001", "10001.0001"},
    {"0001ffff000000040001", "0.0001"},
    {"0001fffe0000000503e8", "0.00001"},
    {"0001fffe40000008007b", "-0.00000123"},
    {"000b000700000009000c0d801ed204d2162e23340d801ed204d2162e2328",
     "123456789012345678901234567890.123456789"},
    {"00010005000000000001", "100000000000000000000"},
    {"0001fffb000000140001", "0.00000000000000000001"},
    {"0001ffff0000000103e8", "0.1"},
    {"0003000100000004270f270f270f", "99999999.9999"},
    {"00010000000000100001", "1.0000000000000000"},
    {"000200000000000113881388", "5000.5"},
    {"0001fffd0000000a0064", "0.0000000001"},
    {"0001ffff0000000301a4", "0.042"},
    {"00000000c0000000", "NaN"},
};

TEST(Wire, PrintsDatesAsTheServerDoes) {
  for (const Known& known : dates)
    EXPECT_EQ(date_text(read_int32(from_hex(known.hex))), known.text) << known.hex;
}

TEST(Wire, PrintsTimestampsAsTheServerDoes) {
  for (const Known& known : timestamps)
    EXPECT_EQ(timestamp_text(read_int64(from_hex(known.hex))), known.text) << known.hex;
}

TEST(Wire, PrintsTimestampsWithZoneAsTheServerDoes) {
  for (const Known& known : zoned_timestamps)
    EXPECT_EQ(timestamptz_text(read_int64(from_hex(known.hex))), known.text) << known.hex;
}

TEST(Wire, PrintsNumericsAsTheServerDoes) {
  for (const Known& known : numerics)
    EXPECT_EQ(numeric_text(from_hex(known.hex)), known.text) << known.hex;

  EXPECT_EQ(numeric_text(from_hex("00000000d0000020")), "Infinity");
  EXPECT_EQ(numeric_text(from_hex("00000000f0000020")), "-Infinity");
}

TEST(Wire, ReadsNumericTextToTheServersBytes) {
  for (const Known& known : numerics)
    EXPECT_EQ(numeric_bytes(known.text), from_hex(known.hex)) << known.text;
}

TEST(Wire, ReadsNumericsHoweverAPersonWritesThem) {
  const Known spellings[] = {{" +1e20\n", "100000000000000000000"},
                             {"1E-20", "0.00000000000000000001"},
                             {"42e-3", "0.042"},
                             {"-0.00", "0.00"},
                             {".5", "0.5"},
                             {"5.", "5"},
                             {"0012", "12"},
                             {"1e+2", "100"},
                             {"inf", "Infinity"},
                             {"-INFINITY", "-Infinity"},
                             {"nan", "NaN"},
                             {"1.5e1", "15"},
                             {"12345678.9e-2", "123456.789"}};

  for (const Known& spelling : spellings)
    EXPECT_EQ(numeric_text(numeric_bytes(spelling.hex)), spelling.text) << spelling.hex;
}

TEST(Wire, RefusesTextThatIsNoNumeric) {
  for (const char* text : {"", " ", "-", ".", "1..2", "1,5", "1e", "1e+-2", "0x10", "1 2", "-nan",
                           "1e999999999", "1e140000", "1e-20000", "infinit", "+ 1"})
    EXPECT_THROW(numeric_bytes(text), std::invalid_argument) << text;
}

TEST(Wire, RefusesBytesThatAreNoNumeric) {
  const char* garbage[] = {
      "",
      "00",
      "0002000000000000000100",    // a digit cut off
      "000100000000000000010001",  // one digit too many
      "00010000100000000001",      // an unknown sign
      "00010000000000002710",      // the digit 10000
      "00010000000040000001",      // more decimals than there can be
  };

  for (const char* hex : garbage)
    EXPECT_THROW(numeric_text(from_hex(hex)), std::invalid_argument) << hex;
}

TEST(Wire, RefusesDatesAndTimesThatTheServerCannotHold) {
  EXPECT_THROW(date_text(date_first - 1), std::invalid_argument);
  EXPECT_THROW(date_text(date_end), std::invalid_argument);
  EXPECT_THROW(timestamp_text(timestamp_first - 1), std::invalid_argument);
  EXPECT_THROW(timestamptz_text(timestamp_end), std::invalid_argument);
}

TEST(Wire, RefusesValuesOfAnotherSize) {
  EXPECT_THROW(read_int16("123"), std::invalid_argument);
  EXPECT_THROW(read_int32(""), std::invalid_argument);
  EXPECT_THROW(read_int64("1234567"), std::invalid_argument);
  EXPECT_THROW(read_float32("12345678"), std::invalid_argument);
  EXPECT_THROW(read_float64("1234"), std::invalid_argument);
  EXPECT_THROW(read_boolean(""), std::invalid_argument);
  EXPECT_THROW(jsonb_text(""), std::invalid_argument);
  EXPECT_THROW(jsonb_text("\x02{}"), std::invalid_argument);
}

TEST(Wire, KeepsNumbersThroughTheirBytes) {
  char bytes[8];

  write_int16(bytes, -2);
  EXPECT_EQ(read_int16({bytes, 2}), -2);
  write_int32(bytes, std::numeric_limits<std::int32_t>::min());
  EXPECT_EQ(read_int32({bytes, 4}), std::numeric_limits<std::int32_t>::min());
  write_int64(bytes, 0x0102030405060708);
  EXPECT_EQ(std::string_view(bytes, 8), "\x01\x02\x03\x04\x05\x06\x07\x08");
  EXPECT_EQ(read_int64({bytes, 8}), 0x0102030405060708);
  write_float32(bytes, -1.5F);
  EXPECT_EQ(read_float32({bytes, 4}), -1.5F);
  write_float64(bytes, 0.1);
  EXPECT_EQ(read_float64({bytes, 8}), 0.1);
}

TEST(Wire, ReadsUuidsAsTheServerDoes) {
  constexpr const char* canonical = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11";

  for (const char* text :
       {canonical, "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", "{a0eebc999c0b4ef8bb6d6bb9bd380a11}",
        "a0ee-bc99-9c0b-4ef8-bb6d-6bb9-bd38-0a11"}) {
    const Uuid uuid = parse_uuid(text);
    EXPECT_EQ(uuid_text(reinterpret_cast<const char*>(uuid.data())), canonical) << text;
  }
}

TEST(Wire, RefusesTextThatIsNoUuid) {
  for (const char* text :
       {"", "{", "{}", "a0eebc99", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1g",
        "{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11-",
        "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1100", "a-0eebc999c0b4ef8bb6d6bb9bd380a11"})
    EXPECT_THROW(parse_uuid(text), std::invalid_argument) << text;
}

TEST(Wire, MeetsTheCalendarOfChrono) {
  using namespace std::chrono;

  EXPECT_EQ(to_sys_days(0), sys_days(January / 1 / 2000));
  EXPECT_EQ(from_sys_days(sys_days(November / 22 / 2026)), 0x265e);
  EXPECT_EQ(to_sys_time(500'000), SysTime(sys_days(January / 1 / 2000)) + 500ms);
  EXPECT_EQ(from_sys_time(SysTime(sys_days(January / 1 / 1970))), -epoch_microseconds);
  EXPECT_EQ(to_local_time(-1), LocalTime(local_days(January / 1 / 2000)) - 1us);
  EXPECT_EQ(from_local_time(to_local_time(timestamp_first)), timestamp_first);
}

TEST(Wire, HasNoPointInTimeForInfinity) {
  EXPECT_THROW(to_sys_days(date_infinity), std::invalid_argument);
  EXPECT_THROW(to_sys_time(timestamp_minus_infinity), std::invalid_argument);
  EXPECT_THROW(to_local_time(timestamp_infinity), std::invalid_argument);
  EXPECT_THROW(to_sys_time(timestamp_end - 1), std::invalid_argument);
  EXPECT_THROW(from_sys_time(SysTime::min()), std::invalid_argument);
  EXPECT_THROW(from_sys_days(std::chrono::sys_days::max()), std::invalid_argument);
}

TEST(Wire, KeepsRandomNumericsThroughText) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);

  for (int i = 0; i < 2000; ++i) {
    std::string text = random() % 2 == 0 ? "-" : "";
    text += static_cast<char>('1' + random() % 9);
    for (unsigned digits = random() % 30; digits > 0; --digits)
      text += static_cast<char>('0' + random() % 10);
    const unsigned decimals = random() % 30;
    if (decimals > 0) text += '.';
    for (unsigned left = decimals; left > 0; --left) text += static_cast<char>('0' + random() % 10);

    EXPECT_EQ(numeric_text(numeric_bytes(text)), text);
  }
}

TEST(Wire, NeverReadsPastGarbage) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const auto survive = [](const std::function<void()>& call) {
    try {
      call();
    } catch (const std::invalid_argument&) {
    }
  };

  for (int i = 0; i < 5000; ++i) {
    // Exactly as long as it says, so that the sanitizers see a byte too far.
    std::vector<char> bytes(random() % 20);
    for (char& byte : bytes) byte = static_cast<char>(random() % 3 == 0 ? random() : random() % 2);
    const std::string_view garbage(bytes.data(), bytes.size());

    survive([&] { numeric_text(garbage); });
    survive([&] { numeric_bytes(garbage); });
    survive([&] { parse_uuid(garbage); });
    survive([&] { date_text(read_int32(garbage)); });
    survive([&] { timestamptz_text(read_int64(garbage)); });
    survive([&] { to_sys_time(read_int64(garbage)); });
  }
}

}  // namespace
}  // namespace backfill::wire
