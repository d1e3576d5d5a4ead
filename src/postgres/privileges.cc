#include <fmt/format.h>

#include <set>

#include "core/sql.h"
#include "postgres/table.h"

namespace backfill {
namespace {

using Names = std::vector<std::string>;

std::string role_name(PgConnection& connection) {
  return connection.query("SELECT pg_catalog.quote_ident(current_user)").text(0, 0);
}

bool holds(PgConnection& connection, const std::string& condition, const PgParameters& parameters) {
  return connection.query("SELECT " + condition, parameters).boolean(0, 0);
}

// `SELECT (a, b)`, or empty when nothing is missing.
std::string missing(PgConnection& connection, const std::string& table,
                    const std::string& privilege, const std::set<std::string>& columns) {
  Names without;
  for (const std::string& column : columns) {
    const bool has = holds(connection, "pg_catalog.has_column_privilege($1::regclass, $2, $3)",
                           {table, column, privilege});
    if (!has) without.push_back(quote_identifier(column));
  }
  return without.empty() ? "" : fmt::format("{} ({})", privilege, join(without, ", "));
}

[[noreturn]] void refuse(PgConnection& connection, const std::string& what, const Names& grants) {
  throw Error(ExitCode::unsafe, fmt::format("role {} may not {}: {}", role_name(connection), what,
                                            join(grants, "; ")));
}

std::string grant(PgConnection& connection, const std::string& privileges,
                  const std::string& object) {
  return fmt::format("GRANT {} ON {} TO {}", privileges, object, role_name(connection));
}

void add_grant(PgConnection& connection, const std::string& table, const std::string& privilege,
               const std::set<std::string>& columns, Names& grants) {
  const std::string lacks = missing(connection, table, privilege, columns);
  if (!lacks.empty()) grants.push_back(grant(connection, lacks, table));
}

void add_grant_to_stage(PgConnection& connection, Names& grants) {
  const PgResult database = connection.query(
      "SELECT pg_catalog.quote_ident(pg_catalog.current_database()), "
      "pg_catalog.has_database_privilege(pg_catalog.current_database(), 'TEMPORARY')");
  if (!database.boolean(0, 1)) {
    grants.push_back(grant(connection, "TEMPORARY", "DATABASE " + database.text(0, 0)));
  }
}

bool is_standby(PgConnection& connection) {
  return holds(connection, "pg_catalog.pg_is_in_recovery()", {});
}

// Whose row it is stands in a column of the system's, which no grant by column covers.
void add_grants_to_level(PgConnection& connection, const std::string& table, WriteMode mode,
                         Names& grants) {
  Names lacks;
  for (const char* privilege : {"SELECT", "UPDATE", "DELETE"}) {
    if (mode == WriteMode::update && std::string_view(privilege) == "DELETE") continue;
    if (!holds(connection, "pg_catalog.has_table_privilege($1::regclass, $2)",
               {table, privilege})) {
      lacks.emplace_back(privilege);
    }
  }
  if (lacks.empty()) return;
  grants.push_back(grant(connection, join(lacks, ", "), table) +
                   " (what changes while it is copied is set right or taken out again; "
                   "source.consistency = \"none\" does without)");
}

void refuse_hidden_rows(PgConnection& connection, const std::string& table) {
  if (!holds(connection, "pg_catalog.row_security_active($1::regclass)", {table})) return;
  throw Error(ExitCode::unsafe,
              fmt::format("row-level security of {0} hides rows from role {1}: ALTER ROLE {1} "
                          "BYPASSRLS, or run as the table's owner",
                          table, role_name(connection)));
}

}  // namespace

void check_read(PgConnection& connection, const TableFacts& facts,
                const std::vector<ReadColumn>& columns, bool validates) {
  connection.attempt("check privileges on " + facts.name);
  refuse_hidden_rows(connection, facts.name);
  std::set<std::string> read(facts.key.begin(), facts.key.end());
  if (validates) read.insert({"xmin", "xmax"});  // who wrote a row, and who has marked it since
  for (const ReadColumn& column : columns) {
    // Other expressions were typed by the server, which looked at their privileges; the row version
    // came later.
    const bool is_column = column.expression.empty() || column.expression == column.column.name;
    if (is_column) read.insert(column.column.name);
  }
  Names grants;
  add_grant(connection, facts.name, "SELECT", read, grants);
  if (!grants.empty()) refuse(connection, "read " + facts.name, grants);
}

void check_lock(PgConnection& connection, const TableFacts& facts) {
  connection.attempt("check privileges on " + facts.name);
  if (holds(connection, "pg_catalog.has_any_column_privilege($1::regclass, 'UPDATE')",
            {facts.name})) {
    return;
  }
  refuse(connection, "lock rows of " + facts.name,
         {grant(connection, "UPDATE", facts.name), "or set source.consistency = \"validate\""});
}

void check_write(PgConnection& connection, const TableFacts& facts, WriteMode mode,
                 const std::vector<WriteColumn>& columns, bool levels, bool needs_temp) {
  connection.attempt("check privileges on " + facts.name);
  if (is_standby(connection)) {
    throw Error(ExitCode::unsafe,
                "the target of " + facts.name +
                    " is a standby and takes no writes; name the primary in target.url");
  }
  refuse_hidden_rows(connection, facts.name);
  std::set<std::string> key(facts.key.begin(), facts.key.end());
  std::set<std::string> values;
  std::set<std::string> guards;
  for (const WriteColumn& column : columns) {
    if (column.role == WriteColumn::Role::guard) guards.insert(column.target.name);
    if (column.role == WriteColumn::Role::key) key.insert(column.target.name);
    if (column.role == WriteColumn::Role::value) values.insert(column.target.name);
  }
  std::set<std::string> all = key;
  all.insert(values.begin(), values.end());

  Names grants;
  if (mode != WriteMode::update) add_grant(connection, facts.name, "INSERT", all, grants);
  // Rows are compared with what is to be written, so that equal ones stay as they are.
  const bool reads_values = mode == WriteMode::update || mode == WriteMode::upsert;
  if (levels) {
    add_grants_to_level(connection, facts.name, mode, grants);
  } else if (mode != WriteMode::insert) {
    std::set<std::string> looked_at = reads_values ? all : key;
    looked_at.insert(guards.begin(), guards.end());
    add_grant(connection, facts.name, "SELECT", looked_at, grants);
  }
  if (reads_values && !levels) add_grant(connection, facts.name, "UPDATE", values, grants);
  if (needs_temp) add_grant_to_stage(connection, grants);
  if (!grants.empty()) refuse(connection, "write " + facts.name, grants);
}

void check_stage(PgConnection& connection, const TableFacts& facts) {
  connection.attempt("check privileges on " + facts.name);
  if (is_standby(connection)) {
    throw Error(ExitCode::unsafe, "the target of " + facts.name +
                                      " is a standby and makes no temporary table for the rows in "
                                      "doubt; name the primary in target.url");
  }
  Names grants;
  add_grant_to_stage(connection, grants);
  if (!grants.empty()) refuse(connection, "compare rows with " + facts.name, grants);
}

}  // namespace backfill
