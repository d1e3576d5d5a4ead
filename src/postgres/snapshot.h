// postgres/snapshot.h
//
// A moment of a PostgreSQL cluster as the transactions that were under way in it
// (pg_current_snapshot), and the transactions of this process, so that what others did between two
// moments can be told from what we did ourselves. Numbers are 64 bits wide: they never come again.

#pragma once

#include <array>
#include <cstdint>
#include <mutex>
#include <string>
#include <unordered_set>
#include <vector>

namespace backfill {

struct PgSnapshot {
  std::uint64_t oldest = 0;  // all transactions below have ended
  std::uint64_t next = 0;    // none from here on has begun

  // From `oldest:next:running,running,…`. Which of those between are running says nothing of their
  // subtransactions, so it is not kept. Throws Error(stop) for anything else.
  static PgSnapshot parse(const std::string& text);
};

// Safe from any thread. Remembers the latest transactions only: one that it forgot counts as
// another's.
class OwnTransactions {
 public:
  // `server` tells clusters apart: a transaction's number means nothing without it.
  void add(const std::string& server, std::uint64_t transaction);

  // Whether each transaction that was under way between the two moments was one of these.
  bool were_all(const std::string& server, const PgSnapshot& since, const PgSnapshot& now) const;

 private:
  static constexpr std::size_t kept = 4096;

  mutable std::mutex mutex_;
  // Guarded by mutex_.
  std::string server_;  // of all that follow
  std::array<std::uint64_t, kept> ring_{};
  std::size_t at_ = 0;
  std::unordered_set<std::uint64_t> known_;
};

}  // namespace backfill
