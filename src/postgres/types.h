// postgres/types.h
//
// What the catalog says of types: their SQL, what they are underneath, and whether their
// binary form means the same in another database.

#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "core/column.h"
#include "postgres/connection.h"

namespace backfill {

struct PgType {
  std::string sql;       // `numeric(12,2)`, `public.mood`; qualified where needed
  std::string base_sql;  // below all domains, without length or precision: `numeric`, `bpchar`
  std::uint32_t base_oid = 0;
  Kind kind = Kind::other;
  bool database_bound = false;
};

// A type and its modifier (-1: none), as in pg_attribute and in a result's description.
using TypeReference = std::pair<std::uint32_t, int>;

// One answer a reference, in their order. Throws Error(stop) for a type that is not there.
std::vector<PgType> describe_types(PgConnection& connection,
                                   const std::vector<TypeReference>& references);

// Adds the schemas of the key types' own operators to the session's search path. Where those of
// an extension's type (citext) cannot be seen, the server silently compares as text instead.
void make_key_operators_visible(PgConnection& connection, const std::vector<Column>& key);

// Runs catalog queries with nothing but pg_catalog in the search path, so that every other
// name comes back qualified. Ends with the scope; nests in no other transaction.
class CatalogScope {
 public:
  explicit CatalogScope(PgConnection& connection);
  ~CatalogScope();
  CatalogScope(const CatalogScope&) = delete;
  CatalogScope& operator=(const CatalogScope&) = delete;

 private:
  PgConnection& connection_;
};

}  // namespace backfill
