#include "support/fake_target.h"

#include "core/bisect.h"
#include "support/batch_builder.h"

namespace backfill {

void FakeTarget::begin(const Chunk&) {
  if (is_open_) throw Error(ErrorKind::stop, "begin in an open transaction");
  reach("target.begin", false);
  is_open_ = true;
  if (options_.is_shared) mark_ = table_.next_mark();
}

WriteReport FakeTarget::write(const Batch& rows) {
  reach("target.write", true);
  WriteReport report;
  try {
    write_range(rows, 0, rows.rows(), report);
  } catch (...) {
    rollback();
    throw;
  }
  return report;
}

WriteReport FakeTarget::write_around_rejects(const Batch& rows, std::vector<RowReject>& rejects) {
  reach("target.write", true);
  WriteReport report;
  bisect(
      rows.rows(),
      [&](std::size_t first, std::size_t last) {
        const auto writes_before = writes_;
        const WriteReport report_before = report;
        try {
          write_range(rows, first, last, report);
        } catch (...) {
          writes_ = writes_before;
          report = report_before;
          throw;
        }
      },
      rejects);
  return report;
}

void FakeTarget::write_range(const Batch& rows, std::size_t first, std::size_t last,
                             WriteReport& report) {
  std::vector<Cell> cells;
  for (std::size_t i = first; i < last; ++i) {
    read_cells(rows.tuple(i), options_.layout.write.size(), cells);
    std::int64_t id = 0;
    std::string value;
    std::optional<std::int64_t> version;
    for (std::size_t field = 0; field < cells.size(); ++field) {
      const auto role = options_.layout.write[field].role;
      if (role == WriteColumn::Role::key) id = int64_of(cells[field].view());
      if (role == WriteColumn::Role::value) value = cells[field].view();
      if (role == WriteColumn::Role::guard) version = int64_of(cells[field].view());
    }
    if (options_.refused.contains(id)) {
      throw Error(ErrorKind::reject, "row " + std::to_string(id) + " breaks a constraint", "23514");
    }
    const auto there = table_.row(id);
    if (options_.mode == WriteMode::insert && there) {
      throw Error(ErrorKind::reject, "duplicate key " + std::to_string(id), "23505");
    }
    if (version && (!there || there->version != *version)) {
      report.conflicts.push_back(key_of(id));
      continue;
    }
    const bool is_left = (options_.mode == WriteMode::insert_missing && there) ||
                         (options_.mode == WriteMode::update && !there);
    if (is_left) {
      ++report.unchanged;
      continue;
    }
    writes_[id] = value;
    ++report.written;
  }
}

// Values as they are; a refused key spoils the whole statement.
PushdownReport FakeTarget::write_from_source(const Chunk& chunk) {
  reach("target.write_from_source", true);
  PushdownReport report;
  report.wrote_all = true;
  report.moment = std::to_string(options_.from->version());
  RowCounts& rows = report.rows;
  for (const auto& [id, value] : options_.from->values()) {
    if ((chunk.after && id <= id_of(*chunk.after)) || id > id_of(chunk.upto)) continue;
    if (options_.refused.contains(id)) {
      throw Error(ErrorKind::reject, "row " + std::to_string(id) + " breaks a constraint", "23514");
    }
    ++rows.read;
    ++rows.written;
    writes_[id] = value;
  }
  return report;
}

void FakeTarget::lock(const std::vector<Key>& keys) {
  reach("target.lock", true);
  std::set<std::int64_t> ids;
  for (const Key& key : keys) ids.insert(id_of(key));
  table_.lock(ids);
  locked_.insert(ids.begin(), ids.end());
}

void FakeTarget::commit(const Chunk& chunk, const RowCounts& rows) {
  reach("target.commit", true);
  std::optional<LedgerRange> range;
  if (options_.keeps_ledger) range = LedgerRange{chunk.after, chunk.upto, rows};
  table_.commit(writes_, range, mark_);
  for (const std::int64_t id : removals_) table_.erase(id);
  writes_.clear();
  removals_.clear();
  rollback();
  reach("target.committed", false);
}

std::vector<RowDifference> FakeTarget::compare(const Batch& rows) {
  reach("target.compare", false);
  const auto there = table_.values();
  std::vector<RowDifference> differences;
  std::vector<Cell> cells;
  for (std::size_t i = 0; i < rows.rows(); ++i) {
    read_cells(rows.tuple(i), options_.layout.write.size(), cells);
    const auto row = there.find(int64_of(cells[0].view()));
    if (row == there.end()) {
      differences.push_back({i, true, {}});
    } else if (row->second != cells[1].view()) {
      differences.push_back({i, false, {1}});
    }
  }
  return differences;
}

std::int64_t FakeTarget::remove(const std::vector<Key>& keys) {
  reach("target.remove", true);
  std::int64_t removed = 0;
  for (const Key& key : keys) {
    if (!table_.row(id_of(key))) continue;
    removals_.insert(id_of(key));
    ++removed;
  }
  return removed;
}

LevelReport FakeTarget::level(const Chunk& chunk, const std::string& mark, const Batch& rows) {
  reach("target.level", false);
  std::map<std::int64_t, std::string> values;
  std::vector<Cell> cells;
  LevelReport report;
  for (std::size_t i = 0; i < rows.rows(); ++i) {
    read_cells(rows.tuple(i), options_.layout.write.size(), cells);
    const std::int64_t id = int64_of(cells[0].view());
    if (options_.refused.contains(id)) {
      report.rejects.push_back({i, "23514", "row " + std::to_string(id) + " breaks a constraint"});
    } else {
      values[id] = cells[1].view();
    }
  }
  table_.level(mark, chunk, values, report);
  return report;
}

Fate FakeTarget::fate(const std::string& mark) {
  reach("target.fate", false);
  if (!table_.has_committed(mark)) return Fate::aborted;
  return options_.forgets_fates ? Fate::unknown : Fate::committed;
}

void FakeTarget::rollback() noexcept {
  table_.unlock(locked_);
  locked_.clear();
  writes_.clear();
  is_open_ = false;
}

std::optional<RowCounts> FakeTarget::recorded(const Chunk& chunk) {
  reach("target.recorded", false);
  if (!options_.keeps_ledger) return std::nullopt;
  for (const LedgerRange& range : table_.ledger()) {
    if (range.upto == chunk.upto && range.after == chunk.after) return range.rows;
  }
  return std::nullopt;
}

void FakeTarget::reconnect() {
  rollback();
  is_lost_ = false;
  reach("target.reconnect", false);
}

void FakeTarget::reach(const std::string& call, bool in_transaction) {
  if (is_lost_) throw Error(ErrorKind::stop, call + " on a lost connection");
  if (in_transaction && !is_open_) throw Error(ErrorKind::stop, call + " outside a transaction");
  try {
    script_.reach(call);
  } catch (const Error& error) {
    is_lost_ = error.kind() == ErrorKind::retry;
    rollback();
    throw;
  }
}

}  // namespace backfill
