// torture/traffic.h
//
// The application: threads that insert, update, delete and insert again, source first and target
// second, in one transaction or in two, and that know nothing of the backfill. They love the rows
// that it is at.
//
// Two threads never dual-write one key at once, as with a lock or a queue per key. When a server
// dies under a dual write, the application reads what its source transaction really did, and makes
// the target say the same before it goes on, as one with an outbox would.
//
// One thread starts and stops it.

#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <exception>
#include <mutex>
#include <optional>
#include <random>
#include <stop_token>
#include <thread>
#include <vector>

#include "torture/session.h"
#include "torture/tables.h"

namespace backfill {

struct TrafficReport {
  std::int64_t writes = 0;
  std::int64_t retries = 0;  // of transactions that lost against another
  std::int64_t repairs = 0;  // of dual writes that a dead server cut off
};

// How a thread writes twice.
struct DualWrite {
  bool in_one_transaction;
  bool is_serializable;
};

// What all threads of the application know of its rows.
class RowBook {
 public:
  explicit RowBook(std::int64_t rows);

  struct Entry {
    std::mutex mutex;  // held while its row is written, and guards the rest
    bool is_there = false;
  };
  // Ids are 1 to rows().
  Entry& entry(std::int64_t id) { return entries_[static_cast<std::size_t>(id)]; }
  std::int64_t rows() const { return static_cast<std::int64_t>(entries_.size()) - 1; }

  std::int64_t next_version() { return ++version_; }
  void note_dual_write(std::chrono::nanoseconds took);

  std::atomic<std::int64_t> frontier{0};               // the key that the backfill is at
  std::atomic<std::int64_t> longest_dual_write_ms{0};  // of those in two transactions

 private:
  std::vector<Entry> entries_;
  std::atomic<std::int64_t> version_{0};
};

// One thread's work.
class Writer {
 public:
  Writer(const Tables& tables, RowBook& book, DualWrite form, std::uint64_t seed);

  void write_until(const std::stop_token& stop);
  const TrafficReport& report() const { return report_; }

 private:
  std::int64_t pick_id();
  std::optional<RowWrite> pick_write(std::int64_t id, bool is_there);
  void carry_out(const RowWrite& write);
  void write_together(const RowWrite& write);
  void write_source(const RowWrite& write);
  void write_target(const RowWrite& write);
  void repair(std::int64_t id, RowBook::Entry& entry);
  void dawdle(int percent, int milliseconds_max);
  std::int64_t between(std::int64_t low, std::int64_t high);
  bool chance(int percent) { return between(1, 100) <= percent; }

  const Tables& tables_;
  RowBook& book_;
  const DualWrite form_;
  Session source_;
  Session target_;
  std::mt19937_64 random_;
  TrafficReport report_;
};

class Traffic {
 public:
  Traffic(const Tables& tables, int threads, std::uint64_t seed);

  // How long a dual write in two transactions has taken at most since the last call, those that are
  // under way included.
  std::chrono::milliseconds take_longest_dual_write();

  // Every thread ends the write it is at, and its repair. Throws what went wrong in one of them.
  TrafficReport stop();

 private:
  void keep(std::exception_ptr failure);
  void follow_frontier(const std::stop_token& stop);

  const Tables& tables_;
  RowBook book_;
  std::vector<Writer> writers_;
  std::mutex mutex_;  // guards failure_
  std::exception_ptr failure_;
  std::vector<std::jthread> threads_;  // last: they use all of the above
};

}  // namespace backfill
