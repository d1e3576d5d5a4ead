// engine/key_list_source.h
//
// A Source of just the rows whose keys it was told, so that a ChunkRunner works on them as on any
// chunk: reads, transforms, writes, halves where a row is bad.
//
// Owned by one worker; only cancel() may be called from another thread.

#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "core/source.h"

namespace backfill {

class KeyListSource : public Source {
 public:
  // `bytes_max` of a batch, as in ReadSpec.
  KeyListSource(std::unique_ptr<Source> source, std::size_t bytes_max)
      : source_(std::move(source)), bytes_max_(bytes_max) {}

  // The table from now on: these keys, in this order. Not empty.
  void set_keys(std::vector<Key> keys) { keys_ = std::move(keys); }
  // All of it.
  Chunk whole() const;

  std::optional<Key> last_key() override { return keys_.back(); }
  std::optional<Cut> cut(const std::optional<Key>& after, const Key& end,
                         std::int64_t keys) override;
  void read(const Chunk& chunk, Batch& batch) override;
  void read_keys(const std::vector<Key>& keys, Batch& batch) override {
    source_->read_keys(keys, batch);
  }
  std::vector<Key> in_key_order(std::vector<Key> keys) override {
    return source_->in_key_order(std::move(keys));
  }
  std::vector<Statement> statements() const override { return source_->statements(); }
  void reconnect() override { source_->reconnect(); }
  void cancel() noexcept override { source_->cancel(); }

 private:
  // Behind this key in the list; the beginning without one.
  std::vector<Key>::const_iterator behind(const std::optional<Key>& key) const;

  const std::unique_ptr<Source> source_;
  const std::size_t bytes_max_;
  std::vector<Key> keys_;
};

}  // namespace backfill
