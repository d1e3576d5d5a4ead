#include "postgres/types.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/sql.h"

namespace backfill {
namespace {

constexpr int multiranges_since = 140000;
constexpr std::uint32_t first_user_oid = 16384;

Kind kind_of_builtin(std::uint32_t oid) {
  switch (oid) {
    case 16:
      return Kind::boolean;
    case 17:
      return Kind::bytes;
    case 19:
      return Kind::text;  // name
    case 20:
      return Kind::int64;
    case 21:
      return Kind::int16;
    case 23:
      return Kind::int32;
    case 25:
      return Kind::text;
    case 114:
      return Kind::json;
    case 700:
      return Kind::float32;
    case 701:
      return Kind::float64;
    case 1042:
      return Kind::text;  // char(n)
    case 1043:
      return Kind::text;  // varchar
    case 1082:
      return Kind::date;
    case 1114:
      return Kind::timestamp;
    case 1184:
      return Kind::timestamptz;
    case 1700:
      return Kind::numeric;
    case 2950:
      return Kind::uuid;
    case 3802:
      return Kind::jsonb;
    default:
      return Kind::other;
  }
}

// Everything a type is made of, with the way there: `inside` an array or a range, whose
// binary form names its elements by number.
std::string parts_sql(const std::string& oids, bool has_multiranges) {
  const std::string multirange =
      has_multiranges ? " UNION ALL SELECT r.rngtypid, true, false FROM pg_range AS r "
                        "WHERE r.rngmultitypid = t.oid"
                      : "";
  return fmt::format(
      "WITH RECURSIVE part(root, oid, inside, is_base) AS ("
      "SELECT o, o, false, true FROM unnest('{{{}}}'::oid[]) AS o UNION "
      "SELECT p.root, e.oid, e.inside, e.is_base FROM part AS p JOIN pg_type AS t ON t.oid = p.oid "
      "CROSS JOIN LATERAL (SELECT t.typbasetype, p.inside, p.is_base WHERE t.typtype = 'd' "
      "UNION ALL SELECT t.typelem, true, false WHERE t.typelem <> 0 AND t.typlen = -1 "
      "UNION ALL SELECT r.rngsubtype, true, false FROM pg_range AS r WHERE r.rngtypid = t.oid{}"
      ") AS e(oid, inside, is_base)) ",
      oids, multirange);
}

}  // namespace

CatalogScope::CatalogScope(PgConnection& connection) : connection_(connection) {
  connection_.command("BEGIN READ ONLY; SET LOCAL search_path = pg_catalog, pg_temp");
}

CatalogScope::~CatalogScope() {
  if (connection_.is_lost()) return;
  try {
    connection_.command("ROLLBACK");
  } catch (const Error&) {
    // The next call on this connection says what is wrong with it.
  }
}

void make_key_operators_visible(PgConnection& connection, const std::vector<Column>& key) {
  std::vector<std::string> oids;
  for (const Column& column : key) {
    if (column.oid >= first_user_oid) oids.push_back(std::to_string(column.oid));
  }
  if (oids.empty()) return;
  connection.command(fmt::format(
      "SELECT pg_catalog.set_config('search_path', pg_catalog.concat_ws(', ', "
      "nullif(pg_catalog.current_setting('search_path'), ''), "
      "pg_catalog.string_agg(DISTINCT pg_catalog.quote_ident(n.nspname), ', ')), false) "
      "FROM (WITH RECURSIVE base(oid) AS (SELECT pg_catalog.unnest('{{{}}}'::oid[]) UNION "
      "SELECT t.typbasetype FROM base AS b JOIN pg_catalog.pg_type AS t ON t.oid = b.oid "
      "WHERE t.typtype = 'd') SELECT oid FROM base) AS k "
      "JOIN pg_catalog.pg_opclass AS c ON c.opcintype = k.oid AND c.opcdefault "
      "JOIN pg_catalog.pg_am AS m ON m.oid = c.opcmethod AND m.amname = 'btree' "
      "JOIN pg_catalog.pg_amop AS a ON a.amopfamily = c.opcfamily AND a.amoplefttype = k.oid "
      "JOIN pg_catalog.pg_operator AS o ON o.oid = a.amopopr "
      "JOIN pg_catalog.pg_namespace AS n ON n.oid = o.oprnamespace "
      "WHERE n.nspname <> 'pg_catalog'",
      join(oids, ",")));
}

std::vector<PgType> describe_types(PgConnection& connection,
                                   const std::vector<TypeReference>& references) {
  if (references.empty()) return {};
  std::vector<std::string> oids;
  std::vector<std::string> rows;
  for (std::size_t i = 0; i < references.size(); ++i) {
    const auto& [oid, modifier] = references[i];
    oids.push_back(std::to_string(oid));
    rows.push_back(fmt::format("({}, '{}'::oid, {})", i, oid, modifier));
  }
  const PgResult result = connection.query(
      parts_sql(join(oids, ","), connection.server_version() >= multiranges_since) +
      "SELECT format_type(w.oid, w.modifier), format_type(b.oid, -1), b.oid, "
      "b.typtype = 'e' OR (b.typname = 'citext' AND b.typcategory = 'S'), "
      "EXISTS (SELECT 1 FROM part AS p JOIN pg_type AS t ON t.oid = p.oid WHERE p.root = w.oid "
      "AND p.oid >= 16384 AND (p.inside OR t.typtype = 'c')) "
      "FROM (VALUES " +
      join(rows, ", ") +
      ") AS w(n, oid, modifier) "
      "JOIN part AS p ON p.root = w.oid AND p.is_base "
      "JOIN pg_type AS b ON b.oid = p.oid AND b.typtype <> 'd' ORDER BY w.n");
  if (result.rows() != static_cast<int>(references.size())) {
    throw Error(ErrorKind::stop, "look up types: one of them is not in the catalog any more");
  }
  std::vector<PgType> types;
  for (int row = 0; row < result.rows(); ++row) {
    PgType type;
    type.sql = result.text(row, 0);
    type.base_sql = result.text(row, 1);
    type.base_oid = static_cast<std::uint32_t>(result.integer(row, 2));
    type.kind = result.boolean(row, 3) ? Kind::text : kind_of_builtin(type.base_oid);
    type.database_bound = result.boolean(row, 4);
    types.push_back(std::move(type));
  }
  return types;
}

}  // namespace backfill
