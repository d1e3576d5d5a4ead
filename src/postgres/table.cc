#include "postgres/table.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <set>

#include "core/sql.h"
#include "postgres/key_index.h"
#include "postgres/types.h"

namespace backfill {
namespace {

constexpr std::uint32_t xid_oid = 28;

struct FoundTable {
  std::string oid;
  std::string sql;
  char kind = 'r';
};

std::size_t distance(const std::string& a, const std::string& b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t corner = std::exchange(row[0], i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t kept = corner + (a[i - 1] == b[j - 1] ? 0 : 1);
      corner = std::exchange(row[j], std::min({row[j] + 1, row[j - 1] + 1, kept}));
    }
  }
  return row[b.size()];
}

// `; did you mean app.users?`, or nothing when no name is near.
std::string suggestion(PgConnection& connection, const std::string& name) {
  const PgResult tables = connection.query(
      "SELECT c.relname, pg_catalog.quote_ident(n.nspname) || '.' || "
      "pg_catalog.quote_ident(c.relname) "
      "FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace "
      "WHERE c.relkind IN ('r', 'p') AND n.nspname <> 'information_schema' "
      "AND n.nspname NOT LIKE 'pg\\_%' ORDER BY 2 LIMIT 10000");
  std::string best;
  std::size_t nearest = std::max<std::size_t>(3, name.size() / 3 + 1);
  for (int row = 0; row < tables.rows(); ++row) {
    const std::size_t far = distance(name, tables.text(row, 0));
    if (far >= nearest) continue;
    nearest = far;
    best = tables.text(row, 1);
  }
  return best.empty() ? "" : "; did you mean " + best + "?";
}

const char* why_not_a_table(char kind) {
  switch (kind) {
    case 'v':
      return "a view: name the table below it";
    case 'm':
      return "a materialized view: name the table below it";
    case 'f':
      return "a foreign table: connect to the server that holds it";
    case 'S':
      return "a sequence";
    case 'i':
    case 'I':
      return "an index";
    default:
      return "not a table";
  }
}

FoundTable find_table(PgConnection& connection, const std::string& table) {
  const std::vector<std::string> parts = split_name(table, true);
  std::vector<std::string> quoted;
  for (const std::string& part : parts) quoted.push_back(quote_identifier(part));
  connection.attempt("look up table " + table);
  try {
    const PgResult row = connection.query(
        "SELECT c.oid, pg_catalog.quote_ident(n.nspname) || '.' || "
        "pg_catalog.quote_ident(c.relname), c.relkind FROM pg_catalog.pg_class AS c "
        "JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace "
        "WHERE c.oid = pg_catalog.to_regclass($1)",
        {join(quoted, ".")});
    if (row.rows() == 0) {
      throw Error(ExitCode::unsafe,
                  fmt::format("there is no table {} in the {}{}", table, connection.role(),
                              suggestion(connection, parts.back())));
    }
    FoundTable found{row.text(0, 0), row.text(0, 1), row.view(0, 2).front()};
    if (found.kind == 'r' || found.kind == 'p') return found;
    throw Error(ExitCode::unsafe, fmt::format("{} is {}", found.sql, why_not_a_table(found.kind)));
  } catch (const Error& error) {
    if (error.code() != "42501") throw;
    throw Error(ExitCode::unsafe, fmt::format("{}: GRANT USAGE ON SCHEMA {} TO this role",
                                              error.what(), quoted.front()));
  }
}

bool scalar_true(PgConnection& connection, const std::string& sql) {
  const PgResult row = connection.query(sql);
  return row.rows() == 1 && row.boolean(0, 0);
}

// A clone has its original's system identifier, but not its start time; a role that may not
// ask for the one still sees the other.
std::string database_identity(PgConnection& connection) {
  std::string system = "?";
  if (scalar_true(connection,
                  "SELECT pg_catalog.has_function_privilege('pg_catalog.pg_control_system()', "
                  "'execute')")) {
    system =
        connection.query("SELECT system_identifier FROM pg_catalog.pg_control_system()").text(0, 0);
  }
  const PgResult rest = connection.query(
      "SELECT extract(epoch FROM pg_catalog.pg_postmaster_start_time()), "
      "pg_catalog.pg_is_in_recovery(), d.oid FROM pg_catalog.pg_database AS d "
      "WHERE d.datname = pg_catalog.current_database()");
  return fmt::format("postgresql/{}/{}/{}/{}", system, rest.text(0, 0),
                     rest.boolean(0, 1) ? "standby" : "primary", rest.text(0, 2));
}

// `public."odd collation"`; the alias `c` is that of pg_collation.
constexpr const char* collation_sql =
    "(SELECT CASE WHEN c.collname = 'default' AND n.nspname = 'pg_catalog' THEN "
    "'pg_catalog.\"default\"' ELSE quote_ident(n.nspname) || '.' || quote_ident(c.collname) END "
    "FROM pg_collation AS c JOIN pg_namespace AS n ON n.oid = c.collnamespace WHERE c.oid = {})";

Columns read_columns(PgConnection& connection, const std::string& oid) {
  const PgResult rows = connection.query(fmt::format(
      "SELECT a.attname, a.atttypid, a.atttypmod, a.attnotnull, a.attgenerated <> '', "
      "a.attidentity = 'a', {} FROM pg_attribute AS a WHERE a.attrelid = {} AND a.attnum > 0 "
      "AND NOT a.attisdropped ORDER BY a.attnum",
      fmt::format(fmt::runtime(collation_sql), "a.attcollation"), oid));
  std::vector<TypeReference> references;
  for (int row = 0; row < rows.rows(); ++row) {
    references.emplace_back(static_cast<std::uint32_t>(rows.integer(row, 1)),
                            static_cast<int>(rows.integer(row, 2)));
  }
  const std::vector<PgType> types = describe_types(connection, references);
  Columns columns;
  for (int row = 0; row < rows.rows(); ++row) {
    const auto at = static_cast<std::size_t>(row);
    Column column;
    column.name = rows.text(row, 0);
    column.type = types[at].sql;
    column.kind = types[at].kind;
    column.oid = references[at].first;
    column.not_null = rows.boolean(row, 3);
    column.generated = rows.boolean(row, 4);
    column.always_identity = rows.boolean(row, 5);
    column.database_bound = types[at].database_bound;
    column.collation = rows.text(row, 6);
    columns.push_back(std::move(column));
  }
  return columns;
}

std::vector<IndexFacts> read_indexes(PgConnection& connection, const std::string& oid) {
  const PgResult rows = connection.query(fmt::format(
      "SELECT i.indexrelid, x.relname, n.nspname, i.indisprimary, i.indisunique, "
      "i.indisvalid AND i.indisready AND i.indislive, i.indimmediate, i.indpred IS NOT NULL, "
      "m.amname = 'btree', a.attname, k.n <= i.indnkeyatts, coalesce(a.attnotnull, false), "
      "k.n <= i.indnkeyatts AND i.indoption[k.n - 1] & 1 = 1, coalesce(o.opcdefault, true), {} "
      "FROM pg_index AS i JOIN pg_class AS x ON x.oid = i.indexrelid "
      "JOIN pg_namespace AS n ON n.oid = x.relnamespace JOIN pg_am AS m ON m.oid = x.relam "
      "CROSS JOIN LATERAL generate_series(1, i.indnatts) AS k(n) "
      "LEFT JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[k.n - 1] "
      "AND a.attnum <> 0 LEFT JOIN pg_opclass AS o ON k.n <= i.indnkeyatts "
      "AND o.oid = i.indclass[k.n - 1] WHERE i.indrelid = {} ORDER BY x.relname, k.n",
      fmt::format(fmt::runtime(collation_sql),
                  "CASE WHEN k.n <= i.indnkeyatts THEN i.indcollation[k.n - 1] END"),
      oid));
  std::vector<IndexFacts> indexes;
  std::string last;
  for (int row = 0; row < rows.rows(); ++row) {
    if (rows.text(row, 0) != last) {
      last = rows.text(row, 0);
      IndexFacts index;
      index.name = rows.text(row, 1);
      index.schema = rows.text(row, 2);
      index.primary = rows.boolean(row, 3);
      index.unique = rows.boolean(row, 4);
      index.valid = rows.boolean(row, 5);
      index.immediate = rows.boolean(row, 6);
      index.partial = rows.boolean(row, 7);
      index.btree = rows.boolean(row, 8);
      indexes.push_back(std::move(index));
    }
    indexes.back().columns.push_back({rows.text(row, 9), rows.boolean(row, 10),
                                      rows.boolean(row, 11), rows.boolean(row, 12),
                                      rows.boolean(row, 13), rows.text(row, 14)});
  }
  return indexes;
}

// Columns that any index names, also in an expression or a predicate.
std::vector<std::string> read_indexed_columns(PgConnection& connection, const std::string& oid) {
  const PgResult rows = connection.query(fmt::format(
      "SELECT a.attname FROM pg_attribute AS a WHERE a.attrelid = {0} AND a.attnum > 0 AND ("
      "EXISTS (SELECT 1 FROM pg_index AS i WHERE i.indrelid = {0} AND a.attnum = ANY (i.indkey)) "
      "OR "
      "EXISTS (SELECT 1 FROM pg_index AS i JOIN pg_depend AS d ON d.classid = 'pg_class'::regclass "
      "AND d.objid = i.indexrelid AND d.refclassid = 'pg_class'::regclass AND d.refobjid = {0} "
      "WHERE i.indrelid = {0} AND d.refobjsubid = a.attnum)) ORDER BY a.attnum",
      oid));
  std::vector<std::string> names;
  for (int row = 0; row < rows.rows(); ++row) names.push_back(rows.text(row, 0));
  return names;
}

// Job files spell columns as SQL does, or just as they are.
std::vector<std::string> resolve_names(const std::string& table, const Columns& columns,
                                       const std::vector<std::string>& names) {
  std::vector<std::string> resolved;
  for (const std::string& name : names) {
    if (find_column(columns, name) >= 0) {
      resolved.push_back(name);
      continue;
    }
    const SelectItem item = parse_select_item(name, true);
    if (!item.is_column || find_column(columns, item.alias) < 0) {
      throw Error(ExitCode::unsafe, fmt::format("key column {} is not in {}", name, table));
    }
    resolved.push_back(item.alias);
  }
  return resolved;
}

// Counting so many rows takes a few milliseconds.
constexpr std::int64_t counted_rows_max = 50'000;

// The first, outermost estimate of a plan.
std::optional<std::int64_t> planned_rows(PgConnection& connection, const std::string& table,
                                         const std::string& where) {
  const std::string sql = "EXPLAIN (FORMAT JSON) SELECT 1 FROM " + table +
                          (where.empty() ? "" : " WHERE (" + where + "\n)");
  const PgResult plan = connection.query(sql);
  const std::string text = plan.text(0, 0);
  const std::string name = "\"Plan Rows\": ";
  const auto at = text.find(name);
  if (at == std::string::npos) return std::nullopt;
  return static_cast<std::int64_t>(std::strtod(text.c_str() + at + name.size(), nullptr));
}

// Only the server can tell whether the job's SQL fits its tables: refused before the first row.
[[noreturn]] void refuse_sql(const char* setting, const Error& error) {
  if (error.kind() != ErrorKind::stop && error.kind() != ErrorKind::reject) throw error;
  throw error.within(setting).ending_with(ExitCode::unsafe);
}

// A table that was never analyzed says -1, before version 14 an empty table of no pages.
bool was_analyzed(PgConnection& connection, const FoundTable& table) {
  return !connection
              .query(
                  "SELECT coalesce(bool_or(c.reltuples < 0 OR (c.reltuples = 0 AND c.relpages = "
                  "0)), true) FROM pg_catalog.pg_class AS c WHERE c.relkind = 'r' AND "
                  "(c.oid = $1::oid OR c.oid IN "
                  "(SELECT p.relid FROM pg_catalog.pg_partition_tree($1::oid::regclass) AS p))",
                  {table.oid})
              .boolean(0, 0);
}

// Of a table of few rows; none of one with more.
std::optional<std::int64_t> count_few_rows(PgConnection& connection, const std::string& table,
                                           const std::string& where) {
  const PgResult all = connection.query(fmt::format(
      "SELECT count(*) FROM (SELECT 1 FROM {} LIMIT {}) AS r", table, counted_rows_max + 1));
  if (all.integer(0, 0) > counted_rows_max) return std::nullopt;
  if (where.empty()) return all.integer(0, 0);
  return connection.query("SELECT count(*) FROM " + table + " WHERE (" + where + "\n)")
      .integer(0, 0);
}

// What the planner expects, which grows with the file. It knows next to nothing of a table that
// was just filled: a small one is counted.
std::optional<std::int64_t> estimate_rows(PgConnection& connection, const FoundTable& table,
                                          const std::string& where) {
  connection.attempt("plan a read of " + table.sql + (where.empty() ? "" : " where " + where));
  std::optional<std::int64_t> planned;
  try {
    planned = planned_rows(connection, table.sql, where);
  } catch (const Error& error) {
    if (where.empty() && error.code() == "42501") return std::nullopt;
    refuse_sql("source.where", error);
  }
  try {
    if (was_analyzed(connection, table)) return planned;
    const auto counted = count_few_rows(connection, table.sql, where);
    return counted ? counted : planned;
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::retry) throw;
    return planned;  // no privilege, no time, or a `where` that fails on a row: the run says so
  }
}

