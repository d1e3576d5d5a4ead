#include "playground.h"

#include <atomic>

#include "sqlite/connection.h"
#include "support/postgres_fixture.h"
#include "support/temp_folder.h"

namespace backfill {
namespace {

// Making a database takes longer than most tests; a schema does as well.
TestDatabase& shared_database() {
  static TestDatabase database;
  return database;
}

class PostgresPlayground : public Playground {
 public:
  PostgresPlayground() {
    static std::atomic<int> count{0};
    schema_ = "s" + std::to_string(++count);
    shared_database().execute("CREATE SCHEMA " + schema_);
    connection_ = std::make_unique<PgConnection>(url(), "fixture", "playground");
    connection_->command("SET search_path = " + schema_);
  }
  ~PostgresPlayground() override {
    connection_.reset();
    try {
      shared_database().execute("DROP SCHEMA " + schema_ + " CASCADE");
    } catch (const std::exception& error) {
      ADD_FAILURE() << error.what();
    }
  }
  PostgresPlayground(const PostgresPlayground&) = delete;
  PostgresPlayground& operator=(const PostgresPlayground&) = delete;

  Engine engine() const override { return Engine::postgres; }
  std::string url() const override { return shared_database().url(); }
  std::string table(const std::string& name) const override { return schema_ + "." + name; }
  void execute(const std::string& sql) override { connection_->command(sql); }
  std::vector<std::string> rows(const std::string& sql) override {
    const PgResult result = connection_->query(sql);
    std::vector<std::string> lines;
    for (int row = 0; row < result.rows(); ++row) {
      std::string line;
      for (int column = 0; column < result.columns(); ++column) {
        line += column == 0 ? "" : "|";
        line += result.is_null(row, column) ? "NULL" : result.text(row, column);
      }
      lines.push_back(std::move(line));
    }
    return lines;
  }

 private:
  std::string schema_;
  std::unique_ptr<PgConnection> connection_;
};

class SqlitePlayground : public Playground {
 public:
  SqlitePlayground() : connection_(path(), SqliteConnection::Mode::create) {
    connection_.execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF");
  }

  Engine engine() const override { return Engine::sqlite; }
  std::string url() const override { return "sqlite:" + path(); }
  std::string table(const std::string& name) const override { return name; }
  void execute(const std::string& sql) override { connection_.execute(sql); }
  std::vector<std::string> rows(const std::string& sql) override {
    SqliteStatement statement = connection_.prepare(sql);
    std::vector<std::string> lines;
    while (statement.step()) {
      std::string line;
      for (int column = 0; column < statement.columns(); ++column) {
        line += (column == 0 ? "" : "|") + shown(statement, column);
      }
      lines.push_back(std::move(line));
    }
    return lines;
  }

 private:
  std::string path() const { return (folder_ / "play.db").string(); }

  static std::string shown(const SqliteStatement& statement, int column) {
    switch (statement.storage_class(column)) {
      case StorageClass::null:
        return "NULL";
      case StorageClass::integer:
        return std::to_string(statement.integer(column));
      case StorageClass::real:
        return std::to_string(statement.real(column));
      case StorageClass::text:
      case StorageClass::blob:
        break;
    }
    return std::string(statement.bytes(column));
  }

  TempFolder folder_;
  SqliteConnection connection_;
};

}  // namespace

const char* engine_name(Engine engine) { return engine == Engine::sqlite ? "Sqlite" : "Postgres"; }

std::string Playground::value(const std::string& sql) {
  const std::vector<std::string> found = rows(sql);
  return found.empty() ? "" : found.front().substr(0, found.front().find('|'));
}

bool Playground::has_table(const std::string& name) {
  if (engine() == Engine::sqlite) {
    return !rows("SELECT 1 FROM sqlite_master WHERE name = '" + name + "'").empty();
  }
  return value("SELECT to_regclass('" + name + "')") != "NULL";
}

std::unique_ptr<Playground> make_playground(Engine engine) {
  if (engine == Engine::sqlite) return std::make_unique<SqlitePlayground>();
  return std::make_unique<PostgresPlayground>();
}

}  // namespace backfill
