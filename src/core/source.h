// core/source.h
//
// Where rows come from. Each worker, and the planner, owns one Source with a connection of
// its own; nothing is shared. All calls throw Error; after Error(retry) call reconnect().

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/batch.h"
#include "core/chunk.h"
#include "core/key.h"
#include "core/layout.h"

namespace backfill {

// A statement as it will run, for `plan`.
struct Statement {
  std::string purpose;  // `find the end of a chunk`, `read a chunk`, …
  std::string sql;
};

// How a copy is kept from being stale while applications write.
enum class Consistency {
  validate,  // by looking at the source again after the commit
  lock,      // by locking the rows that are read until the commit
  none,
};

// What every Source of a run reads.
struct ReadSpec {
  std::string table;                 // as SQL, qualified
  std::vector<ReadColumn> columns;   // the select list: Layout::read
  std::vector<Column> key;           // in key order
  std::string where;                 // as SQL; empty: every row
  std::size_t bytes_max = 16 << 20;  // of a batch
  bool validates = false;            // it is asked whether rows may have changed since their read
  bool locks = false;                // a read locks its rows against changes until release()
};

class Source {
 public:
  virtual ~Source() = default;

  // The last key of the table now; none when the table is empty.
  virtual std::optional<Key> last_key() = 0;

  // The key that ends a chunk of `keys` keys after `after` and not past `end`: that of the
  // last key when fewer are left; none when no key is left, and only then. `where` plays no
  // part: the cost is that of `keys` index entries.
  struct Cut {
    Key upto;
    std::int64_t keys;  // in the range; equal to the wish except at the end
  };
  virtual std::optional<Cut> cut(const std::optional<Key>& after, const Key& end,
                                 std::int64_t keys) = 0;

  // Up to `count` of them, one after the other, in one look where that is worth it; fewer where the
  // keys come to an end. Empty when no key is left, and only then.
  virtual std::vector<Cut> cuts(const std::optional<Key>& after, const Key& end, std::int64_t keys,
                                std::size_t /*count*/) {
    if (auto one = cut(after, end, keys)) return {std::move(*one)};
    return {};
  }

  // Replaces `batch` by the rows of the chunk that match `where`, in key order. Throws
  // Error(too_large) when they exceed the batch's bytes and there is more than one of them.
  virtual void read(const Chunk& chunk, Batch& batch) = 0;

  // Replaces `batch` by those rows among `keys` that are there and match `where`.
  virtual void read_keys(const std::vector<Key>& keys, Batch& batch) = 0;

  // The present moment of the database, for may_have_changed.
  virtual std::string moment() = 0;

  // Whether any of the `rows` rows that a read found in the chunk, after `since`, may have changed
  // or gone by now, or will have when a transaction under way commits. In doubt true, and always
  // when `rows` is not known.
  virtual bool may_have_changed(const Chunk& chunk, const std::string& since,
                                std::optional<std::int64_t> rows) = 0;

  // Transactions under way that may have changed rows of the table; empty: none.
  virtual std::string writers() = 0;
  // Whether all of these have ended.
  virtual bool have_ended(const std::string& writers) = 0;

  // Lets go of the rows that a read locked. True when nobody can have changed them until now.
  virtual bool release() noexcept = 0;

  // The same keys in the database's order.
  virtual std::vector<Key> in_key_order(std::vector<Key> keys) = 0;

  virtual std::vector<Statement> statements() const = 0;

  virtual void reconnect() = 0;

  // Makes a call in progress fail soon with Error(cancelled). From any thread.
  virtual void cancel() noexcept = 0;
};

}  // namespace backfill
