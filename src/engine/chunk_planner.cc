#include "engine/chunk_planner.h"

#include <algorithm>
#include <utility>

#include "support/failpoint.h"

namespace backfill {

ChunkPlanner::ChunkPlanner(std::unique_ptr<Source> source, Span span, const ChunkSizer& sizer,
                           const BackoffOptions& backoff, Clock& clock, Log& log)
    : source_(std::move(source)),
      span_(std::move(span)),
      sizer_(sizer),
      backoff_(backoff),
      clock_(clock),
      log_(log),
      after_(span_.after) {}

bool ChunkPlanner::plan(const Accept& accept, std::stop_token stop) {
  for (const DoneRange& done : span_.done) {
    // Between what was handed out and a done range; a range at the very start has nothing before
    // it.
    if (done.after && done.after != after_ && !plan_up_to(*done.after, accept, stop)) return false;
    Chunk chunk;
    chunk.ordinal = next_ordinal_++;
    chunk.after = done.after;
    chunk.upto = done.upto;
    if (!accept(chunk, /*done=*/true)) return false;
    after_ = done.upto;
  }
  return plan_up_to(span_.end, accept, stop);
}

bool ChunkPlanner::plan_up_to(const Key& end, const Accept& accept, std::stop_token stop) {
  while (!stop.stop_requested()) {
    const std::int64_t size = std::min(sizer_.size(), keys_max_);
    const auto cut = this->cut(end, size, stop);
    if (!cut) return !stop.stop_requested();
    Chunk chunk;
    chunk.ordinal = next_ordinal_++;
    chunk.after = after_;
    chunk.upto = cut->upto;
    chunk.keys = cut->keys;
    chunk.size = size;
    after_ = chunk.upto;
    // After a cut that was too much, the next ones grow back slowly.
    if (keys_max_ < std::numeric_limits<std::int64_t>::max() / 2) keys_max_ += keys_max_ / 2 + 1;
    failpoint("chunk.planned");
    if (!accept(std::move(chunk), /*done=*/false)) return false;
  }
  return false;
}

std::optional<Source::Cut> ChunkPlanner::cut(const Key& end, std::int64_t keys,
                                             std::stop_token stop) {
  Backoff backoff(backoff_, clock_);
  bool is_lost = false;
  while (!stop.stop_requested()) {
    try {
      if (is_lost) source_->reconnect();
      is_lost = false;
      return source_->cut(after_, end, keys);
    } catch (const Error& error) {
      const std::string what = "plan the chunk after " + (after_ ? after_->display() : "the start");
      if (error.kind() == ErrorKind::too_large && keys > 1) {
        keys = std::max<std::int64_t>(1, keys / 2);
        keys_max_ = keys;
        continue;
      }
      if (stop.stop_requested()) break;
      const bool may_retry =
          error.kind() == ErrorKind::retry || error.kind() == ErrorKind::cancelled;
      if (!may_retry) throw error.within(what);
      log_.write(LogLevel::warning, "will try again",
                 {{"planner", what}, {"reason", error.what()}});
      if (!backoff.wait(stop) && !stop.stop_requested()) {
        throw error.within(what).ending_with(ExitCode::source_unreachable);
      }
      is_lost = true;
    }
  }
  return std::nullopt;
}

}  // namespace backfill
