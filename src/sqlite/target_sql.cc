#include "sqlite/target_sql.h"

#include <sqlite3.h>

#include "core/error.h"
#include "core/sql.h"
#include "sqlite/batch_table.h"

namespace backfill {
namespace {

using Role = WriteColumn::Role;

class WriteSql {
 public:
  WriteSql(const WriteSpec& spec, const std::string& table,
           const std::vector<std::string>& key_terms)
      : spec_(spec), table_(table), key_terms_(key_terms) {}

  RowStatement update() {
    const auto values = with(Role::value);
    if (values.empty()) refuse("no column is left to update");
    std::vector<std::string> sets, differs;
    for (const std::size_t field : values) {
      const std::string parameter = bind(field);
      sets.push_back(name(field) + " = " + parameter);
      differs.push_back(differs_from(field, parameter));
    }
    // OR ABORT wins over the table's own ON CONFLICT clauses, which may drop rows in silence.
    const std::string sql = "UPDATE OR ABORT " + table_ + " SET " + join(sets, ", ") + " WHERE " +
                            key_and_guards() + " AND (" + join(differs, " OR ") + ")";
    return {sql, fields_};
  }

  RowStatement look() {
    if (with(Role::guard).empty()) return {};
    const std::string sql = "SELECT 1 FROM " + table_ + " WHERE " + key_and_guards();
    return {sql, fields_};
  }

  std::string insert() {
    std::vector<std::string> names, fields;
    for (const Role role : {Role::key, Role::value}) {
      for (const std::size_t field : with(role)) {
        names.push_back(name(field));
        fields.push_back(SqliteBatchTable::column(field));
      }
    }
    // Without the WHERE, an ON CONFLICT would be read as that of a join.
    return "INSERT OR ABORT INTO " + table_ + " (" + join(names, ", ") + ") SELECT " +
           join(fields, ", ") + " FROM " + SqliteBatchTable::name() + " WHERE true";
  }

  std::string insert_missing() {
    return insert() + " ON CONFLICT (" + join(key_terms_, ", ") + ") DO NOTHING";
  }

  std::string upsert() {
    const auto values = with(Role::value);
    if (values.empty()) return insert_missing();
    std::vector<std::string> sets, differs;
    for (const std::size_t field : values) {
      const std::string there = table_ + "." + name(field);
      const std::string ours = "excluded." + name(field);
      sets.push_back(name(field) + " = " + ours);
      differs.push_back(there + " IS NOT " + ours + " COLLATE BINARY OR typeof(" + there +
                        ") <> typeof(" + ours + ")");
    }
    return insert() + " ON CONFLICT (" + join(key_terms_, ", ") + ") DO UPDATE SET " +
           join(sets, ", ") + " WHERE (" + join(differs, " OR ") + ")" + and_newer();
  }

 private:
  [[noreturn]] void refuse(const std::string& why) const {
    throw Error(ExitCode::unsafe, "write to " + table_ + ": " + why);
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

  // Whether writing the parameter would change the column. The comparison converts the parameter
  // as storing it would, but a column without a type converts nothing, and there 1 and 1.0 are
  // equal without being the same.
  std::string differs_from(std::size_t field, const std::string& parameter) const {
    const Column& column = spec_.columns[field].target;
    const std::string differs = name(field) + " IS NOT " + parameter + " COLLATE BINARY";
    const bool converts_nothing = column.kind == Kind::bytes || column.type.empty() ||
                                  sqlite3_stricmp(column.type.c_str(), "ANY") == 0;
    if (!converts_nothing) return differs;
    return differs + " OR typeof(" + name(field) + ") <> typeof(" + parameter + ")";
  }

  std::string key_and_guards() {
    std::vector<std::string> conditions;
    const auto keys = with(Role::key);
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
      const std::string there = table_ + "." + version;
      return " AND (excluded." + version + " > " + there + " OR " + there + " IS NULL)";
    }
    refuse("the version column " + spec_.version_column + " is not among the columns written");
  }

  const WriteSpec& spec_;
  const std::string& table_;
  const std::vector<std::string>& key_terms_;
  std::vector<std::size_t> fields_;
};

}  // namespace

TargetSql make_target_sql(const WriteSpec& spec, const std::string& table,
                          const std::vector<std::string>& key_terms) {
  const auto write = [&] { return WriteSql(spec, table, key_terms); };
  switch (spec.mode) {
    case WriteMode::update:
      return {"", write().update(), write().look()};
    case WriteMode::insert_missing:
      return {write().insert_missing(), {}, {}};
    case WriteMode::upsert:
      return {write().upsert(), {}, {}};
    case WriteMode::insert:
      break;
  }
  return {write().insert(), {}, {}};
}

}  // namespace backfill
