#include "postgres/wal_history.h"

#include <algorithm>

namespace backfill {
namespace {

constexpr std::size_t kEntriesMax = 8192;  // half an hour of four a second

}  // namespace

void WalHistory::add(std::int64_t position, Clock::time_point now) {
  const std::lock_guard lock(mutex_);
  if (!entries_.empty() && position < entries_.back().position) entries_.clear();
  if (!entries_.empty() && position == entries_.back().position) return;
  entries_.push_back({position, now});
  // Every other one of the old half says as much.
  if (entries_.size() <= kEntriesMax) return;
  std::deque<Entry> kept;
  for (std::size_t at = 0; at < entries_.size(); ++at) {
    if (at % 2 == 0 || at > kEntriesMax / 2) kept.push_back(entries_[at]);
  }
  entries_ = std::move(kept);
}

std::optional<std::int64_t> WalHistory::position() const {
  const std::lock_guard lock(mutex_);
  if (entries_.empty()) return std::nullopt;
  return entries_.back().position;
}

std::optional<WalHistory::Clock::duration> WalHistory::lag(std::int64_t position,
                                                           Clock::time_point now) const {
  const std::lock_guard lock(mutex_);
  if (entries_.empty()) return std::nullopt;
  const auto past = std::upper_bound(
      entries_.begin(), entries_.end(), position,
      [](std::int64_t wanted, const Entry& entry) { return wanted < entry.position; });
  if (past == entries_.end()) return Clock::duration::zero();
  return now - past->since;
}

}  // namespace backfill
