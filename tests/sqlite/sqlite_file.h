// tests/sqlite/sqlite_file.h
//
// A SQLite file in a folder of its own that goes with it, and the specs that read and write a
// table of it.

#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "core/source.h"
#include "core/target.h"
#include "sqlite/cell.h"
#include "sqlite/connection.h"
#include "sqlite/literal.h"
#include "sqlite/source.h"
#include "sqlite/table.h"
#include "sqlite/target.h"

namespace backfill {

class SqliteFile {
 public:
  explicit SqliteFile(const std::string& sql = "") {
    std::string name = (std::filesystem::temp_directory_path() / "backfill-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp");
    folder_ = name;
    SqliteConnection(path(), SqliteConnection::Mode::create)
        .execute("PRAGMA user_version = 1;" + sql);
  }
  ~SqliteFile() {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  SqliteFile(const SqliteFile&) = delete;
  SqliteFile& operator=(const SqliteFile&) = delete;

  std::string path() const { return (folder_ / "test.db").string(); }

  SqliteConnection connect(SqliteConnection::Mode mode = SqliteConnection::Mode::read_write) const {
    return SqliteConnection(path(), mode);
  }
  void run(const std::string& sql) const { connect().execute(sql); }

  // Each row as its values' literals: `1|'x'|NULL`.
  std::vector<std::string> rows(const std::string& sql) const {
    SqliteConnection connection = connect();
    SqliteStatement statement = connection.prepare(sql);
    std::vector<std::string> rows;
    while (statement.step()) {
      std::string row;
      for (int column = 0; column < statement.columns(); ++column)
        row += (column == 0 ? "" : "|") + literal(statement, column);
      rows.push_back(row);
    }
    return rows;
  }

  TableFacts facts(const std::string& table, const std::vector<std::string>& key = {}) const {
    SqliteConnection connection = connect();
    return inspect_table(connection, table, key, "");
  }

  ReadSpec read_spec(const std::string& table, const std::vector<std::string>& key = {},
                     const std::vector<std::string>& items = {}) const {
    SqliteConnection connection = connect();
    const TableFacts found = inspect_table(connection, table, key, "");
    ReadSpec spec;
    spec.table = found.name;
    spec.columns = type_columns(connection, found, items);
    for (const std::string& name : found.key)
      spec.key.push_back(
          found.columns.at(static_cast<std::size_t>(find_column(found.columns, name))));
    return spec;
  }

  // Writes fields that arrive under the names of the table's columns; `guards` are columns that are
  // sent once more, as they were read.
  WriteSpec write_spec(const std::string& table, WriteMode mode,
                       const std::vector<std::string>& guards = {}) const {
    const TableFacts found = facts(table);
    WriteSpec spec;
    spec.table = found.name;
    spec.mode = mode;
    const auto is_key = [&found](const Column& column) {
      return std::find(found.key.begin(), found.key.end(), column.name) != found.key.end();
    };
    for (const std::string& name : found.key) {
      const Column& column = column_of(found, name);
      spec.columns.push_back({column, column, WriteColumn::Role::key, 0, -1});
    }
    for (const Column& column : found.columns)
      if (!is_key(column) && !column.generated)
        spec.columns.push_back({column, column, WriteColumn::Role::value, 0, -1});
    for (const std::string& name : guards) {
      const Column& column = column_of(found, name);
      spec.columns.push_back({column, column, WriteColumn::Role::guard, 0, -1});
    }
    return spec;
  }

  static const Column& column_of(const TableFacts& facts, const std::string& name) {
    return facts.columns.at(static_cast<std::size_t>(find_column(facts.columns, name)));
  }

 private:
  static std::string literal(const SqliteStatement& statement, int column) {
    switch (statement.storage_class(column)) {
      case StorageClass::integer:
        return integer_literal(statement.integer(column));
      case StorageClass::real:
        return real_literal(statement.real(column));
      case StorageClass::text:
        return text_literal(statement.bytes(column));
      case StorageClass::blob:
        return blob_literal(statement.bytes(column));
      case StorageClass::null:
        break;
    }
    return "NULL";
  }

  std::filesystem::path folder_;
};

// Rows given as SQL, `VALUES (1, 'x'), (2, NULL)`, as a batch of dynamic cells.
inline Batch batch_of(const std::string& sql) {
  SqliteConnection connection(":memory:", SqliteConnection::Mode::create);
  SqliteStatement statement = connection.prepare(sql);
  Batch batch;
  while (statement.step()) {
    batch.begin_tuple(static_cast<std::int16_t>(statement.columns()));
    for (int column = 0; column < statement.columns(); ++column)
      append_value(statement, column, batch);
  }
  return batch;
}

inline Key key_of(std::vector<std::string> literals) { return Key{std::move(literals)}; }

inline Chunk chunk_up_to(const std::string& literal) {
  Chunk chunk;
  chunk.upto = key_of({literal});
  return chunk;
}

// What a call throws; fails the test when it throws nothing.
template <class Call>
Error error_of(Call call) {
  try {
    call();
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "nothing was thrown";
  return Error(ErrorKind::stop, "nothing was thrown");
}

}  // namespace backfill
