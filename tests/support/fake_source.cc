#include "support/fake_source.h"

#include <algorithm>

#include "support/batch_builder.h"

namespace backfill {

std::optional<Key> FakeSource::last_key() {
  const auto rows = table_.rows();
  if (rows.empty()) return std::nullopt;
  return key_of(rows.rbegin()->first);
}

std::optional<Source::Cut> FakeSource::cut(const std::optional<Key>& after, const Key& end,
                                           std::int64_t keys) {
  const std::vector<Cut> found = cuts(after, end, keys, 1);
  if (found.empty()) return std::nullopt;
  return found.front();
}

std::vector<Source::Cut> FakeSource::cuts(const std::optional<Key>& after, const Key& end,
                                          std::int64_t keys, std::size_t count) {
  reach("source.cut");
  const auto rows = table_.rows();
  auto row = after ? rows.upper_bound(id_of(*after)) : rows.begin();
  std::vector<Cut> found;
  while (found.size() < std::min(count, options_.cuts_of_a_look)) {
    std::optional<Cut> cut;
    for (std::int64_t seen = 0; row != rows.end() && row->first <= id_of(end) && seen < keys;
         ++row) {
      cut = Cut{key_of(row->first), ++seen};
    }
    if (!cut) break;
    found.push_back(*cut);
  }
  return found;
}

void FakeSource::read(const Chunk& chunk, Batch& batch) {
  reach("source.read");
  batch.clear();
  const auto rows = table_.rows();
  for (auto row = chunk.after ? rows.upper_bound(id_of(*chunk.after)) : rows.begin();
       row != rows.end() && row->first <= id_of(chunk.upto); ++row) {
    append(row->first, row->second, batch);
    if (batch.bytes() > options_.bytes_max && batch.rows() > 1) {
      throw Error(ErrorKind::too_large, "read " + chunk.display() + ": more bytes than a batch");
    }
  }
}

void FakeSource::read_keys(const std::vector<Key>& keys, Batch& batch) {
  reach("source.read_keys");
  batch.clear();
  for (const Key& key : keys) {
    if (const auto row = table_.row(id_of(key))) append(id_of(key), *row, batch);
  }
}

std::string FakeSource::moment() { return std::to_string(table_.version()); }

bool FakeSource::may_have_changed(const Chunk& chunk, const std::string& since,
                                  std::optional<std::int64_t> rows) {
  reach("source.validate");
  std::int64_t unchanged = 0;
  for (const auto& [id, row] : table_.rows()) {
    const bool is_in = id <= id_of(chunk.upto) && (!chunk.after || id > id_of(*chunk.after));
    if (is_in && row.version <= std::stoll(since)) ++unchanged;
  }
  return !rows || unchanged != *rows;
}

std::vector<Key> FakeSource::in_key_order(std::vector<Key> keys) {
  reach("source.in_key_order");
  std::sort(keys.begin(), keys.end(),
            [](const Key& left, const Key& right) { return id_of(left) < id_of(right); });
  return keys;
}

void FakeSource::reconnect() {
  is_lost_ = false;
  reach("source.reconnect");
}

void FakeSource::reach(const std::string& call) {
  if (is_lost_) throw Error(ErrorKind::stop, call + " on a lost connection");
  try {
    script_.reach(call);
  } catch (const Error& error) {
    is_lost_ = error.kind() == ErrorKind::retry;
    throw;
  }
}

void FakeSource::append(std::int64_t id, const FakeTable::Row& row, Batch& batch) const {
  if (options_.matches && !options_.matches(row.value)) return;
  batch.begin_tuple(options_.with_version ? 3 : 2);
  batch.append_field(int64_bytes(id));
  batch.append_field(row.value);
  if (options_.with_version) batch.append_field(int64_bytes(row.version));
}

}  // namespace backfill
