// Rows from one SQLite file to another: with SQLite's own calls, statement to statement, and
// through Source, Batch and Target. Their ratio is what the form in between costs. Files are in
// memory where the system has such a folder, so that no disk is measured.

#include <benchmark/benchmark.h>
#include <sqlite3.h>
#include <stdlib.h>

#include <filesystem>
#include <string>

#include "sqlite/connection.h"
#include "sqlite/source.h"
#include "sqlite/table.h"
#include "sqlite/target.h"

namespace backfill {
namespace {

constexpr std::int64_t kRows = 100'000;
constexpr std::int64_t kRowsPerTransaction = 20'000;
constexpr const char* kCreate =
    "CREATE TABLE users (id INTEGER PRIMARY KEY, full_name TEXT, email TEXT, created_at TEXT, "
    "balance TEXT, attrs TEXT, a INTEGER, b INTEGER)";
constexpr const char* kFill =
    "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000) "
    "INSERT INTO users SELECT i, 'Name ' || i * 7919 % 100003 || ' Surname', "
    "'user' || i || '@example.org', '2024-01-01 10:00:00.123456+00', i % 100000 || '.25', "
    "'{\"plan\": \"pro\", \"n\": ' || i % 1000 || '}', i % 1000, i * 3 FROM n";

// Two files in a folder of their own that goes with them.
class Files {
 public:
  Files() {
    const bool has_memory = std::filesystem::is_directory("/dev/shm");
    std::string name = (has_memory ? "/dev/shm" : std::filesystem::temp_directory_path().string()) +
                       "/backfill-bench-XXXXXX";
    folder_ = mkdtemp(name.data()) == nullptr ? "." : name;
    SqliteConnection connection(source(), SqliteConnection::Mode::create);
    connection.execute(kCreate);
    connection.execute(kFill);
  }
  ~Files() {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  Files(const Files&) = delete;
  Files& operator=(const Files&) = delete;

  std::string source() const { return folder_ / "source.db"; }
  std::string target() const { return folder_ / "target.db"; }

  void empty_target() const {
    std::filesystem::remove(target());
    SqliteConnection(target(), SqliteConnection::Mode::create).execute(kCreate);
  }

 private:
  std::filesystem::path folder_;
};

const Files& files() {
  static const Files files;
  return files;
}

void copy_with_bare_calls(benchmark::State& state) {
  for (auto _ : state) {
    state.PauseTiming();
    files().empty_target();
    state.ResumeTiming();
    sqlite3* from = nullptr;
    sqlite3* into = nullptr;
    sqlite3_open_v2(files().source().c_str(), &from, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX,
                    nullptr);
    sqlite3_open_v2(files().target().c_str(), &into, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX,
                    nullptr);
    sqlite3_exec(into, "PRAGMA cache_spill = OFF", nullptr, nullptr, nullptr);
    sqlite3_stmt* read = nullptr;
    sqlite3_stmt* write = nullptr;
    sqlite3_prepare_v3(from, "SELECT * FROM users NOT INDEXED WHERE id > ? AND id <= ? ORDER BY id",
                       -1, SQLITE_PREPARE_PERSISTENT, &read, nullptr);
    sqlite3_prepare_v3(into,
                       "INSERT OR ABORT INTO users VALUES (?, ?, ?, ?, ?, ?, ?, ?) "
                       "ON CONFLICT (id) DO NOTHING",
                       -1, SQLITE_PREPARE_PERSISTENT, &write, nullptr);
    for (std::int64_t first = 0; first < kRows; first += kRowsPerTransaction) {
      sqlite3_exec(into, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr);
      sqlite3_bind_int64(read, 1, first);
      sqlite3_bind_int64(read, 2, first + kRowsPerTransaction);
      while (sqlite3_step(read) == SQLITE_ROW) {
        for (int column = 0; column < 8; ++column)
          sqlite3_bind_value(write, column + 1, sqlite3_column_value(read, column));
        sqlite3_step(write);
        sqlite3_reset(write);
      }
      sqlite3_reset(read);
      sqlite3_exec(into, "COMMIT", nullptr, nullptr, nullptr);
    }
    if (sqlite3_total_changes64(into) != kRows) state.SkipWithError("not every row was copied");
    sqlite3_finalize(read);
    sqlite3_finalize(write);
    sqlite3_close(from);
    sqlite3_close(into);
  }
  state.SetItemsProcessed(state.iterations() * kRows);
}
BENCHMARK(copy_with_bare_calls)->Unit(benchmark::kMillisecond);

struct Specs {
  ReadSpec read;
  WriteSpec write;
};

Specs make_specs() {
  SqliteConnection connection(files().source(), SqliteConnection::Mode::read_only);
  const TableFacts table = inspect_table(connection, "users", {}, "");
  Specs specs;
  specs.read.table = specs.write.table = table.name;
  specs.read.columns = type_columns(connection, table, {});
  specs.read.key.push_back(table.columns.front());
  for (const Column& column : table.columns) {
    const bool is_key = specs.write.columns.empty();
    specs.write.columns.push_back(
        {column, column, is_key ? WriteColumn::Role::key : WriteColumn::Role::value, 0, -1});
  }
  return specs;
}

void copy_through_batches(benchmark::State& state) {
  const Specs specs = make_specs();
  Batch batch;
  for (auto _ : state) {
    state.PauseTiming();
    files().empty_target();
    state.ResumeTiming();
    SqliteSource source(files().source(), specs.read);
    SqliteTarget target(files().target(), specs.write);
    std::int64_t written = 0;
    for (std::int64_t first = 0; first < kRows; first += kRowsPerTransaction) {
      Chunk chunk;
      chunk.after = Key{{std::to_string(first)}};
      chunk.upto = Key{{std::to_string(first + kRowsPerTransaction)}};
      source.read(chunk, batch);
      target.begin(chunk);
      written += target.write(batch).written;
      target.commit(chunk, {});
    }
    if (written != kRows) state.SkipWithError("not every row was copied");
  }
  state.SetItemsProcessed(state.iterations() * kRows);
}
BENCHMARK(copy_through_batches)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace backfill

BENCHMARK_MAIN();
