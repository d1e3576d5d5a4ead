#include "core/value_literal.h"

#include <charconv>
#include <cmath>

#include "core/sql.h"

namespace backfill {
namespace {

// Bytes of the UTF-8 sequence at the start of `text`; 0 when there is none.
std::size_t sequence_length(std::string_view text) {
  const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(text[at]); };
  if (byte(0) < 0x80) return 1;
  const std::size_t length = byte(0) >= 0xf0 ? 4 : byte(0) >= 0xe0 ? 3 : 2;
  if (byte(0) < 0xc2 || byte(0) > 0xf4 || text.size() < length) return 0;
  for (std::size_t at = 1; at < length; ++at)
    if ((byte(at) & 0xc0) != 0x80) return 0;
  const bool overlong = (byte(0) == 0xe0 && byte(1) < 0xa0) || (byte(0) == 0xf0 && byte(1) < 0x90);
  const bool surrogate = byte(0) == 0xed && byte(1) >= 0xa0;
  const bool too_high = byte(0) == 0xf4 && byte(1) >= 0x90;
  return overlong || surrogate || too_high ? 0 : length;
}

bool is_plain_text(std::string_view text) {
  while (!text.empty()) {
    const std::size_t length = text.front() == '\0' ? 0 : sequence_length(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

}  // namespace

std::string integer_literal(std::int64_t value) { return std::to_string(value); }

std::string real_literal(double value) {
  if (std::isinf(value)) return (value < 0 ? "-" : "") + std::string("9e999");
  char buffer[32];
  const auto written = std::to_chars(buffer, buffer + sizeof buffer, value);
  std::string literal(buffer, written.ptr);
  if (literal.find_first_of(".e") == std::string::npos) literal += ".0";
  return literal;
}

std::string text_literal(std::string_view text) {
  if (is_plain_text(text)) return quote_literal(text);
  return "CAST(" + blob_literal(text) + " AS TEXT)";
}

std::string blob_literal(std::string_view bytes) {
  constexpr char digits[] = "0123456789abcdef";
  std::string literal = "X'";
  literal.reserve(3 + 2 * bytes.size());
  for (const char byte : bytes) {
    literal += digits[static_cast<unsigned char>(byte) >> 4];
    literal += digits[static_cast<unsigned char>(byte) & 15];
  }
  return literal + "'";
}

}  // namespace backfill
