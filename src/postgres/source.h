// postgres/source.h
//
// A Source over a PostgreSQL table: boundary queries over the key's index, rows by
// `COPY … TO STDOUT (FORMAT binary)`. Keys are compared by the server alone, in the types
// and collations of the key's index; here they are text that the server gave.

#pragma once

#include <string>
#include <vector>

#include "core/source.h"
#include "postgres/connection.h"
#include "postgres/read_sql.h"

namespace backfill {

class PostgresSource : public Source {
 public:
  // Connects. The columns of spec.key have the types and collations of the key's index.
  PostgresSource(const std::string& url, const std::string& job, ReadSpec spec);

  std::optional<Key> last_key() override;
  std::optional<Cut> cut(const std::optional<Key>& after, const Key& end,
                         std::int64_t keys) override;
  void read(const Chunk& chunk, Batch& batch) override;
  void read_keys(const std::vector<Key>& keys, Batch& batch) override;
  std::vector<Key> in_key_order(std::vector<Key> keys) override;
  std::vector<Statement> statements() const override;
  void reconnect() override;
  void cancel() noexcept override { connection_.cancel(); }

 private:
  void set_up();
  Key checked_key(const PgResult& row) const;

  const ReadSpec spec_;
  const ReadSql sql_;
  PgConnection connection_;
};

}  // namespace backfill
