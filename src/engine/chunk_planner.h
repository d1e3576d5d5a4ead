// engine/chunk_planner.h
//
// Walks the key order ahead of the workers and cuts it into chunks, up to the end key that
// was fixed at the start of the run. Ranges that are done already are passed over. The end is
// proven, never inferred: by a read that finds no key above the last one.
//
// One thread calls plan().

#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <stop_token>
#include <vector>

#include "checkpoint/watermark.h"
#include "core/error.h"
#include "core/log.h"
#include "core/source.h"
#include "engine/backoff.h"
#include "engine/chunk_sizer.h"

namespace backfill {

class ChunkPlanner {
 public:
  // Where to begin and to end, and what to leave out.
  struct Span {
    std::optional<Key> after;  // none: at the start of the table
    Key end;
    std::vector<DoneRange> done;  // in key order, above `after`
  };

  // Takes a chunk on; false when no more are wanted. `done` chunks need no work.
  using Accept = std::function<bool(Chunk chunk, bool done)>;

  ChunkPlanner(std::unique_ptr<Source> source, Span span, const ChunkSizer& sizer,
               const BackoffOptions& backoff, Clock& clock, Log& log);

  // Returns true when every key up to the end was handed to `accept`; false when a stop or
  // `accept` ended it before.
  bool plan(const Accept& accept, std::stop_token stop);

  void cancel() noexcept { source_->cancel(); }

 private:
  bool plan_up_to(const Key& end, const Accept& accept, std::stop_token stop);
  // After a look that was too much, the next ones grow back slowly.
  bool is_limited() const { return keys_max_ < std::numeric_limits<std::int64_t>::max() / 2; }
  std::optional<Source::Cut> next_cut(const Key& end, std::stop_token stop);
  std::vector<Source::Cut> look_for_cuts(const Key& end, std::int64_t keys, std::stop_token stop);

  std::unique_ptr<Source> source_;
  const Span span_;
  const ChunkSizer& sizer_;
  const BackoffOptions backoff_;
  Clock& clock_;
  Log& log_;

  std::optional<Key> after_;       // everything up to here was handed out
  std::deque<Source::Cut> ahead_;  // found already, of chunks of `ahead_size_`
  std::int64_t ahead_size_ = 0;
  std::uint64_t next_ordinal_ = 0;
  std::int64_t keys_max_ = std::numeric_limits<std::int64_t>::max();  // a cut of more timed out
};

}  // namespace backfill
