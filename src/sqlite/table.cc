#include "sqlite/table.h"

#include <sqlite3.h>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <set>

#include "core/sql.h"

namespace backfill {
namespace {

constexpr std::chrono::milliseconds kEstimateTimeMax{200};
constexpr std::string_view kBinary = "BINARY";

// A way to walk the table in the order of unique columns.
struct UniqueKey {
  std::string index;  // empty: the rowid
  bool is_primary = false;
  std::vector<std::string> columns;
  std::vector<std::string> collations;
};

std::string text_of(const SqliteStatement& statement, int column) {
  return std::string(statement.bytes(column));
}

bool same_name(const std::string& a, const std::string& b) {
  return sqlite3_stricmp(a.c_str(), b.c_str()) == 0;
}

// Quoted only where SQL needs it.
std::string spell_name(const std::string& name) {
  const auto is_plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  };
  const bool plain = !name.empty() && std::all_of(name.begin(), name.end(), is_plain) &&
                     !(name[0] >= '0' && name[0] <= '9') &&
                     sqlite3_keyword_check(name.c_str(), static_cast<int>(name.size())) == 0;
  return plain ? name : quote_identifier(name);
}

Error unfit(const SqliteConnection& connection, const std::string& table, const std::string& why) {
  return Error(ExitCode::unsafe, "table " + table + " in " + connection.path() + " " + why);
}

std::string tables_there(SqliteConnection& connection) {
  constexpr std::size_t shown_max = 8;
  auto statement = connection.prepare(
      "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE "
      "'\\' "
      "ORDER BY name");
  std::vector<std::string> names;
  while (statement.step()) {
    if (names.size() == shown_max) {
      names.emplace_back("…");
      break;
    }
    names.push_back(text_of(statement, 0));
  }
  return names.empty() ? "it holds no tables" : "it holds " + join(names, ", ");
}

// The table's name as it is declared. Only real tables have keys.
std::string find_table(SqliteConnection& connection, const std::string& wanted) {
  auto statement = connection.prepare(
      "SELECT name, type FROM pragma_table_list WHERE schema = 'main' AND name = ?1 COLLATE "
      "NOCASE");
  statement.bind_text(1, wanted);
  if (!statement.step())
    throw unfit(connection, wanted, "does not exist; " + tables_there(connection));
  const std::string type = text_of(statement, 1);
  if (type == "view")
    throw unfit(connection, wanted, "is a view, which has no key; name the table behind it");
  if (type == "virtual")
    throw unfit(connection, wanted, "is a virtual table, which has no key to page by");
  return text_of(statement, 0);
}

// https://www.sqlite.org/datatype3.html, "Determination Of Column Affinity", in this order.
Kind kind_of(std::string type) {
  std::transform(type.begin(), type.end(), type.begin(), [](char c) {
    return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  });
  const auto has = [&type](const char* word) { return type.find(word) != std::string::npos; };
  if (has("INT")) return Kind::int64;
  if (has("CHAR") || has("CLOB") || has("TEXT")) return Kind::text;
  if (has("BLOB")) return Kind::bytes;
  if (has("REAL") || has("FLOA") || has("DOUB")) return Kind::float64;
  return Kind::other;
}

struct TableColumns {
  Columns columns;
  std::vector<std::string> primary_key;
};

TableColumns read_columns(SqliteConnection& connection, const std::string& table) {
  auto statement = connection.prepare(
      "SELECT name, type, \"notnull\", pk, hidden FROM pragma_table_xinfo(?1, 'main') "
      "WHERE hidden <> 1 ORDER BY cid");
  statement.bind_text(1, table);
  TableColumns found;
  std::vector<std::pair<std::int64_t, std::string>> primary_key;
  while (statement.step()) {
    Column column;
    column.name = text_of(statement, 0);
    column.type = text_of(statement, 1);
    column.kind = kind_of(column.type);
    column.dynamic = true;
    column.not_null = statement.integer(2) != 0;
    column.generated = statement.integer(4) >= 2;
    if (statement.integer(3) > 0) primary_key.emplace_back(statement.integer(3), column.name);
    found.columns.push_back(column);
  }
  std::sort(primary_key.begin(), primary_key.end());
  for (auto& [place, name] : primary_key) found.primary_key.push_back(name);

  for (Column& column : found.columns) {
    const std::string collation = connection.declared_collation(table, column.name);
    if (!same_name(collation, std::string(kBinary))) column.collation = quote_identifier(collation);
  }
  return found;
}

// None when the index cannot serve as a key order: it has an expression or a descending column.
std::optional<UniqueKey> read_index(SqliteConnection& connection, const std::string& index) {
  auto statement = connection.prepare(
      "SELECT cid, name, \"desc\", coll FROM pragma_index_xinfo(?1, 'main') WHERE key = 1 "
      "ORDER BY seqno");
  statement.bind_text(1, index);
  UniqueKey key;
  key.index = index;
  while (statement.step()) {
    if (statement.integer(0) < 0 || statement.integer(2) != 0) return std::nullopt;
    key.columns.push_back(text_of(statement, 1));
    key.collations.push_back(text_of(statement, 3));
  }
  return key;
}

// Every way to walk the table, the primary key first.
std::vector<UniqueKey> unique_keys(SqliteConnection& connection, const std::string& table,
                                   const std::vector<std::string>& primary_key) {
  auto statement = connection.prepare(
      "SELECT name, origin FROM pragma_index_list(?1, 'main') WHERE \"unique\" = 1 AND partial = "
      "0");
  statement.bind_text(1, table);
  std::vector<UniqueKey> keys;
  bool primary_key_has_index = false;
  while (statement.step()) {
    const bool is_primary = text_of(statement, 1) == "pk";
    primary_key_has_index = primary_key_has_index || is_primary;
    auto key = read_index(connection, text_of(statement, 0));
    if (!key) continue;
    key->is_primary = is_primary;
    keys.insert(is_primary ? keys.begin() : keys.end(), std::move(*key));
  }
  // A primary key without an index of its own is the rowid.
  if (!primary_key.empty() && !primary_key_has_index)
    keys.insert(keys.begin(), UniqueKey{"", true, primary_key, {std::string(kBinary)}});
  return keys;
}

bool same_columns(std::vector<std::string> a, std::vector<std::string> b, bool any_order) {
  const auto less = [](const std::string& x, const std::string& y) {
    return sqlite3_stricmp(x.c_str(), y.c_str()) < 0;
  };
  if (any_order) {
    std::sort(a.begin(), a.end(), less);
    std::sort(b.begin(), b.end(), less);
  }
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), same_name);
}

