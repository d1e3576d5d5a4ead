// postgres/ledger.h
//
// The ledger: one row for each range of a job that is in the target, written in the range's
// own transaction, so that what is written and what is said to be written share one fate.
// It is the table `backfill_ledger` in the target table's schema.

#pragma once

#include <string>
#include <vector>

#include "core/target.h"
#include "postgres/connection.h"

namespace backfill {

// `"app".backfill_ledger` for a table of schema app; `table` is SQL, qualified.
std::string ledger_table(const std::string& table);

// SQL that notes a chunk, for the transaction that writes it.
std::string record_sql(const std::string& ledger, const LedgerSpec& spec, const Chunk& chunk,
                       const RowCounts& rows);

// What was noted of exactly this range; none when nothing was.
std::optional<RowCounts> find_in_ledger(PgConnection& connection, const std::string& ledger,
                                        const LedgerSpec& spec, const Chunk& chunk);

// Waits until no transaction holds the job's batch lock. A process that was killed, or a connection
// that was cut, may leave a COMMIT behind that the server still carries out: only after this does
// the ledger say the last word. Throws Error(retry) when it takes longer than lock_timeout.
void wait_for_batches(PgConnection& connection, const std::string& job);

// After a lost connection the next call connects anew.
class PostgresLedger : public Ledger {
 public:
  // `table` is the target table; `fence` the SQL that begins each transaction that writes.
  // Connects.
  PostgresLedger(const std::string& url, const std::string& table, const LedgerSpec& spec,
                 std::string fence = "");

  void prepare() override;
  std::vector<LedgerRange> ranges() override;
  void prune(const std::vector<Key>& upto) override;
  void clear() override;
  void cancel() noexcept override { connection_.cancel(); }

 private:
  void begin(const std::string& what);
  bool exists();

  const std::string ledger_;
  const LedgerSpec spec_;
  const std::string fence_;
  PgConnection connection_;
};

}  // namespace backfill
