#include "sqlite/pushdown_limits.h"

#include <sqlite3.h>

#include <algorithm>
#include <cctype>

#include "sqlite/table.h"

namespace backfill {
namespace {

bool same_name(const std::string& a, const std::string& b) {
  return sqlite3_stricmp(a.c_str(), b.c_str()) == 0;
}

bool has_trigger(SqliteConnection& connection, const std::string& table) {
  auto statement = connection.prepare(
      "SELECT 1 FROM main.sqlite_master WHERE type = 'trigger' AND tbl_name = ?1 COLLATE NOCASE");
  statement.bind_text(1, table);
  return statement.step();
}

bool reads_a_table(const ReadSpec& read) {
  return may_read_a_table(read.where) ||
         std::any_of(read.columns.begin(), read.columns.end(),
                     [](const ReadColumn& column) { return may_read_a_table(column.expression); });
}

bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

}  // namespace

// `(SELECT …)`, or `x IN t`.
bool may_read_a_table(const std::string& expression) {
  std::string word;
  for (std::size_t at = 0; at <= expression.size(); ++at) {
    const char c = at < expression.size() ? expression[at] : ' ';
    if (is_word(c)) {
      word += c;
      continue;
    }
    if (same_name(word, "select")) return true;
    if (same_name(word, "in")) {
      const std::size_t next = expression.find_first_not_of(" \t\r\n\f", at);
      if (next == std::string::npos || expression[next] != '(') return true;
    }
    word.clear();
  }
  return false;
}

bool one_statement_does_the_same(SqliteConnection& connection, const WriteSpec& spec) {
  if (spec.mode != WriteMode::update) return true;
  const bool in_place = spec.from->table == spec.table;
  return in_place && !reads_a_table(*spec.from) &&
         !has_trigger(connection, sqlite_table_name(spec.table));
}

}  // namespace backfill