// The columns in the order asked for, where an index has it; else the order of an index.
const UniqueKey* find_key(const std::vector<UniqueKey>& keys,
                          const std::vector<std::string>& wanted) {
  for (const bool any_order : {false, true})
    for (const UniqueKey& key : keys)
      if (same_columns(key.columns, wanted, any_order)) return &key;
  return nullptr;
}

UniqueKey choose_key(SqliteConnection& connection, const std::string& table,
                     const TableColumns& columns, const std::vector<std::string>& wanted) {
  if (wanted.empty() && columns.primary_key.empty())
    throw unfit(connection, table,
                "has no primary key; name the columns of a unique NOT NULL index as the key");
  for (const std::string& name : wanted) {
    const auto named = [&name](const Column& column) { return same_name(column.name, name); };
    if (std::none_of(columns.columns.begin(), columns.columns.end(), named))
      throw unfit(connection, table, "has no column " + name + ", which the key names");
  }
  const auto& names = wanted.empty() ? columns.primary_key : wanted;
  const auto keys = unique_keys(connection, table, columns.primary_key);
  if (const UniqueKey* key = find_key(keys, names)) return *key;
  std::vector<std::string> quoted;
  for (const std::string& name : names) quoted.push_back(spell_name(name));
  throw unfit(connection, table,
              "has no unique, whole, ascending index on exactly (" + join(quoted, ", ") +
                  "); create one: CREATE UNIQUE INDEX … ON " + spell_name(table) + " (" +
                  join(quoted, ", ") + ")");
}