std::optional<std::int64_t> estimate_bytes(PgConnection& connection, const FoundTable& table) {
  try {
    const PgResult size = connection.query(
        "SELECT sum(pg_catalog.pg_table_size(t.oid))::bigint FROM (SELECT $1::oid::regclass AS oid "
        "UNION SELECT p.relid FROM pg_catalog.pg_partition_tree($1::oid::regclass) AS p) AS t",
        {table.oid});
    if (size.is_null(0, 0)) return std::nullopt;
    return size.integer(0, 0);
  } catch (const Error& error) {
    if (error.code() == "42501") return std::nullopt;
    throw;
  }
}

std::optional<int> fillfactor_of(PgConnection& connection, const FoundTable& table) {
  const PgResult row = connection.query(
      "SELECT coalesce((SELECT o.option_value FROM pg_catalog.pg_options_to_table(c.reloptions) AS "
      "o WHERE o.option_name = 'fillfactor'), '100') FROM pg_catalog.pg_class AS c "
      "WHERE c.oid = $1 AND c.relkind = 'r'",
      {table.oid});
  if (row.rows() == 0) return std::nullopt;
  return static_cast<int>(row.integer(0, 0));
}

ReadColumn type_expression(PgConnection& connection, const TableFacts& facts,
                           const std::string& item) {
  const SelectItem parsed = parse_select_item(item, true);
  const std::string name = parsed.alias.empty() ? "" : " AS " + quote_identifier(parsed.alias);
  // In WHERE neither aggregates nor functions that return sets are allowed: each row gives one
  // value.
  const std::string sql =
      fmt::format("SELECT ({0}\n){1} FROM {2} WHERE ({0}\n) IS NOT NULL LIMIT 0", parsed.expression,
                  name, facts.name);
  connection.attempt(fmt::format("select column \"{}\" from {}", item, facts.name));
  try {
    const PgResult empty = connection.query(sql);
    ReadColumn column;
    column.expression = parsed.expression;
    column.column.name = empty.column_name(0);
    column.column.oid = empty.column_type(0);
    if (column.column.name == "?column?") {
      throw Error(ErrorKind::stop,
                  fmt::format("column \"{}\" has no name; write \"{} as name\"", item, item));
    }
    const CatalogScope scope(connection);
    const PgType type =
        describe_types(connection, {{empty.column_type(0), empty.column_modifier(0)}}).front();
    column.column.type = type.sql;
    column.column.kind = type.kind;
    column.column.database_bound = type.database_bound;
    return column;
  } catch (const Error& error) {
    refuse_sql("source.columns", error);
  }
}

}  // namespace

