#include "verify/sides.h"

#include <algorithm>
#include <map>
#include <utility>

#include "core/bisect.h"
#include "verify/digest.h"

namespace backfill {
namespace {

// Keys of rows that were found, with those that were asked for: a key may come back in another
// spelling than it was asked for, so what was not found at first is asked for alone.
template <class KeyOf>
std::vector<bool> are_found(Source& source, const std::vector<Key>& keys, Batch& batch,
                            const KeyOf& key_of) {
  std::vector<bool> found(keys.size());
  if (keys.empty()) return found;
  source.read_keys(keys, batch);
  std::map<std::vector<std::string>, int> there;
  for (std::size_t row = 0; row < batch.rows(); ++row) ++there[key_of(batch, row).values];
  std::size_t matched = 0;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    found[i] = there.contains(keys[i].values);
    matched += found[i] ? 1 : 0;
  }
  if (matched >= batch.rows()) return found;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (found[i]) continue;
    source.read_keys({keys[i]}, batch);
    found[i] = !batch.empty();
  }
  return found;
}

}  // namespace

std::vector<int> VerifyTerms::sent_key() const {
  std::vector<int> places;
  for (const int read : source_key.values) {
    const auto at = std::find_if(layout.write.begin(), layout.write.end(), [&](const auto& column) {
      return column.role == WriteColumn::Role::key && column.read == read;
    });
    places.push_back(static_cast<int>(at - layout.write.begin()));
  }
  return places;
}

Sides::Sides(const VerifyTerms& terms, Makers makers) : terms_(terms), makers_(std::move(makers)) {}

template <class Part, class Make>
Part& Sides::made(std::unique_ptr<Part>& part, const Make& make) {
  if (!part) {
    auto fresh = make();
    const std::lock_guard lock(mutex_);
    part = std::move(fresh);
  }
  return *part;
}

Source& Sides::source() {
  side_ = ExitCode::source_unreachable;
  return made(source_, makers_.source);
}

Source& Sides::source_keys() {
  side_ = ExitCode::source_unreachable;
  return made(source_keys_, makers_.source_keys);
}

ReadAhead& Sides::target_reader() {
  side_ = ExitCode::target_unreachable;
  return made(target_, [this] {
    return std::make_unique<ReadAhead>(makers_.target(), /*notes_moments=*/false);
  });
}

Source& Sides::target() { return target_reader().source(); }

Target& Sides::judging() {
  side_ = ExitCode::target_unreachable;
  return made(judge_, makers_.judge);
}

void Sides::transform(Expected& expected) {
  expected.forwards = terms_.layout.forwards;
  expected.transformed.clear();
  if (expected.forwards) return;
  if (!transform_) transform_ = makers_.transform();
  transform_->apply(expected.source, expected.transformed);
}

void Sides::read_range(const Chunk& chunk, Expected& expected, Batch& actual) {
  ReadAhead& target = target_reader();
  target.begin(chunk);
  try {
    read_source(chunk, expected);
  } catch (...) {
    drop_what_is_read(chunk, actual);
    throw;
  }
  side_ = ExitCode::target_unreachable;
  target.read(chunk, actual);
}

// Else it would be handed out for the next chunk, or keep it from being read ahead.
void Sides::drop_what_is_read(const Chunk& chunk, Batch& actual) {
  try {
    target_->read(chunk, actual);
  } catch (const Error&) {
    // The source's error is the one that counts.
  }
}

void Sides::read_source(const Chunk& chunk, Expected& expected) {
  source().read(chunk, expected.source);
  transform(expected);
}

void Sides::read_source(const std::vector<Key>& keys, Expected& expected) {
  source().read_keys(keys, expected.source);
  transform(expected);
}

void Sides::read_target(const Chunk& chunk, Batch& actual) { target().read(chunk, actual); }

void Sides::read_target(const std::vector<Key>& keys, Batch& actual) {
  target().read_keys(keys, actual);
}

