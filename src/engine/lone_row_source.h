// engine/lone_row_source.h
//
// A Source for which a chunk is the one row whose key is the chunk's end, so that a ChunkRunner
// does with a row known by its key what it does with any chunk: read, transform, write, validate.
//
// Owned by one worker; only cancel() may be called from another thread.

#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/source.h"

namespace backfill {

class LoneRowSource : public Source {
 public:
  explicit LoneRowSource(std::unique_ptr<Source> source) : source_(std::move(source)) {}

  static Chunk chunk_of(const Key& key);

  std::optional<Key> last_key() override { return source_->last_key(); }
  std::optional<Cut> cut(const std::optional<Key>& after, const Key& end,
                         std::int64_t keys) override;
  void read(const Chunk& chunk, Batch& batch) override;
  void read_keys(const std::vector<Key>& keys, Batch& batch) override {
    source_->read_keys(keys, batch);
  }
  std::string moment() override { return source_->moment(); }
  bool may_have_changed(const Chunk& chunk, const std::string& since,
                        std::optional<std::int64_t> rows) override;
  std::string writers() override { return source_->writers(); }
  bool have_ended(const std::string& writers) override { return source_->have_ended(writers); }
  bool release() noexcept override { return source_->release(); }
  std::vector<Key> in_key_order(std::vector<Key> keys) override {
    return source_->in_key_order(std::move(keys));
  }
  std::vector<Statement> statements() const override { return source_->statements(); }
  void reconnect() override { source_->reconnect(); }
  void cancel() noexcept override { source_->cancel(); }

 private:
  const std::unique_ptr<Source> source_;
  std::string seen_;  // the row as it was read last; empty: it was not there
  Batch look_;
};

}  // namespace backfill
