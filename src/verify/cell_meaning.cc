#include "verify/cell_meaning.h"

#include <cmath>
#include <optional>
#include <stdexcept>

#include "backfill/wire.hpp"

namespace backfill {
namespace {

constexpr std::uint32_t kBlankPadded = 1042;  // char(n): its trailing blanks mean nothing

// A cell and what its bytes are, whatever its column was declared as.
struct Value {
  Kind kind;
  std::string_view bytes;
};

Value value_of(const Column& column, const Cell& cell) {
  if (!column.dynamic) return {column.kind, cell.view()};
  const DynamicCell dynamic = read_dynamic(cell);
  return {dynamic.kind, dynamic.value.view()};
}

std::optional<std::int64_t> integer_in(const Value& value) {
  switch (value.kind) {
    case Kind::boolean:
      return wire::read_boolean(value.bytes) ? 1 : 0;
    case Kind::int16:
      return wire::read_int16(value.bytes);
    case Kind::int32:
      return wire::read_int32(value.bytes);
    case Kind::int64:
      return wire::read_int64(value.bytes);
    default:
      return std::nullopt;
  }
}

std::optional<double> real_in(const Value& value) {
  if (value.kind == Kind::float32) return wire::read_float32(value.bytes);
  if (value.kind == Kind::float64) return wire::read_float64(value.bytes);
  return std::nullopt;
}

// Without what makes no difference: zeros at the end, a sign before zero.
std::string plain_number(std::string text) {
  if (text.find('.') != std::string::npos) {
    text.erase(text.find_last_not_of('0') + 1);
    if (text.back() == '.') text.pop_back();
  }
  return text == "-0" ? "0" : text;
}

// A text that no other value of the kind has; none for kinds that have no such text.
std::optional<std::string> text_in(const Column& column, const Value& value) {
  switch (value.kind) {
    case Kind::other:
    case Kind::bytes:
    case Kind::boolean:
    case Kind::float32:
    case Kind::float64:
      return std::nullopt;
    case Kind::jsonb:
      return std::string(wire::jsonb_text(value.bytes));
    default:
      break;
  }
  Column plain = column;
  plain.dynamic = false;
  plain.kind = value.kind;
  return display_cell(plain, {value.bytes.data(), static_cast<std::int32_t>(value.bytes.size())});
}

bool are_same_reals(double x, double y) { return x == y || (std::isnan(x) && std::isnan(y)); }

bool are_same(const Column& a, const Value& x, const Column& b, const Value& y) {
  const auto integer_x = integer_in(x);
  const auto integer_y = integer_in(y);
  if (integer_x && integer_y) return integer_x == integer_y;
  const auto real_x = real_in(x);
  const auto real_y = real_in(y);
  if (real_x && real_y) return are_same_reals(*real_x, *real_y);
  if (x.kind == Kind::numeric && y.kind == Kind::numeric)
    return plain_number(wire::numeric_text(x.bytes)) == plain_number(wire::numeric_text(y.bytes));
  if (x.kind == Kind::bytes && y.kind == Kind::bytes) return x.bytes == y.bytes;
  const auto text_x = text_in(a, x);
  return text_x && text_x == text_in(b, y);
}

}  // namespace

bool is_same_form(const Column& a, const Column& b) {
  if (a.dynamic || b.dynamic) return a.dynamic && b.dynamic;
  if (a.kind != b.kind) return false;
  return a.kind != Kind::other || (a.oid == b.oid && a.type == b.type);
}

bool surely_means_the_same(const Column& a, const Cell& x, const Column& b, const Cell& y) {
  if (x.is_null() || y.is_null()) return x.is_null() && y.is_null();
  if (is_same_form(a, b) && x.view() == y.view()) return true;
  try {
    return are_same(a, value_of(a, x), b, value_of(b, y));
  } catch (const std::invalid_argument&) {
    return false;
  }
}

std::string key_meaning(const Column& column, const Cell& cell, bool with_class) {
  if (cell.is_null()) return "NULL";
  const Value value = value_of(column, cell);
  const std::string prefix = with_class ? std::to_string(static_cast<int>(value.kind)) + ":" : "";
  try {
    if (const auto integer = integer_in(value)) return prefix + std::to_string(*integer);
    if (value.kind == Kind::numeric) return prefix + plain_number(wire::numeric_text(value.bytes));
    if (auto text = text_in(column, value)) {
      if (column.oid == kBlankPadded) text->erase(text->find_last_not_of(' ') + 1);
      return prefix + *text;
    }
  } catch (const std::invalid_argument&) {
    // Its bytes then.
  }
  return prefix + std::string(value.bytes);
}

}  // namespace backfill
