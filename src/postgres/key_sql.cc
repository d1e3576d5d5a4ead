#include "postgres/key_sql.h"

#include "core/error.h"
#include "core/sql.h"

namespace backfill {
namespace {

std::string row(const std::vector<std::string>& parts) {
  if (parts.size() == 1) return parts.front();
  return "(" + join(parts, ", ") + ")";
}

}  // namespace

KeySql::KeySql(const std::string& table, std::vector<Column> key)
    : qualifier_(quote_identifier(split_name(table, true).back())), key_(std::move(key)) {}

std::string KeySql::collate(std::size_t i) const {
  const std::string& collation = key_[i].collation;
  if (collation.empty() || collation == "pg_catalog.\"default\"") return "";
  return " COLLATE " + collation;
}

std::string KeySql::column(std::size_t i) const {
  return qualifier_ + "." + quote_identifier(key_[i].name) + collate(i);
}

std::string KeySql::literal(std::size_t i, const std::string& text) const {
  return quote_literal(text) + "::" + key_[i].type;
}

std::string KeySql::typed(std::size_t i, const std::string& expression) const {
  return expression + "::" + key_[i].type + collate(i);
}

std::string KeySql::columns() const {
  std::vector<std::string> parts;
  for (std::size_t i = 0; i < key_.size(); ++i) parts.push_back(column(i));
  return row(parts);
}

std::string KeySql::literals(const Key& key) const {
  if (key.values.size() != key_.size()) {
    throw Error(ErrorKind::stop, "key " + key.display() + " has " +
                                     std::to_string(key.values.size()) + " parts where " +
                                     std::to_string(key_.size()) + " make a key");
  }
  std::vector<std::string> parts;
  for (std::size_t i = 0; i < key_.size(); ++i) parts.push_back(literal(i, key.values[i]));
  return row(parts);
}

std::string KeySql::parameters(std::size_t first) const {
  std::vector<std::string> parts;
  for (std::size_t i = 0; i < key_.size(); ++i) {
    parts.push_back("$" + std::to_string(first + i) + "::" + key_[i].type);
  }
  return row(parts);
}

std::string KeySql::between(const std::string& after, const std::string& upto) const {
  std::vector<std::string> bounds;
  if (!after.empty()) bounds.push_back(columns() + " > " + after);
  if (!upto.empty()) bounds.push_back(columns() + " <= " + upto);
  return join(bounds, " AND ");
}

// One key column: a list of constants, which is an index condition. More: a VALUES list to
// join with, since the planner makes an OR of a list of rows.
std::string KeySql::is_one_of(const std::vector<Key>& keys) const {
  std::vector<std::string> list;
  for (const Key& key : keys) list.push_back(literals(key));
  const char* opening = key_.size() == 1 ? " IN (" : " IN (VALUES ";
  return columns() + opening + join(list, ", ") + ")";
}

std::string KeySql::order_by(bool descending) const {
  std::vector<std::string> parts;
  for (std::size_t i = 0; i < key_.size(); ++i) {
    parts.push_back(column(i) + (descending ? " DESC" : ""));
  }
  return "ORDER BY " + join(parts, ", ");
}

}  // namespace backfill
