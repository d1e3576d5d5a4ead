// postgres/target.h
//
// A Target over a PostgreSQL table. The tuples of a batch go by binary COPY into a temporary
// table of the session, and one statement writes them from there. Where only inserts are asked
// for and none of the keys is there they are copied straight in. A row that is as it should be
// is not written again.

#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/target.h"
#include "postgres/connection.h"
#include "postgres/straight_copies.h"
#include "postgres/write_sql.h"

namespace backfill {

class PostgresTarget : public Target {
 public:
  // Connects.
  PostgresTarget(const std::string& url, const std::string& job, WriteSpec spec);

  void begin(const Chunk& chunk) override;
  WriteReport write(const Batch& rows) override;
  WriteReport write_around_rejects(const Batch& rows, std::vector<RowReject>& rejects) override;
  void lock(const std::vector<Key>& keys) override;
  void commit(const Chunk& chunk, const RowCounts& rows) override;
  void rollback() noexcept override;
  std::optional<RowCounts> recorded(const Chunk& chunk) override;
  std::vector<Statement> statements() const override;
  void reconnect() override;
  void cancel() noexcept override { connection_.cancel(); }

 private:
  void set_up();
  bool copied_straight(const Batch& rows);
  WriteReport write_rows(const Batch& rows, std::size_t first, std::size_t last);
  void stage(std::string_view tuples);
  void convert(const Batch& rows, std::size_t first, std::size_t last);
  WriteReport write_staged(std::int64_t rows);

  const WriteSpec spec_;
  PgConnection connection_;
  std::vector<PgType> types_;  // of the target columns
  std::unique_ptr<WriteSql> sql_;
  bool has_dynamic_ = false;
  bool has_stage_ = false;
  bool stage_is_clean_ = true;
  StraightCopies straight_copies_;
  Batch converted_;
  std::vector<Cell> cells_;
};

}  // namespace backfill
