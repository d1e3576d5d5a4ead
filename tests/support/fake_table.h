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

namespace backfill {

class FakeTable {
 public:
  struct Row {
    std::string value;
    std::int64_t version = 0;
    int times_written = 0;  // by committed batches
  };

  // A row as the application writes it. False, and nothing done, while the row is locked.
  bool put(std::int64_t id, const std::string& value) {
    const std::lock_guard lock(mutex_);
    if (locked_.contains(id)) return false;
    Row& row = rows_[id];
    row.value = value;
    row.version = ++versions_;
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
              const std::optional<LedgerRange>& range) {
    const std::lock_guard lock(mutex_);
    for (const auto& [id, value] : writes) {
      Row& row = rows_[id];
      row.value = value;
      row.version = ++versions_;
      ++row.times_written;
    }
    if (range) ledger_.insert_or_assign(range->upto.values, *range);
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
};

}  // namespace backfill
