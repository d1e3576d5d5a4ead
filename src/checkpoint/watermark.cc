#include "checkpoint/watermark.h"

#include <cassert>

namespace backfill {

bool Watermark::complete(const Chunk& chunk) {
  assert(chunk.ordinal >= next_ordinal_ && !done_ahead_.contains(chunk.ordinal));
  done_ahead_.emplace(chunk.ordinal, DoneRange{chunk.after, chunk.upto});

  const std::uint64_t before = next_ordinal_;
  for (auto done = done_ahead_.begin(); done != done_ahead_.end() && done->first == next_ordinal_;
       done = done_ahead_.erase(done)) {
    key_ = done->second.upto;
    ++next_ordinal_;
  }
  return next_ordinal_ != before;
}

std::vector<DoneRange> Watermark::done_ahead() const {
  std::vector<DoneRange> ranges;
  for (const auto& [ordinal, range] : done_ahead_) ranges.push_back(range);
  return ranges;
}

}  // namespace backfill
