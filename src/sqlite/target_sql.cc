#include "sqlite/target_sql.h"

#include <sqlite3.h>

#include "core/error.h"
#include "core/sql.h"
#include "sqlite/batch_table.h"

namespace backfill {
namespace {

using Role = WriteColumn::Role;
using Fields = std::vector<std::string>;  // SQL for each field of a tuple

class Writer {
 public:
  Writer(const WriteSpec& spec, const std::vector<std::string>& key_terms)
      : spec_(spec), key_terms_(key_terms) {}

  RowStatement update_row() {
    const Fields parameters = bound(Role::value);
    const std::string sets = set(parameters);
    const std::string there = key_and_guards();
    return {update(spec_.table) + sets + " WHERE " + there + " AND " + differ(parameters), fields_};
  }

  RowStatement look() {
    if (with(Role::guard).empty()) return {};
    const std::string sql = "SELECT 1 FROM " + spec_.table + " WHERE " + key_and_guards();
    return {sql, fields_};
  }

  std::string insert(const Fields& fields, const std::string& from) const {
    std::vector<std::string> names, values;
    for (const Role role : {Role::key, Role::value}) {
      for (const std::size_t field : with(role)) {
        names.push_back(name(field));
        values.push_back(fields[field]);
      }
    }
    return "INSERT OR ABORT INTO " + spec_.table + " (" + join(names, ", ") + ") SELECT " +
           join(values, ", ") + " " + from + on_conflict();
  }

  std::string update_in_place(const Fields& fields, const std::string& table,
                              const std::string& condition) const {
    return update(table) + set(fields) + " WHERE " + condition + " AND " + differ(fields);
  }

 private:
  [[noreturn]] void refuse(const std::string& why) const {
    throw Error(ExitCode::unsafe, "write to " + spec_.table + ": " + why);
  }

  std::vector<std::size_t> with(Role role) const {
    std::vector<std::size_t> fields;
    for (std::size_t field = 0; field < spec_.columns.size(); ++field)
      if (spec_.columns[field].role == role) fields.push_back(field);
    return fields;
  }

  std::string name(std::size_t field) const {
    return quote_identifier(spec_.columns[field].target.name);
  }

  std::string bind(std::size_t field) {
    fields_.push_back(field);
    return "?" + std::to_string(fields_.size());
  }

  Fields bound(Role role) {
    Fields parameters(spec_.columns.size());
    for (const std::size_t field : with(role)) parameters[field] = bind(field);
    return parameters;
  }

  // OR ABORT wins over the table's own ON CONFLICT clauses, which may drop rows in silence.
  static std::string update(const std::string& table) { return "UPDATE OR ABORT " + table; }

  std::string set(const Fields& fields) const {
    std::vector<std::string> sets;
    for (const std::size_t field : with(Role::value))
      sets.push_back(name(field) + " = " + fields[field]);
    if (sets.empty()) refuse("no column is left to update");
    return " SET " + join(sets, ", ");
  }

  std::string differ(const Fields& fields) const {
    std::vector<std::string> differs;
    for (const std::size_t field : with(Role::value))
      differs.push_back(differs_from(field, fields[field]));
    return "(" + join(differs, " OR ") + ")";
  }

  std::string on_conflict() const {
    if (spec_.mode == WriteMode::insert) return "";
    const std::string conflict = " ON CONFLICT (" + join(key_terms_, ", ") + ") DO ";
    const auto values = with(Role::value);
    if (spec_.mode == WriteMode::insert_missing || values.empty()) return conflict + "NOTHING";
    std::vector<std::string> sets, differs;
    for (const std::size_t field : values) {
      const std::string there = spec_.table + "." + name(field);
      const std::string ours = "excluded." + name(field);
      sets.push_back(name(field) + " = " + ours);
      differs.push_back(there + " IS NOT " + ours + " COLLATE BINARY OR typeof(" + there +
                        ") <> typeof(" + ours + ")");
    }
    return conflict + "UPDATE SET " + join(sets, ", ") + " WHERE (" + join(differs, " OR ") + ")" +
           and_newer();
  }

  // Whether writing the value would change the column. The comparison converts a value without an
  // affinity as storing it would, but a column without a type converts nothing, and there 1 and
  // 1.0 are equal without being the same.
  std::string differs_from(std::size_t field, const std::string& value) const {
    const Column& column = spec_.columns[field].target;
    const std::string there = name(field);
    const std::string differs = there + " IS NOT " + value + " COLLATE BINARY";
    const bool converts_nothing = column.kind == Kind::bytes || column.type.empty() ||
                                  sqlite3_stricmp(column.type.c_str(), "ANY") == 0;
    if (!converts_nothing) return differs;
    return differs + " OR typeof(" + there + ") <> typeof(" + value + ")";
  }

