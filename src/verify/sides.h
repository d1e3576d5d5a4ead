// verify/sides.h
//
// Both ends of a comparison as one thread has them: what the source holds and what the transform
// makes of it, what the target holds, and the target's own word on whether the two are the same.
// Connections are made when they are first needed, and the target reads on a thread of its own.
//
// One thread; only cancel() may be called from another.

#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/source.h"
#include "core/target.h"
#include "core/transform.h"
#include "engine/read_ahead.h"
#include "verify/comparison.h"
#include "verify/key_form.h"

namespace backfill {

// What is compared with what; the same for every thread.
struct VerifyTerms {
  Layout layout;  // without guards; reads the source's row version and key texts as well
  Columns source_columns;
  KeyPlaces source_key;
  KeyForm source_form = KeyForm::postgres;
  std::vector<std::string> target_key_names;
  Columns target_columns;  // the first of them answer layout.write
  KeyPlaces target_key;
  KeyForm target_form = KeyForm::postgres;
  // A chunk is the same range on both sides. Else rows are looked up by their keys.
  bool same_key_order = false;
  // Both sides are in one database, which can compare a chunk by itself, in one moment.
  bool is_one_database = false;
  // In mode `update` neither side need have the other's rows.
  bool finds_missing = true;
  bool finds_extra = true;

  std::vector<int> sent_key() const;  // the key's places in layout.write
  std::string column_name(int at) const {
    return layout.write[static_cast<std::size_t>(at)].target.name;
  }
};

// Rows of the source, and what the target should hold of them.
struct Expected {
  Batch source;
  Transformed transformed;
  bool forwards = false;

  const Batch& rows() const { return forwards ? source : transformed.rows; }
  // The place in `source` of what became rows()[row].
  std::size_t source_of(std::size_t row) const {
    return forwards ? row : transformed.input_rows[row];
  }
};

class Sides {
 public:
  struct Makers {
    std::function<std::unique_ptr<Source>()> source;
    std::function<std::unique_ptr<Source>()> source_keys;  // just keys, whatever `where` says
    std::function<std::unique_ptr<Source>()> target;
    std::function<std::unique_ptr<Target>()> judge;
    std::function<std::unique_ptr<Transform>()> transform;
  };

  Sides(const VerifyTerms& terms, Makers makers);

  const VerifyTerms& terms() const { return terms_; }

  // Both read the chunk's range at the same time.
  void read_range(const Chunk& chunk, Expected& expected, Batch& actual);
  void read_source(const Chunk& chunk, Expected& expected);
  void read_source(const std::vector<Key>& keys, Expected& expected);
  void read_target(const Chunk& chunk, Batch& actual);
  void read_target(const std::vector<Key>& keys, Batch& actual);

  // Which of `rows` of what is expected the target does not hold, by its own word. A value that
  // could not be stored is a difference of every column, or a row that is missing.
  std::vector<RowDifference> judge(const Expected& expected, const std::vector<std::size_t>& rows);

  // A whole chunk by the database that has both sides; none where it cannot.
  std::optional<ChunkComparison> compare_there(const Chunk& chunk);

  // Those of these rows of the target, by their places in `actual`, whose key the source has not.
  std::vector<std::size_t> not_in_source(const Batch& actual, const std::vector<std::size_t>& rows);
  // Likewise of keys as the source spells them.
  std::vector<bool> are_in_source(const std::vector<Key>& keys);
  std::vector<bool> are_in_target(const std::vector<Key>& keys);

  Key source_key(const Expected& expected, std::size_t source_row);
  // Of a row of the source, as the target spells it.
  Key target_key(const Expected& expected, std::size_t source_row);
  Key source_key_of_target(const Batch& actual, std::size_t row);
  Key target_key_of_target(const Batch& actual, std::size_t row);

  Source& source();
  Source& target();

  // Whose call is in progress, should it be lost for good.
  ExitCode side() const { return side_; }
  void reconnect();
  void cancel() noexcept;

 private:
  void transform(Expected& expected);
  void drop_what_is_read(const Chunk& chunk, Batch& actual);
  std::vector<RowDifference> judge_part(const Batch& rows, std::size_t first, std::size_t last);
  Source& source_keys();
  ReadAhead& target_reader();
  Target& judging();
  template <class Part, class Make>
  Part& made(std::unique_ptr<Part>& part, const Make& make);

  const VerifyTerms& terms_;
  const Makers makers_;
  std::unique_ptr<Transform> transform_;
  Batch part_;
  Batch keys_;
  std::vector<Cell> cells_;
  ExitCode side_ = ExitCode::source_unreachable;

  std::mutex mutex_;  // guards these as pointers, for cancel()
  std::unique_ptr<Source> source_;
  std::unique_ptr<Source> source_keys_;
  std::unique_ptr<ReadAhead> target_;
  std::unique_ptr<Target> judge_;
};

// Marks of rows that are the same whenever the row is; empty: there is no row.
std::string state_of(const Batch& batch, std::size_t row);

}  // namespace backfill
