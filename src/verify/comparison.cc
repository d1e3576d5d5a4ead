#include "verify/comparison.h"

#include <utility>

#include "verify/cell_meaning.h"
#include "verify/digest.h"

namespace backfill {

Comparison::Comparison(Columns expected, Columns actual, std::vector<int> key)
    : expected_(std::move(expected)), actual_(std::move(actual)), key_(std::move(key)) {
  is_same_form_ = expected_.size() == actual_.size();
  for (std::size_t i = 0; i < expected_.size(); ++i)
    is_same_form_ = is_same_form_ && backfill::is_same_form(expected_[i], actual_[i]);
  for (const int at : key_) {
    const auto i = static_cast<std::size_t>(at);
    key_has_classes_ = key_has_classes_ && expected_[i].dynamic && actual_[i].dynamic;
  }
}

std::string Comparison::key_of(const Columns& columns, const std::vector<int>& key,
                               const std::vector<Cell>& cells) const {
  std::string text;
  for (const int at : key) {
    const auto i = static_cast<std::size_t>(at);
    const std::string part = key_meaning(columns[i], cells[i], key_has_classes_);
    text += std::to_string(part.size()) + ":" + part;
  }
  return text;
}

// The rows whose cells were read last.
bool Comparison::passes(const Batch& expected, std::size_t row, const Batch& actual,
                        std::size_t other) {
  if (is_same_form_ && expected.tuple(row) == actual.tuple(other)) return true;
  for (std::size_t i = 0; i < expected_.size(); ++i) {
    if (!surely_means_the_same(expected_[i], expected_cells_[i], actual_[i], actual_cells_[i]))
      return false;
  }
  return true;
}

// Both are in key order, so as long as no row is missing or extra they go in step.
Comparison::Result Comparison::compare(const Batch& expected, const Batch& actual) {
  Result result;
  if (is_same_form_ && expected.rows() == actual.rows() &&
      digest_of(expected.tuples()) == digest_of(actual.tuples())) {
    return result;
  }
  std::size_t row = 0;
  for (; row < expected.rows() && row < actual.rows(); ++row) {
    read_cells(expected.tuple(row), expected_.size(), expected_cells_);
    read_cells(actual.tuple(row), actual_.size(), actual_cells_);
    if (key_of(expected_, key_, expected_cells_) != key_of(actual_, key_, actual_cells_)) break;
    if (!passes(expected, row, actual, row)) result.doubtful.push_back(row);
  }
  const std::size_t first = row;
  rest_.clear();
  for (std::size_t other = first; other < actual.rows(); ++other) {
    read_cells(actual.tuple(other), actual_.size(), actual_cells_);
    rest_.emplace(key_of(actual_, key_, actual_cells_), other);
  }
  std::vector<bool> is_matched(actual.rows() - std::min(first, actual.rows()));
  for (row = first; row < expected.rows(); ++row) {
    read_cells(expected.tuple(row), expected_.size(), expected_cells_);
    const auto found = rest_.find(key_of(expected_, key_, expected_cells_));
    if (found == rest_.end()) {
      result.doubtful.push_back(row);
      continue;
    }
    is_matched[found->second - first] = true;
    read_cells(actual.tuple(found->second), actual_.size(), actual_cells_);
    if (!passes(expected, row, actual, found->second)) result.doubtful.push_back(row);
  }
  for (std::size_t other = first; other < actual.rows(); ++other) {
    if (!is_matched[other - first]) result.unmatched.push_back(other);
  }
  return result;
}

}  // namespace backfill
