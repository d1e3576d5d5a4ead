#include "engine/lone_row_source.h"

namespace backfill {
namespace {

std::string row_in(const Batch& batch) {
  return batch.empty() ? "" : std::string(batch.tuples(0, batch.rows()));
}

}  // namespace

Chunk LoneRowSource::chunk_of(const Key& key) {
  Chunk chunk;
  chunk.upto = key;
  chunk.keys = chunk.size = 1;
  chunk.is_lone_row = true;
  return chunk;
}

std::optional<Source::Cut> LoneRowSource::cut(const std::optional<Key>& after, const Key& end,
                                              std::int64_t) {
  if (after == end) return std::nullopt;
  return Cut{end, 1};
}

void LoneRowSource::read(const Chunk& chunk, Batch& batch) {
  source_->read_keys({chunk.upto}, batch);
  seen_ = row_in(batch);
}

bool LoneRowSource::may_have_changed(const Chunk& chunk, const std::string& since,
                                     std::optional<std::int64_t>) {
  if (!source_->may_have_changed(chunk, since, std::nullopt)) return false;
  if (!source_->writers().empty()) return true;
  source_->read_keys({chunk.upto}, look_);
  return row_in(look_) != seen_;
}

}  // namespace backfill
