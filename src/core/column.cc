#include "core/column.h"

#include <array>

namespace backfill {

const KindFacts& facts_of(Kind kind) {
  // In the order of the enumerators.
  static constexpr std::array<KindFacts, 16> kFacts = {{
      {Kind::other, "other", "", 0, 0},
      {Kind::boolean, "boolean", "boolean", 16, 1},
      {Kind::int16, "int16", "smallint", 21, 2},
      {Kind::int32, "int32", "integer", 23, 4},
      {Kind::int64, "int64", "bigint", 20, 8},
      {Kind::float32, "float32", "real", 700, 4},
      {Kind::float64, "float64", "double precision", 701, 8},
      {Kind::text, "text", "text", 25, 0},
      {Kind::bytes, "bytes", "bytea", 17, 0},
      {Kind::date, "date", "date", 1082, 4},
      {Kind::timestamp, "timestamp", "timestamp without time zone", 1114, 8},
      {Kind::timestamptz, "timestamptz", "timestamp with time zone", 1184, 8},
      {Kind::uuid, "uuid", "uuid", 2950, 16},
      {Kind::json, "json", "json", 114, 0},
      {Kind::jsonb, "jsonb", "jsonb", 3802, 0},
      {Kind::numeric, "numeric", "numeric", 1700, 0},
  }};
  const auto place = static_cast<std::size_t>(kind);
  return kFacts[place < kFacts.size() ? place : 0];
}

int find_column(const Columns& columns, const std::string& name) {
  for (std::size_t i = 0; i < columns.size(); ++i) {
    if (columns[i].name == name) return static_cast<int>(i);
  }
  return -1;
}

}  // namespace backfill
