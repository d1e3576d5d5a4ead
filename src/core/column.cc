#include "core/column.h"

namespace backfill {

const char* kind_name(Kind kind) {
  switch (kind) {
    case Kind::other:
      return "other";
    case Kind::boolean:
      return "boolean";
    case Kind::int16:
      return "int16";
    case Kind::int32:
      return "int32";
    case Kind::int64:
      return "int64";
    case Kind::float32:
      return "float32";
    case Kind::float64:
      return "float64";
    case Kind::text:
      return "text";
    case Kind::bytes:
      return "bytes";
    case Kind::date:
      return "date";
    case Kind::timestamp:
      return "timestamp";
    case Kind::timestamptz:
      return "timestamptz";
    case Kind::uuid:
      return "uuid";
    case Kind::json:
      return "json";
    case Kind::jsonb:
      return "jsonb";
    case Kind::numeric:
      return "numeric";
  }
  return "other";
}

int find_column(const Columns& columns, const std::string& name) {
  for (std::size_t i = 0; i < columns.size(); ++i) {
    if (columns[i].name == name) return static_cast<int>(i);
  }
  return -1;
}

}  // namespace backfill