TableFacts inspect_table(PgConnection& connection, const std::string& table,
                         const std::vector<std::string>& key, const std::string& where) {
  const FoundTable found = find_table(connection, table);
  connection.attempt("inspect " + found.sql);
  TableFacts facts;
  facts.name = found.sql;
  facts.database_identity = database_identity(connection);
  facts.identity = facts.database_identity + "/" + found.oid;
  std::vector<IndexFacts> indexes;
  {
    const CatalogScope scope(connection);
    facts.columns = read_columns(connection, found.oid);
    indexes = read_indexes(connection, found.oid);
    facts.indexed_columns = read_indexed_columns(connection, found.oid);
  }
  const IndexFacts& chosen =
      choose_key_index(facts.name, indexes, resolve_names(facts.name, facts.columns, key));
  facts.key = chosen.key_names();
  facts.key_index = chosen.name;
  for (const IndexColumn& part : chosen.columns) {
    if (!part.is_key) continue;
    facts.columns[static_cast<std::size_t>(find_column(facts.columns, part.name))].collation =
        part.collation;
  }
  facts.estimated_rows = estimate_rows(connection, found, where);
  facts.estimated_bytes = estimate_bytes(connection, found);
  facts.fillfactor = fillfactor_of(connection, found);
  return facts;
}

std::vector<ReadColumn> type_columns(PgConnection& connection, const TableFacts& facts,
                                     const std::vector<std::string>& items) {
  std::vector<ReadColumn> columns;
  if (items.empty()) {
    for (const Column& column : facts.columns) columns.push_back({column, "", true});
  }
  std::set<std::string> seen;
  for (const std::string& item : items) {
    const SelectItem parsed = parse_select_item(item, true);
    const int at = parsed.is_column ? find_column(facts.columns, parsed.alias) : -1;
    columns.push_back(at >= 0 ? ReadColumn{facts.columns[static_cast<std::size_t>(at)], "", true}
                              : type_expression(connection, facts, item));
    if (!seen.insert(columns.back().column.name).second) {
      throw Error(ExitCode::usage,
                  fmt::format("source.columns: column {} is selected twice from {}",
                              columns.back().column.name, facts.name));
    }
  }
  return columns;
}

Column row_version_column() {
  Column column;
  column.name = "xmin";
  column.type = "xid";
  column.oid = xid_oid;
  column.not_null = true;
  return column;
}

}  // namespace backfill
