#include "engine/key_list_source.h"

#include <algorithm>

#include "core/error.h"

namespace backfill {

Chunk KeyListSource::whole() const {
  Chunk chunk;
  chunk.upto = keys_.back();
  chunk.keys = chunk.size = static_cast<std::int64_t>(keys_.size());
  return chunk;
}

std::vector<Key>::const_iterator KeyListSource::behind(const std::optional<Key>& key) const {
  if (!key) return keys_.begin();
  const auto at = std::find(keys_.begin(), keys_.end(), *key);
  return at == keys_.end() ? at : at + 1;
}

std::optional<Source::Cut> KeyListSource::cut(const std::optional<Key>& after, const Key& end,
                                              std::int64_t keys) {
  const auto first = behind(after);
  const std::int64_t left = behind(end) - first;
  if (left <= 0) return std::nullopt;
  const std::int64_t taken = std::min(keys, left);
  return Cut{*(first + taken - 1), taken};
}

void KeyListSource::read(const Chunk& chunk, Batch& batch) {
  source_->read_keys({behind(chunk.after), behind(chunk.upto)}, batch);
  if (batch.bytes() <= bytes_max_ || batch.rows() <= 1) return;
  throw Error(ErrorKind::too_large, "read " + chunk.display() + ": its rows pass " +
                                        std::to_string(bytes_max_) + " bytes");
}

}  // namespace backfill
