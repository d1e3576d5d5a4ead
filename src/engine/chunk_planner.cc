#include "engine/chunk_planner.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "support/failpoint.h"

namespace backfill {
namespace {

// A look for the end of a chunk takes the server about as long as writing fifty rows, however small
// the chunk. So the ends of small chunks are looked for together.
constexpr std::int64_t kKeysOfALook = 2000;
constexpr std::int64_t kCutsOfALook = 8;

// The size has changed too little to look again.
bool is_near(std::int64_t size, std::int64_t wanted) {
  return 4 * std::abs(size - wanted) <= wanted;
}

std::size_t cuts_of_a_look(std::int64_t keys) {
  return static_cast<std::size_t>(std::clamp<std::int64_t>(kKeysOfALook / keys, 1, kCutsOfALook));
}

}  // namespace

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
  ahead_.clear();
  while (!stop.stop_requested()) {
    const auto cut = next_cut(end, stop);
    if (!cut) return !stop.stop_requested();
    Chunk chunk;
    chunk.ordinal = next_ordinal_++;
    chunk.after = after_;
    chunk.upto = cut->upto;
    chunk.keys = cut->keys;
    chunk.size = ahead_size_;
    after_ = chunk.upto;
    if (is_limited()) keys_max_ += keys_max_ / 2 + 1;
    failpoint("chunk.planned");
    if (!accept(std::move(chunk), /*done=*/false)) return false;
  }
  return false;
}

std::optional<Source::Cut> ChunkPlanner::next_cut(const Key& end, std::stop_token stop) {
  const std::int64_t size = std::min(sizer_.size(), keys_max_);
  if (!is_near(ahead_size_, size)) ahead_.clear();
  if (ahead_.empty()) {
    ahead_size_ = size;
    for (Source::Cut& cut : look_for_cuts(end, size, stop)) ahead_.push_back(std::move(cut));
  }
  if (ahead_.empty()) return std::nullopt;
  Source::Cut cut = std::move(ahead_.front());
  ahead_.pop_front();
  return cut;
}

std::vector<Source::Cut> ChunkPlanner::look_for_cuts(const Key& end, std::int64_t keys,
                                                     std::stop_token stop) {
  Backoff backoff(backoff_, clock_);
  bool is_lost = false;
  while (!stop.stop_requested()) {
    try {
      if (is_lost) source_->reconnect();
      is_lost = false;
      return source_->cuts(after_, end, keys, is_limited() ? 1 : cuts_of_a_look(keys));
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
  return {};
}

}  // namespace backfill
