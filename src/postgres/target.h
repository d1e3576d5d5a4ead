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
#include "postgres/looks.h"
#include "postgres/present_keys.h"
#include "postgres/pushdown_sql.h"
#include "postgres/write_sql.h"

namespace backfill {

class PostgresTarget : public Target {
 public:
  // Connects.
  PostgresTarget(const std::string& url, const std::string& job, WriteSpec spec);

  void begin(const Chunk& chunk) override;
  WriteReport write(const Batch& rows) override;
  WriteReport write_around_rejects(const Batch& rows, std::vector<RowReject>& rejects) override;
  RowCounts write_from_source(const Chunk& chunk) override;
  void lock(const std::vector<Key>& keys) override;
  void commit(const Chunk& chunk, const RowCounts& rows) override;
  void rollback() noexcept override;
  std::optional<RowCounts> recorded(const Chunk& chunk) override;
  std::vector<Statement> statements() const override;
  void reconnect() override;
  void cancel() noexcept override { connection_.cancel(); }

 private:
  void set_up();
  std::string opened(const std::string& sql);
  std::optional<WriteReport> insert_new_rows(const Batch& rows);
  std::optional<std::int64_t> straight(
      const std::function<std::int64_t(const std::string& savepoint)>& write);
  void look(const Batch& rows);
  WriteReport write_rows(const Batch& rows, std::size_t first, std::size_t last);
  void stage(const std::vector<std::string_view>& tuples);
  std::int64_t pushed_down(const std::string& after, const std::string& upto);
  void convert(const Batch& rows, std::size_t first, std::size_t last);
  WriteReport write_staged(std::int64_t rows);
  WriteReport update_guarded(std::int64_t rows);
  WriteReport update_and_tell(std::int64_t rows);

  const WriteSpec spec_;
  const std::string job_;
  PgConnection connection_;
  std::vector<PgType> types_;  // of the target columns
  std::unique_ptr<WriteSql> sql_;
  std::unique_ptr<PushdownSql> pushdown_sql_;  // none: rows come in batches
  bool has_dynamic_ = false;
  bool has_stage_ = false;
  bool stage_is_clean_ = true;
  std::string opening_;         // of a transaction whose first statement is yet to come
  bool in_part_ = false;        // under a savepoint
  std::optional<Chunk> chunk_;  // of the transaction
  bool may_look_ = false;       // its first batch of rows is yet to come
  Looks looks_;
  std::unique_ptr<PresentKeys> present_;
  PartedBatch parted_;
  Batch converted_;
  std::vector<Cell> cells_;
};

}  // namespace backfill