  std::string key_and_guards() {
    std::vector<std::string> conditions;
    const auto keys = key_fields(spec_);
    for (std::size_t i = 0; i < keys.size(); ++i)
      conditions.push_back(key_terms_.at(i) + " = " + bind(keys[i]));
    for (const std::size_t field : with(Role::guard)) {
      const std::string parameter = bind(field);
      conditions.push_back(name(field) + " IS " + parameter + " COLLATE BINARY AND typeof(" +
                           name(field) + ") = typeof(" + parameter + ")");
    }
    return join(conditions, " AND ");
  }

  std::string and_newer() const {
    if (spec_.version_column.empty()) return "";
    for (const WriteColumn& column : spec_.columns) {
      if (column.role == Role::guard ||
          sqlite3_stricmp(column.target.name.c_str(), spec_.version_column.c_str()) != 0)
        continue;
      const std::string version = quote_identifier(column.target.name);
      const std::string there = spec_.table + "." + version;
      return " AND (excluded." + version + " > " + there + " OR " + there + " IS NULL)";
    }
    refuse("the version column " + spec_.version_column + " is not among the columns written");
  }

  const WriteSpec& spec_;
  const std::vector<std::string>& key_terms_;
  std::vector<std::size_t> fields_;
};

}  // namespace

std::vector<std::size_t> key_fields(const WriteSpec& spec) {
  std::vector<std::size_t> fields(spec.key.begin(), spec.key.end());
  if (!fields.empty()) return fields;
  for (std::size_t field = 0; field < spec.columns.size(); ++field) {
    if (spec.columns[field].role == WriteColumn::Role::key) fields.push_back(field);
  }
  return fields;
}

std::vector<std::size_t> value_fields(const WriteSpec& spec) {
  std::vector<std::size_t> fields;
  for (std::size_t field = 0; field < spec.columns.size(); ++field) {
    if (spec.columns[field].role == WriteColumn::Role::value) fields.push_back(field);
  }
  return fields;
}

// The batch's columns under names that no table is likely to have.
std::string make_compare_sql(const WriteSpec& spec, const std::vector<std::string>& key_terms) {
  const auto ours = [](std::size_t field) { return "backfill_f" + std::to_string(field); };
  std::vector<std::string> fields{"rowid AS backfill_place"};
  for (std::size_t field = 0; field < spec.columns.size(); ++field)
    fields.push_back(SqliteBatchTable::column(field) + " AS " + ours(field));
  std::vector<std::string> matches;
  const std::vector<std::size_t> keys = key_fields(spec);
  for (std::size_t i = 0; i < keys.size(); ++i)
    matches.push_back(key_terms.at(i) + " = " + ours(keys[i]));
  std::vector<std::string> answers{"backfill_place", key_terms.front() + " IS NULL"};
  for (const std::size_t field : value_fields(spec)) {
    const std::string there = spec.table + "." + quote_identifier(spec.columns[field].target.name);
    answers.push_back("(" + there + " IS NOT " + ours(field) + " COLLATE BINARY)");
  }
  const std::vector<std::string> conditions(answers.begin() + 1, answers.end());
  return "SELECT " + join(answers, ", ") + " FROM (SELECT " + join(fields, ", ") + " FROM " +
         SqliteBatchTable::name() + ") AS backfill_rows LEFT JOIN " + spec.table + " ON " +
         join(matches, " AND ") + " WHERE " + join(conditions, " OR ");
}

TargetSql make_target_sql(const WriteSpec& spec, const std::vector<std::string>& key_terms) {
  const auto writer = [&] { return Writer(spec, key_terms); };
  if (spec.mode == WriteMode::update) return {"", writer().update_row(), writer().look()};
  Fields fields;
  for (std::size_t field = 0; field < spec.columns.size(); ++field)
    fields.push_back(SqliteBatchTable::column(field));
  // Without the WHERE, an ON CONFLICT would be read as that of a join.
  const std::string rows = "FROM " + SqliteBatchTable::name() + " WHERE true";
  return {writer().insert(fields, rows), {}, {}};
}

std::string make_pushdown_sql(const WriteSpec& spec, const std::vector<std::string>& key_terms,
                              const SqliteReadSql& read, bool has_lower_bound) {
  const Writer writer(spec, key_terms);
  const std::string wanted = read.wanted(has_lower_bound);
  const std::vector<std::string> items = read.items();
  Fields fields;
  for (const WriteColumn& column : spec.columns)
    fields.push_back(items[static_cast<std::size_t>(column.read)]);
  if (spec.mode != WriteMode::update)
    return writer.insert(fields, "FROM " + read.key().from + " WHERE " + wanted + read.order_by());
  // A plus takes a column's affinity from it, as travelling in a batch does; otherwise the
  // comparison of a text with a column of numbers would be one of numbers. It changes no value.
  for (std::string& field : fields) field = "(+" + field + ")";
  return writer.update_in_place(fields, read.key().from, wanted);
}

}  // namespace backfill
