// core/column.h
//
// What a batch's columns are: a name, a database type, and the kind that tells how its
// bytes are read. Kinds mirror enum backfill_type of the plugin contract.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "backfill/transform.h"

namespace backfill {

// The form of a cell's bytes: PostgreSQL's binary send/receive form of that type.
enum class Kind : std::uint8_t {
  other = BACKFILL_OTHER,  // passes through untouched; not readable here
  boolean = BACKFILL_BOOLEAN,
  int16 = BACKFILL_INT16,
  int32 = BACKFILL_INT32,
  int64 = BACKFILL_INT64,
  float32 = BACKFILL_FLOAT32,
  float64 = BACKFILL_FLOAT64,
  text = BACKFILL_TEXT,
  bytes = BACKFILL_BYTES,
  date = BACKFILL_DATE,
  timestamp = BACKFILL_TIMESTAMP,
  timestamptz = BACKFILL_TIMESTAMPTZ,
  uuid = BACKFILL_UUID,
  json = BACKFILL_JSON,
  jsonb = BACKFILL_JSONB,
  numeric = BACKFILL_NUMERIC,
};

// What there is to know of a kind.
struct KindFacts {
  Kind kind;
  const char* name;   // `text`, `int64`, …: the word used in messages
  const char* type;   // PostgreSQL's type with this binary form; empty for `other`
  std::uint32_t oid;  // of that type
  std::int32_t size;  // bytes that a value always has; 0 when it varies
};
const KindFacts& facts_of(Kind kind);

struct Column {
  std::string name;  // as the database spells it, unquoted
  std::string
      type;  // as SQL, qualified where needed: `numeric(12,2)`, `public.mood`; SQLite: as declared
  Kind kind = Kind::other;
  std::uint32_t oid = 0;  // PostgreSQL type; 0 for SQLite
  // SQLite columns hold any storage class whatever their declared type. A cell of a dynamic
  // column starts with one byte, the Kind of this value (int64, float64, text or bytes);
  // `kind` is then what the declared type promises.
  bool dynamic = false;
  bool not_null = false;
  bool generated = false;  // computed by the database; cannot be written
  bool always_identity = false;
  // The binary form names user-defined types by number (composites, arrays of enums, …),
  // so it means the same only inside one database.
  bool database_bound = false;
  std::string collation;  // SQL, quoted and qualified; empty when the type has none

  bool operator==(const Column&) const = default;
};

using Columns = std::vector<Column>;

// Position of the column with this name, or -1.
int find_column(const Columns& columns, const std::string& name);

}  // namespace backfill