bool holds_null(SqliteConnection& connection, const std::string& table, const std::string& column) {
  auto statement = connection.prepare("SELECT 1 FROM " + spell_name(table) + " WHERE " +
                                      quote_identifier(column) + " IS NULL LIMIT 1");
  return statement.step();
}

// SQLite lets NULL into a declared PRIMARY KEY, and NULL has no place in key order.
void require_not_null(SqliteConnection& connection, const UniqueKey& key, const Column& column,
                      TableFacts& facts) {
  const std::string& table = facts.name;
  if (!key.is_primary)
    throw unfit(connection, table,
                "may hold NULL in key column " + column.name +
                    ", and such rows have no place in key order; declare it NOT NULL or take "
                    "another key");
  if (holds_null(connection, table, column.name))
    throw unfit(connection, table,
                "holds NULL in key column " + column.name +
                    ", and such rows have no place in key order; remove them: DELETE FROM " +
                    table + " WHERE " + quote_identifier(column.name) + " IS NULL");
  facts.notes.push_back("key column " + column.name +
                        " is not declared NOT NULL; it holds no NULL now, and a row with one would "
                        "not be visited");
}

void settle_key(SqliteConnection& connection, const UniqueKey& key, TableFacts& facts) {
  facts.key_index = key.index.empty() ? "rowid" : key.index;
  for (std::size_t i = 0; i < key.columns.size(); ++i) {
    const int at = find_column(facts.columns, key.columns[i]);
    Column& column = facts.columns.at(static_cast<std::size_t>(at));
    if (key.index.empty()) column.not_null = true;
    if (!column.not_null) require_not_null(connection, key, column, facts);
    const bool plain =
        column.collation.empty() && same_name(key.collations[i], std::string(kBinary));
    if (!plain) column.collation = quote_identifier(key.collations[i]);
    facts.key.push_back(column.name);
  }
}

std::vector<std::string> indexed_columns(SqliteConnection& connection, const std::string& table,
                                         const std::vector<std::string>& key) {
  auto statement = connection.prepare(
      "SELECT DISTINCT i.name FROM pragma_index_list(?1, 'main') l, "
      "pragma_index_xinfo(l.name, 'main') i WHERE i.key = 1 AND i.name IS NOT NULL");
  statement.bind_text(1, table);
  std::set<std::string> names(key.begin(), key.end());
  while (statement.step()) names.insert(text_of(statement, 0));
  return {names.begin(), names.end()};
}

std::int64_t integer_answer(SqliteConnection& connection, const std::string& sql) {
  auto statement = connection.prepare(sql);
  return statement.step() ? statement.integer(0) : 0;
}

std::string closed(const std::string& expression) {
  return "(" + expression + "\n)";  // the line break ends a comment at its end
}

std::optional<std::int64_t> estimate_rows(SqliteConnection& connection, const std::string& table,
                                          const std::string& where) {
  std::string sql = "SELECT count(*) FROM " + table;
  if (!where.empty()) {
    sql += " WHERE " + closed(where);
    try {
      connection.prepare(sql);
    } catch (const Error& error) {
      throw error.within("source.where").ending_with(ExitCode::unsafe);
    }
  }
  try {
    const SqliteTimeLimit limit(connection, kEstimateTimeMax);
    return integer_answer(connection, sql);
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::cancelled) return std::nullopt;
    throw;
  }
}

void note_hazards(SqliteConnection& connection, const std::string& table, TableFacts& facts) {
  auto triggers = connection.prepare(
      "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = ?1 COLLATE NOCASE "
      "ORDER BY name");
  triggers.bind_text(1, table);
  while (triggers.step())
    facts.notes.push_back("trigger " + text_of(triggers, 0) + " on " + facts.name +
                          " runs for the rows written to it");
  auto journal = connection.prepare("PRAGMA main.journal_mode");
  if (journal.step() && text_of(journal, 0) != "wal")
    facts.notes.push_back("journal_mode of " + connection.path() + " is " + text_of(journal, 0) +
                          ": readers wait while a batch commits; with WAL they do not");
}

