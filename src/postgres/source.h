// postgres/source.h
//
// A Source over a PostgreSQL table: boundary queries over the key's index, rows by
// `COPY … TO STDOUT (FORMAT binary)`. Keys are compared by the server alone, in the types
// and collations of the key's index; here they are text that the server gave.

#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/source.h"
#include "postgres/connection.h"
#include "postgres/read_sql.h"
#include "postgres/snapshot.h"

namespace backfill {

class PostgresSource : public Source {
 public:
  // Connects. The columns of spec.key have the types and collations of the key's index.
  // `own` are the transactions of this process.
  PostgresSource(const std::string& url, const std::string& job, ReadSpec spec,
                 std::shared_ptr<const OwnTransactions> own = std::make_shared<OwnTransactions>());

  std::optional<Key> last_key() override;
  std::optional<Cut> cut(const std::optional<Key>& after, const Key& end,
                         std::int64_t keys) override;
  std::vector<Cut> cuts(const std::optional<Key>& after, const Key& end, std::int64_t keys,
                        std::size_t count) override;
  void read(const Chunk& chunk, Batch& batch) override;
  void read_keys(const std::vector<Key>& keys, Batch& batch) override;
  std::string moment() override;
  bool may_have_changed(const Chunk& chunk, const std::string& since,
                        std::optional<std::int64_t> rows) override;
  std::string writers() override;
  bool have_ended(const std::string& writers) override;
  bool release() noexcept override;
  std::vector<Key> in_key_order(std::vector<Key> keys) override;
  std::vector<Statement> statements() const override;
  void reconnect() override;
  void cancel() noexcept override { connection_.cancel(); }

 private:
  // Rows of a chunk that nobody has written since a moment.
  struct Untouched {
    std::int64_t rows;
    std::int64_t and_unmarked;  // nor locked, nor changed in a transaction that did not commit
  };

  void set_up();
  Untouched count_untouched(const Chunk& chunk, const PgSnapshot& since);
  Key checked_key(const PgResult& rows, int row) const;
  void check_that_it_moves(const std::optional<Key>& after, const std::vector<Cut>& cuts) const;

  const ReadSpec spec_;
  const ReadSql sql_;
  const std::shared_ptr<const OwnTransactions> own_;
  PgConnection connection_;
  int looks_before_asking_ = 0;  // whether anybody but us has written at all
};

}  // namespace backfill
