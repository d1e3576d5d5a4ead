// postgres/wal_history.h
//
// When the server had written how much of its log: tells how old a position is that a replica has
// got to, by one clock and without a heartbeat table. An idle server's replicas are never late.
// Safe from any thread.

#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>

namespace backfill {

class WalHistory {
 public:
  using Clock = std::chrono::steady_clock;

  // `position`: bytes since the beginning of the log. Positions that go back, after a failover,
  // begin anew.
  void add(std::int64_t position, Clock::time_point now);

  // How much has been written; none while there is no history.
  std::optional<std::int64_t> position() const;

  // For how long the server has been past this position; zero when it is not. What was written
  // before the history began counts from there. None while there is no history.
  std::optional<Clock::duration> lag(std::int64_t position, Clock::time_point now) const;

 private:
  struct Entry {
    std::int64_t position;
    Clock::time_point since;  // first seen
  };

  mutable std::mutex mutex_;
  std::deque<Entry> entries_;  // in order of both
};

}  // namespace backfill
