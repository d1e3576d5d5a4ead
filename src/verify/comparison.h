// verify/comparison.h
//
// Compares what the target should hold with what it holds, both of one key range: by their digests,
// and where these differ row by row. Sure that what it passes is equal; what it does not pass is in
// doubt, for the database to say.
//
// One thread; keeps its memory from batch to batch.

#pragma once

#include <cstddef>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/batch.h"
#include "core/column.h"

namespace backfill {

class Comparison {
 public:
  // The columns of expected tuples, those of actual tuples, of which the first answer them one by
  // one, and where the key is in both.
  Comparison(Columns expected, Columns actual, std::vector<int> key);

  struct Result {
    std::vector<std::size_t> doubtful;   // expected rows, in order
    std::vector<std::size_t> unmatched;  // actual rows whose key no expected row has, in order
  };
  Result compare(const Batch& expected, const Batch& actual);

  // The key of a tuple of expected columns, or of others with the key at those places, in a form in
  // which equal keys are equal.
  std::string key_of(const Columns& columns, const std::vector<int>& key,
                     const std::vector<Cell>& cells) const;

 private:
  bool passes(const Batch& expected, std::size_t row, const Batch& actual, std::size_t other);

  const Columns expected_;
  const Columns actual_;
  const std::vector<int> key_;
  bool is_same_form_ = true;     // of all columns: equal bytes mean equal rows
  bool key_has_classes_ = true;  // on both sides
  std::vector<Cell> expected_cells_;
  std::vector<Cell> actual_cells_;
  std::unordered_map<std::string, std::size_t> rest_;
};

}  // namespace backfill
