// postgres/target.h
//
// A Target over a PostgreSQL table. The tuples of a batch go by binary COPY into a temporary
// table of the session, and one statement writes them from there. Where rows are inserted, those
// whose keys are not there yet are copied straight in. A row that is as it should be is not
// written again.

#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/target.h"
#include "postgres/connection.h"
#include "postgres/flush.h"
#include "postgres/looks.h"
#include "postgres/present_keys.h"
#include "postgres/pushdown_sql.h"
#include "postgres/snapshot.h"
#include "postgres/write_sql.h"

namespace backfill {

class PostgresTarget : public Target {
 public:
  // Connects. `own` learns of each transaction that gets a mark.
  PostgresTarget(const std::string& url, const std::string& job, WriteSpec spec,
                 std::shared_ptr<OwnTransactions> own = std::make_shared<OwnTransactions>());

  void begin(const Chunk& chunk) override;
  WriteReport write(const Batch& rows) override;
  WriteReport write_around_rejects(const Batch& rows, std::vector<RowReject>& rejects) override;
  PushdownReport write_from_source(const Chunk& chunk) override;
  void lock(const std::vector<Key>& keys) override;
  void commit(const Chunk& chunk, const RowCounts& rows) override;
  void spare_others(bool spares) override { spares_others_ = spares && may_flush_later_; }
  void wait_until_durable() override;
  std::string mark() override;
  LevelReport level(const Chunk& chunk, const std::string& mark, const Batch& rows) override;
  std::vector<RowDifference> compare(const Batch& rows) override;
  std::optional<ChunkComparison> compare_with_source(const Chunk& chunk) override;
  std::int64_t remove(const std::vector<Key>& keys) override;
  Fate fate(const std::string& mark) override;
  void rollback() noexcept override;
  std::optional<RowCounts> recorded(const Chunk& chunk) override;
  std::vector<Statement> statements() const override;
  void reconnect() override;
  void cancel() noexcept override { connection_.cancel(); }

 private:
  using WritePart = std::function<void(std::size_t first, std::size_t last)>;

  void set_up();
  void make_stage();
  void open(const Chunk& chunk);
  void reopen();
  std::string opened(const std::string& sql);
  std::optional<WriteReport> insert_new_rows(const Batch& rows);
  std::optional<std::int64_t> straight(const std::function<std::int64_t()>& write);
  void look(const Batch& rows);
  WriteReport write_rows(const Batch& rows, std::size_t first, std::size_t last);
  void find_rejects(std::size_t rows, const WritePart& write, std::vector<RowReject>& rejects);
  void stage_rows(const Batch& rows, std::size_t first, std::size_t last);
  void stage(const std::vector<std::string_view>& tuples);
  std::optional<std::int64_t> insert_all(const std::string& after, const std::string& upto);
  void convert(const Batch& rows, std::size_t first, std::size_t last);
  WriteReport write_staged(std::int64_t rows);
  std::int64_t level_rows(const std::string& mark, const Batch& rows);
  WriteReport update_guarded(std::int64_t rows);

  const WriteSpec spec_;
  const std::string job_;
  const std::shared_ptr<OwnTransactions> own_;
  PgConnection connection_;
  std::vector<PgType> types_;  // of the target columns
  std::unique_ptr<WriteSql> sql_;
  std::unique_ptr<PushdownSql> pushdown_sql_;  // none: rows come in batches
  bool has_dynamic_ = false;
  bool has_stage_ = false;
  bool stage_is_clean_ = true;
  std::string opening_;           // of a transaction whose first statement is yet to come
  std::string mark_;              // of the transaction, once asked for
  std::string moment_;            // of the question
  bool may_flush_later_ = false;  // by this server and this role
  bool spares_others_ = false;
  OthersFlushes others_flushes_;
  bool flushes_later_ = false;  // the transaction's commit does not wait for it
  // What a session before this one committed may be seen, and not be flushed: it counts as written,
  // so the first commit of each session waits for all that came before it.
  bool must_catch_up_ = false;
  std::string unflushed_;       // up to here the log must be flushed; empty: nothing is left
  std::optional<Chunk> chunk_;  // of the transaction
  bool may_look_ = false;       // its first batch of rows is yet to come
  Looks looks_;
  std::unique_ptr<PresentKeys> present_;
  PartedBatch parted_;
  Batch converted_;
  Batch accepted_;  // what is left of a batch without its rejects
  std::vector<Cell> cells_;
};

}  // namespace backfill
