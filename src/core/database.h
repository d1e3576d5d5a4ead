// core/database.h
//
// One end of a job, before the run: looks at tables, and makes the parts that read and write
// them. One implementation a database; a new database is a new folder and a line in assemble.cc.
//
// One thread. Holds a connection of its own; what it makes has others.

#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/sensor.h"
#include "core/source.h"
#include "core/table.h"
#include "core/target.h"

namespace backfill {

class Database {
 public:
  virtual ~Database() = default;

  // `key`: names of the key columns; empty for the primary key. `where` only for the estimates.
  // Throws Error(ExitCode::unsafe) when the table or a usable key is missing.
  virtual TableFacts inspect(const std::string& table, const std::vector<std::string>& key,
                             const std::string& where) = 0;

  // The job's select items with the types the database gives them; empty: every column.
  virtual std::vector<ReadColumn> type_columns(const TableFacts& table,
                                               const std::vector<std::string>& items) = 0;

  // A column that changes whenever a row does, where the database has one.
  virtual std::optional<Column> row_version() const = 0;

  // As a source: why its rows cannot be seen to have changed, or cannot be locked; empty: they can.
  virtual std::string why_not_validated() = 0;
  virtual std::string why_not_locked() = 0;

  // As a target: takes PostgreSQL's binary form of every type.
  virtual bool reads_binary() const = 0;
  // As a target: Target::write_from_source does for spec.from what rows in batches would do.
  virtual bool pushes_down(const WriteSpec& spec) = 0;

  // Throw Error(ExitCode::unsafe), with the SQL that helps, when a privilege is lacking.
  virtual void check_source(const TableFacts& table, const ReadSpec& spec) = 0;
  virtual void check_target(const TableFacts& table, const WriteSpec& spec) = 0;
  // The same of a target that is only compared with what the job would write.
  virtual void check_compared(const TableFacts& table, const ReadSpec& spec) = 0;

  // One line for each written column whose value is converted on its way, for `plan`.
  virtual std::vector<std::string> conversions(const WriteSpec& spec) const = 0;

  // Tells one server from another; the same for all of its databases.
  virtual std::string server() const = 0;

  // What is looked at to leave others alone, and what this role may not see, for `plan`.
  virtual std::vector<std::string> describe_watch(const WatchSpec& spec) = 0;

  // These connect later, in the threads that use them. The probe is none where nothing can be seen
  // of others.
  virtual std::unique_ptr<ForegroundProbe> make_probe(const WatchSpec& spec) const = 0;
  virtual std::vector<std::unique_ptr<Sensor>> make_sensors(const WatchSpec& spec) const = 0;
  virtual std::unique_ptr<Sensor> make_query_sensor(const std::string& query,
                                                    double limit) const = 0;

  // These connect at once; those without `spec` are for one run of `job`.
  virtual std::unique_ptr<Source> make_source(const ReadSpec& spec) const = 0;
  virtual std::unique_ptr<Target> make_target(const WriteSpec& spec) const = 0;
  virtual std::unique_ptr<Ledger> make_ledger(const WriteSpec& spec) const = 0;
  virtual std::unique_ptr<RunnerLock> make_runner_lock() const = 0;
};

}  // namespace backfill
