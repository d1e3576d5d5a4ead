// postgres/database.h
//
// A PostgreSQL database as one end of a job.

#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/database.h"
#include "postgres/connection.h"
#include "postgres/snapshot.h"

namespace backfill {

class PostgresDatabase : public Database {
 public:
  // `role` says in messages which end it is: `source` or `target`. Both ends of a job share `own`.
  PostgresDatabase(std::string url, std::string job, const std::string& role,
                   std::shared_ptr<OwnTransactions> own = std::make_shared<OwnTransactions>());
  // The same database as the other end, over the connection that is there.
  PostgresDatabase(const PostgresDatabase& other, std::string role);

  TableFacts inspect(const std::string& table, const std::vector<std::string>& key,
                     const std::string& where) override;
  std::vector<ReadColumn> type_columns(const TableFacts& table,
                                       const std::vector<std::string>& items) override;
  std::optional<Column> row_version() const override;
  std::string why_not_validated() override;
  std::string why_not_locked() override { return why_not_validated(); }
  bool reads_binary() const override { return true; }
  bool pushes_down(const WriteSpec&) override { return true; }
  void check_source(const TableFacts& table, const ReadSpec& spec) override;
  void check_target(const TableFacts& table, const WriteSpec& spec) override;
  void check_compared(const TableFacts& table, const ReadSpec& spec) override;
  std::vector<std::string> conversions(const WriteSpec& spec) const override;
  std::unique_ptr<Source> make_source(const ReadSpec& spec) const override;
  std::unique_ptr<Target> make_target(const WriteSpec& spec) const override;
  std::unique_ptr<Ledger> make_ledger(const WriteSpec& spec) const override;
  std::unique_ptr<RunnerLock> make_runner_lock() const override;
  std::string server() const override;
  std::vector<std::string> describe_watch(const WatchSpec& spec) override;
  std::unique_ptr<ForegroundProbe> make_probe(const WatchSpec& spec) const override;
  std::vector<std::unique_ptr<Sensor>> make_sensors(const WatchSpec& spec) const override;
  std::unique_ptr<Sensor> make_query_sensor(const std::string& query, double limit) const override;

 private:
  const std::string url_;
  const std::string job_;
  const std::string role_;
  const std::shared_ptr<OwnTransactions> own_;
  const std::shared_ptr<PgConnection> connection_;
};

}  // namespace backfill
