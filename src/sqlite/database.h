// sqlite/database.h
//
// A SQLite file as one end of a job.

#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/database.h"
#include "sqlite/connection.h"

namespace backfill {

class SqliteDatabase : public Database {
 public:
  // `url`: `sqlite:PATH` of a file that is there.
  SqliteDatabase(const std::string& url, std::string job);

  TableFacts inspect(const std::string& table, const std::vector<std::string>& key,
                     const std::string& where) override;
  std::vector<ReadColumn> type_columns(const TableFacts& table,
                                       const std::vector<std::string>& items) override;
  std::optional<Column> row_version() const override { return std::nullopt; }
  std::string why_not_validated() override { return ""; }
  std::string why_not_locked() override { return "SQLite locks whole files, not rows"; }
  bool reads_binary() const override { return false; }
  bool pushes_down(const WriteSpec& spec) override;
  void check_source(const TableFacts& table, const ReadSpec& spec) override;
  void check_target(const TableFacts& table, const WriteSpec& spec) override;
  void check_compared(const TableFacts& table, const ReadSpec& spec) override;
  std::vector<std::string> conversions(const WriteSpec& spec) const override;
  std::unique_ptr<Source> make_source(const ReadSpec& spec) const override;
  std::unique_ptr<Target> make_target(const WriteSpec& spec) const override;
  std::unique_ptr<Ledger> make_ledger(const WriteSpec& spec) const override;
  std::unique_ptr<RunnerLock> make_runner_lock() const override;
  std::string server() const override { return path_; }
  std::vector<std::string> describe_watch(const WatchSpec& spec) override;
  std::unique_ptr<ForegroundProbe> make_probe(const WatchSpec& spec) const override;
  std::vector<std::unique_ptr<Sensor>> make_sensors(const WatchSpec&) const override { return {}; }
  std::unique_ptr<Sensor> make_query_sensor(const std::string& query, double limit) const override;

 private:
  const std::string path_;
  const std::string job_;
  SqliteConnection connection_;
};

}  // namespace backfill