std::vector<RowDifference> Sides::judge(const Expected& expected,
                                        const std::vector<std::size_t>& rows) {
  if (rows.empty()) return {};
  part_.clear();
  for (const std::size_t row : rows) part_.append_tuple(expected.rows().tuple(row));
  std::vector<RowDifference> differences;
  std::vector<RowReject> refused;
  bisect(
      part_.rows(),
      [&](std::size_t first, std::size_t last) {
        for (RowDifference& found : judge_part(part_, first, last))
          differences.push_back(std::move(found));
      },
      refused);
  for (const RowReject& reject : refused) {
    const Key key = target_key(expected, expected.source_of(rows[reject.row]));
    target().read_keys({key}, keys_);
    RowDifference difference{reject.row, keys_.empty(), {}};
    for (std::size_t i = 0; i < terms_.layout.write.size() && !difference.is_missing; ++i) {
      if (terms_.layout.write[i].role == WriteColumn::Role::value)
        difference.columns.push_back(static_cast<int>(i));
    }
    differences.push_back(std::move(difference));
  }
  for (RowDifference& difference : differences) difference.row = rows[difference.row];
  return differences;
}

std::optional<ChunkComparison> Sides::compare_there(const Chunk& chunk) {
  if (!terms_.is_one_database) return std::nullopt;
  return judging().compare_with_source(chunk);
}

std::vector<RowDifference> Sides::judge_part(const Batch& rows, std::size_t first,
                                             std::size_t last) {
  if (first == 0 && last == rows.rows()) return judging().compare(rows);
  Batch part;
  for (std::size_t row = first; row < last; ++row) part.append_tuple(rows.tuple(row));
  std::vector<RowDifference> differences = judging().compare(part);
  for (RowDifference& difference : differences) difference.row += first;
  return differences;
}

std::vector<bool> Sides::are_in_source(const std::vector<Key>& keys) {
  Columns columns;
  KeyPlaces places;
  for (std::size_t i = 0; i < terms_.source_key.values.size(); ++i) {
    const auto at = static_cast<std::size_t>(terms_.source_key.values[i]);
    const bool has_text = terms_.source_key.texts[i] >= 0;
    columns.push_back(terms_.source_columns[at]);
    places.values.push_back(static_cast<int>(i));
    places.texts.push_back(has_text ? static_cast<int>(i) : -1);
  }
  return are_found(source_keys(), keys, keys_, [&](const Batch& batch, std::size_t row) {
    read_cells(batch.tuple(row), columns.size(), cells_);
    return key_in_form(columns, places, cells_, terms_.source_form);
  });
}

std::vector<bool> Sides::are_in_target(const std::vector<Key>& keys) {
  return are_found(target(), keys, keys_, [&](const Batch& batch, std::size_t row) {
    return target_key_of_target(batch, row);
  });
}

std::vector<std::size_t> Sides::not_in_source(const Batch& actual,
                                              const std::vector<std::size_t>& rows) {
  std::vector<Key> keys;
  for (const std::size_t row : rows) keys.push_back(source_key_of_target(actual, row));
  const std::vector<bool> found = are_in_source(keys);
  std::vector<std::size_t> absent;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (!found[i]) absent.push_back(rows[i]);
  }
  return absent;
}

Key Sides::source_key(const Expected& expected, std::size_t source_row) {
  read_cells(expected.source.tuple(source_row), terms_.source_columns.size(), cells_);
  return key_in_form(terms_.source_columns, terms_.source_key, cells_, terms_.source_form);
}

Key Sides::target_key(const Expected& expected, std::size_t source_row) {
  read_cells(expected.source.tuple(source_row), terms_.source_columns.size(), cells_);
  return key_in_form(terms_.source_columns, terms_.source_key, cells_, terms_.target_form);
}

Key Sides::source_key_of_target(const Batch& actual, std::size_t row) {
  read_cells(actual.tuple(row), terms_.target_columns.size(), cells_);
  return key_in_form(terms_.target_columns, terms_.target_key, cells_, terms_.source_form);
}

Key Sides::target_key_of_target(const Batch& actual, std::size_t row) {
  read_cells(actual.tuple(row), terms_.target_columns.size(), cells_);
  return key_in_form(terms_.target_columns, terms_.target_key, cells_, terms_.target_form);
}

void Sides::reconnect() {
  side_ = ExitCode::source_unreachable;
  if (source_) source_->reconnect();
  if (source_keys_) source_keys_->reconnect();
  side_ = ExitCode::target_unreachable;
  if (target_) target_->reconnect();
  if (judge_) judge_->reconnect();
}

void Sides::cancel() noexcept {
  const std::lock_guard lock(mutex_);
  if (source_) source_->cancel();
  if (source_keys_) source_keys_->cancel();
  if (target_) target_->cancel();
  if (judge_) judge_->cancel();
}

std::string state_of(const Batch& batch, std::size_t row) {
  return digest_of(batch.tuple(row)).text();
}

}  // namespace backfill