ReadColumn type_expression(SqliteConnection& connection, const TableFacts& table,
                           const SelectItem& item, const std::string& text) {
  try {
    // A WHERE refuses aggregates and window functions, which would make one row of a chunk.
    connection.prepare("SELECT 1 FROM " + table.name + " WHERE " + closed(item.expression) +
                       " IS NOT NULL LIMIT 0");
  } catch (const Error& error) {
    throw error.within("source.columns: \"" + text + "\"").ending_with(ExitCode::unsafe);
  }
  ReadColumn read;
  read.column.name = item.alias.empty() ? item.expression : item.alias;
  read.column.dynamic = true;
  read.expression = item.expression;
  return read;
}

}  // namespace

std::string sqlite_table_name(const std::string& table) {
  const auto parts = split_name(table, false);
  if (parts.size() > 2 || (parts.size() == 2 && !same_name(parts[0], "main")))
    throw Error(
        ExitCode::usage,
        "table " + table + ": a SQLite file has only the schema main; name the table alone");
  return parts.back();
}

TableFacts inspect_table(SqliteConnection& connection, const std::string& table,
                         const std::vector<std::string>& key, const std::string& where) {
  const std::string name = find_table(connection, sqlite_table_name(table));
  TableColumns found = read_columns(connection, name);
  const UniqueKey chosen = choose_key(connection, name, found, key);

  TableFacts facts;
  facts.name = spell_name(name);
  facts.database_identity =
      "sqlite:" + std::filesystem::weakly_canonical(connection.path()).string();
  facts.identity = facts.database_identity + "#" + name;
  facts.columns = std::move(found.columns);
  settle_key(connection, chosen, facts);
  facts.indexed_columns = indexed_columns(connection, name, facts.key);
  facts.estimated_rows = estimate_rows(connection, facts.name, where);
  facts.estimated_bytes = integer_answer(connection, "PRAGMA main.page_count") *
                          integer_answer(connection, "PRAGMA main.page_size");
  note_hazards(connection, name, facts);
  return facts;
}

std::vector<ReadColumn> type_columns(SqliteConnection& connection, const TableFacts& table,
                                     const std::vector<std::string>& items) {
  std::vector<ReadColumn> typed;
  const auto add_all = [&] {
    for (const Column& column : table.columns) typed.push_back({column, "", true});
  };
  if (items.empty()) add_all();
  for (const std::string& text : items) {
    const SelectItem item = parse_select_item(text, false);
    if (item.expression == "*") {
      add_all();
      continue;
    }
    if (!item.is_column) {
      typed.push_back(type_expression(connection, table, item, text));
      continue;
    }
    const auto named = [&item](const Column& column) { return same_name(column.name, item.alias); };
    const auto column = std::find_if(table.columns.begin(), table.columns.end(), named);
    if (column == table.columns.end()) {
      std::vector<std::string> names;
      for (const Column& each : table.columns) names.push_back(each.name);
      throw Error(ExitCode::unsafe, "source.columns: table " + table.name + " has no column " +
                                        item.alias + "; it has " + join(names, ", "));
    }
    typed.push_back({*column, "", true});
  }
  return typed;
}

KeyPath key_path(SqliteConnection& connection, const std::string& table,
                 const std::vector<Column>& key) {
  const std::string name = find_table(connection, sqlite_table_name(table));
  std::vector<std::string> wanted;
  for (const Column& column : key) wanted.push_back(column.name);
  const auto keys = unique_keys(connection, name, read_columns(connection, name).primary_key);
  const auto serves = [&wanted](const UniqueKey& candidate) {
    return same_columns(candidate.columns, wanted, false);
  };
  const auto found = std::find_if(keys.begin(), keys.end(), serves);
  if (found == keys.end())
    throw unfit(connection, name, "has no unique index on (" + join(wanted, ", ") + ") any more");

  KeyPath path;
  path.from =
      spell_name(name) +
      (found->index.empty() ? " NOT INDEXED" : " INDEXED BY " + quote_identifier(found->index));
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    std::string term = quote_identifier(found->columns[i]);
    if (!same_name(found->collations[i], connection.declared_collation(name, wanted[i])))
      term += " COLLATE " + quote_identifier(found->collations[i]);
    path.terms.push_back(term);
  }
  return path;
}

}  // namespace backfill
