// checkpoint/watermark.h
//
// The key below which every chunk is done. Chunks finish in any order; the watermark moves
// only over an unbroken run of them, so a run that resumes here repeats some work but never
// misses any. Ranges that are done above it are kept too, so that little is repeated.
//
// Not thread-safe: the Recorder's thread owns it.

#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/chunk.h"

namespace backfill {

// A key range that is done: after < key <= upto.
struct DoneRange {
  std::optional<Key> after;
  Key upto;

  bool operator==(const DoneRange&) const = default;
};

// A batch whose transaction, of this mark, may have committed, and whose rows were not validated
// since.
struct Doubt {
  std::optional<Key> after;
  Key upto;
  std::string mark;

  bool operator==(const Doubt&) const = default;
};

class Watermark {
 public:
  // `start`: where the first chunk begins; none at the start of the table.
  explicit Watermark(std::optional<Key> start) : key_(std::move(start)) {}

  // Notes that a chunk is done; each ordinal from 0 is given once. Returns true when the watermark
  // moved.
  bool complete(const Chunk& chunk);

  // None until the first chunk of the table is done.
  const std::optional<Key>& key() const { return key_; }

  // The oldest chunk that is not done; all ordinals below are.
  std::uint64_t next_ordinal() const { return next_ordinal_; }

  // Done above the watermark, in key order.
  std::vector<DoneRange> done_ahead() const;

 private:
  std::optional<Key> key_;
  std::uint64_t next_ordinal_ = 0;
  std::map<std::uint64_t, DoneRange> done_ahead_;  // bounded by the chunks that can be in flight
};

}  // namespace backfill
