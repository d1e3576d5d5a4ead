#include "postgres/key_index.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"
#include "core/sql.h"

namespace backfill {
namespace {

using Names = std::vector<std::string>;

std::string quoted(const Names& names) {
  Names parts;
  for (const std::string& name : names) parts.push_back(quote_identifier(name));
  return join(parts, ", ");
}

Names sorted(Names names) {
  std::sort(names.begin(), names.end());
  return names;
}

std::string index_sql(const IndexFacts& index) {
  return quote_identifier(index.schema) + "." + quote_identifier(index.name);
}

// What keeps an index from giving the key order, with what would help; empty when it does.
std::string flaw(const std::string& table, const IndexFacts& index) {
  const std::string name = "index " + index_sql(index);
  const std::string other = fmt::format(
      "; another unique index would do: CREATE UNIQUE INDEX "
      "CONCURRENTLY ON {} ({})",
      table, quoted(index.key_names()));
  if (!index.btree) return name + " is not a btree" + other;
  if (!index.unique) return name + " is not unique" + other;
  if (index.partial) return name + " covers only a part of the rows" + other;
  if (!index.immediate) return name + " belongs to a DEFERRABLE constraint" + other;
  if (!index.valid)
    return fmt::format("{} is invalid: REINDEX INDEX CONCURRENTLY {}", name, index_sql(index));
  for (const IndexColumn& column : index.columns) {
    if (!column.is_key) continue;
    if (column.descending)
      return fmt::format("{} has {} in descending order{}", name, column.name, other);
    if (!column.default_opclass) {
      return fmt::format("{} sorts {} by an operator class that is not its type's default{}", name,
                         column.name, other);
    }
  }
  for (const IndexColumn& column : index.columns) {
    if (!column.is_key || column.not_null) continue;
    return fmt::format("key column {} may be NULL: ALTER TABLE {} ALTER COLUMN {} SET NOT NULL",
                       column.name, table, quote_identifier(column.name));
  }
  return "";
}

[[noreturn]] void refuse_without_primary_key(const std::string& table,
                                             const std::vector<IndexFacts>& indexes) {
  Names usable;
  for (const IndexFacts& index : indexes) {
    if (!flaw(table, index).empty()) continue;
    Names words;
    for (const std::string& name : index.key_names()) words.push_back("\"" + name + "\"");
    usable.push_back("key = [" + join(words, ", ") + "]");
  }
  throw Error(ExitCode::unsafe,
              fmt::format("{} has no primary key; {}", table,
                          usable.empty() ? "give it one with ALTER TABLE " + table +
                                               " ADD PRIMARY KEY (…), or name the columns of a "
                                               "unique index over NOT NULL columns in source.key"
                                         : "say " + join(usable, " or ")));
}

}  // namespace

std::vector<std::string> IndexFacts::key_names() const {
  Names names;
  for (const IndexColumn& column : columns) {
    if (column.is_key) names.push_back(column.name);
  }
  return names;
}

const IndexFacts& choose_key_index(const std::string& table, const std::vector<IndexFacts>& indexes,
                                   const std::vector<std::string>& wanted) {
  const IndexFacts* chosen = nullptr;
  std::string why;
  for (const IndexFacts& index : indexes) {
    const bool asked_for =
        wanted.empty() ? index.primary : sorted(index.key_names()) == sorted(wanted);
    if (!asked_for) continue;
    const std::string found = flaw(table, index);
    if (!found.empty()) {
      // Of several unfit indexes the one that is nearest is worth a word.
      if (why.empty() || index.unique) why = found;
    } else if (!chosen || index.primary) {
      chosen = &index;
    }
  }
  if (chosen) return *chosen;
  if (!why.empty())
    throw Error(ExitCode::unsafe, fmt::format("{} has no usable key: {}", table, why));
  if (wanted.empty()) refuse_without_primary_key(table, indexes);
  throw Error(
      ExitCode::unsafe,
      fmt::format("{} has no unique index on ({}): CREATE UNIQUE INDEX CONCURRENTLY ON {} ({})",
                  table, join(wanted, ", "), table, quoted(wanted)));
}

}  // namespace backfill
