// engine/chunk_sizer.h
//
// Rows for the next chunk: as many as make a batch's writing last about `target_time`, no more
// than fit into `bytes_max` or are large enough for any purpose, within fixed limits. Grows
// fourfold at the most per step, halves at once after one batch that took four times the target.
// The transaction around the rows does not count: what it takes does not grow with them.
// While others are at work batches last a small part of that, since who waits behind one waits as
// long as it lasts. Pace is the throttle's, not ours.
//
// Safe from any thread.

#pragma once

#include <cstdint>
#include <mutex>
#include <vector>

#include "core/chunk.h"
#include "support/clock.h"

namespace backfill {

struct ChunkSizerOptions {
  std::int64_t size = 1000;
  std::int64_t size_min = 100;
  std::int64_t size_max = 20'000;
  std::int64_t bytes_max = 16 << 20;
  Duration target_time = std::chrono::milliseconds(100);
  bool adaptive = true;

  bool operator==(const ChunkSizerOptions&) const = default;
};

class ChunkSizer {
 public:
  // `locks_others_out`: who meets a batch waits until it ends, for a row of it or for the file.
  explicit ChunkSizer(const ChunkSizerOptions& options, bool locks_others_out = false);

  std::int64_t size() const;

  // Other limits from now on; the size stays where they allow it and it is not fixed anew.
  void set_options(const ChunkSizerOptions& options);

  // Whether others are to be spared, from now on, and how long they wait at times anyway: a batch
  // that takes not much longer is not noticed. Zero: not known.
  void keep_small(bool is_small, Duration usual_wait = Duration::zero());

  // Learns from a chunk that is done.
  void observe(const ChunkReport& report);

 private:
  void learn_bytes(const ChunkReport& report);
  void learn_time(const ChunkReport& report);
  void resize(double factor);  // needs mutex_

  const bool locks_others_out_;
  mutable std::mutex mutex_;
  // Guarded by mutex_.
  ChunkSizerOptions options_;
  Duration target_time_;  // of now
  bool is_small_ = false;
  std::int64_t size_;
  std::int64_t size_for_bytes_;        // the most that fits into bytes_max, as far as known
  std::vector<Duration> write_times_;  // of chunks of the present size
};

}  // namespace backfill
