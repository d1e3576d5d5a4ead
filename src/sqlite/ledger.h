// sqlite/ledger.h
//
// The ledger in a SQLite target: table backfill_ledger, a row for each range that is written,
// inserted by the transaction that wrote it. Keys stand in it as JSON (Key::to_json).
//
// One thread a connection. Errors as core/target.h says.

#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/target.h"
#include "sqlite/connection.h"

namespace backfill {

class SqliteLedger : public Ledger {
 public:
  SqliteLedger(std::string path, std::string job);

  void prepare() override;
  std::vector<LedgerRange> ranges() override;
  void prune(const std::vector<Key>& upto) override;
  void clear() override;

 private:
  const std::string job_;
  SqliteConnection connection_;
};

// The target's side: records a chunk in the transaction that is open, with a statement prepared of
// ledger_record_sql(), and looks one up. A chunk is
// known by both its bounds, so a part of a chunk never stands for the whole.
std::string ledger_record_sql();
void record_in_ledger(SqliteStatement& statement, const LedgerSpec& ledger, const Chunk& chunk,
                      const RowCounts& rows);
std::optional<RowCounts> find_in_ledger(SqliteConnection& connection, const std::string& job,
                                        const Chunk& chunk);

}  // namespace backfill
