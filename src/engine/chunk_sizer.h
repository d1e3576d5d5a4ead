// engine/chunk_sizer.h
//
// Rows for the next chunk: as many as make a batch's write last about `target_time`, no more
// than fit into `bytes_max` or are large enough for any purpose, within fixed limits. Grows
// fourfold at the most per step, halves at once after one batch that took four times the target.
// Pace is the throttle's, not ours.
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
};

class ChunkSizer {
 public:
  explicit ChunkSizer(const ChunkSizerOptions& options);

  std::int64_t size() const;

  // From now on a batch's write is to last about so long.
  void aim_at(Duration target_time);

  // Learns from a chunk that is done.
  void observe(const ChunkReport& report);

 private:
  void learn_bytes(const ChunkReport& report);
  void learn_time(const ChunkReport& report);
  void resize(double factor);  // needs mutex_

  const ChunkSizerOptions options_;
  mutable std::mutex mutex_;
  // Guarded by mutex_.
  Duration target_time_;
  std::int64_t size_;
  std::int64_t size_for_bytes_;        // the most that fits into bytes_max, as far as known
  std::vector<Duration> write_times_;  // of chunks of the present size
};

}  // namespace backfill
