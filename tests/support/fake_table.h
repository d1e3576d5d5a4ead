// tests/support/fake_table.h
//
// A table that the fakes of several workers share: int64 key, text value, a version that
// changes with every write, and how often each row was written by a committed batch. With
// it, the ledger that belongs to it. Safe from any thread.

#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/target.h"
#include "support/batch_builder.h"

namespace backfill {

class FakeTable {
 public:
  struct Row {
    std::string value;
    std::int64_t version = 0;
    int times_written = 0;  // by committed batches
    std::string writer;     // mark of the batch that wrote it last; empty: the application
  };

  // A row as the application writes it. False, and nothing done, while the row is locked.
  bool put(std::int64_t id, const std::string& value) {
    const std::lock_guard lock(mutex_);
    if (locked_.contains(id)) return false;
    Row& row = rows_[id];
    row.value = value;
    row.version = ++versions_;
    row.writer.clear();
    return true;
  }
  bool erase(std::int64_t id) {
    const std::lock_guard lock(mutex_);
    if (locked_.contains(id)) return false;
    return rows_.erase(id) > 0;
  }

  std::map<std::int64_t, Row> rows() const {
    const std::lock_guard lock(mutex_);
    return rows_;
  }
  std::map<std::int64_t, std::string> values() const {
    std::map<std::int64_t, std::string> values;
    for (const auto& [id, row] : rows()) values.emplace(id, row.value);
    return values;
  }
  std::optional<Row> row(std::int64_t id) const {
    const std::lock_guard lock(mutex_);
    const auto found = rows_.find(id);
    return found == rows_.end() ? std::nullopt : std::optional(found->second);
  }

  void lock(const std::set<std::int64_t>& ids) {
    const std::lock_guard lock(mutex_);
    locked_.insert(ids.begin(), ids.end());
  }
  void unlock(const std::set<std::int64_t>& ids) {
    const std::lock_guard lock(mutex_);
    for (const std::int64_t id : ids) locked_.erase(id);
  }

  // A transaction's writes, and its ledger range if it has one, all at once.
  void commit(const std::map<std::int64_t, std::string>& writes,
              const std::optional<LedgerRange>& range, const std::string& mark = "") {
    const std::lock_guard lock(mutex_);
    for (const auto& [id, value] : writes) {
      Row& row = rows_[id];
      row.value = value;
      row.version = ++versions_;
      row.writer = mark;
      ++row.times_written;
    }
    if (range) ledger_.insert_or_assign(range->upto.values, *range);
    committed_.insert(mark);
  }

  bool has_committed(const std::string& mark) const {
    const std::lock_guard lock(mutex_);
    return committed_.contains(mark);
  }
  std::string next_mark() {
    const std::lock_guard lock(mutex_);
    return "t" + std::to_string(++marks_);
  }

  // Rows of the range that the batch `mark` wrote last become as in `values`, or go.
  void level(const std::string& mark, const Chunk& chunk,
             const std::map<std::int64_t, std::string>& values, LevelReport& report) {
    const std::lock_guard lock(mutex_);
    for (auto at = rows_.begin(); at != rows_.end();) {
      const auto& [id, row] = *at;
      const bool is_ours = row.writer == mark && id <= id_of(chunk.upto) &&
                           (!chunk.after || id > id_of(*chunk.after));
      const auto value = values.find(id);
      if (is_ours && value == values.end()) {
        at = rows_.erase(at);
        ++report.deleted;
        continue;
      }
      if (is_ours && value->second != row.value) {
        at->second = {value->second, ++versions_, row.times_written, mark + "'"};
        ++report.updated;
      }
      ++at;
    }
  }

  std::int64_t version() const {
    const std::lock_guard lock(mutex_);
    return versions_;
  }

  std::vector<LedgerRange> ledger() const {
    const std::lock_guard lock(mutex_);
    std::vector<LedgerRange> ranges;
    for (const auto& [upto, range] : ledger_) ranges.push_back(range);
    return ranges;
  }
  void forget(const std::vector<Key>& upto) {
    const std::lock_guard lock(mutex_);
    for (const Key& key : upto) ledger_.erase(key.values);
  }
  void clear_ledger() {
    const std::lock_guard lock(mutex_);
    ledger_.clear();
  }

 private:
  mutable std::mutex mutex_;
  // Guarded by mutex_.
  std::map<std::int64_t, Row> rows_;
  std::set<std::int64_t> locked_;
  std::map<std::vector<std::string>, LedgerRange> ledger_;
  std::int64_t versions_ = 0;
  std::int64_t marks_ = 0;
  std::set<std::string> committed_;
};

}  // namespace backfill
