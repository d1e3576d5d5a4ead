// core/chunk.h
//
// A chunk is a key range; its rows in memory are a batch. One chunk is one read, one
// transform call, one write transaction, one step of the checkpoint.

#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/key.h"

namespace backfill {

// The rows with after < key <= upto.
struct Chunk {
  std::uint64_t ordinal = 0;  // place in key order among the chunks of this process
  std::optional<Key> after;  // none for the first chunk of the table: no sentinel is a safe minimum
  Key upto;
  std::int64_t keys =
      0;  // keys the planner saw in the range, before any `where`; an estimate later
  std::int64_t size = 0;  // rows the sizer asked for when this chunk was cut
  // Not empty: what the transaction of this mark wrote in the range is to be levelled; nothing is
  // copied.
  std::string mark;
  bool is_lone_row = false;  // just the row with the key `upto`

  // `chunk 41 (40001..41000]`
  std::string display() const;
};

// Rows by what became of them. Sums over chunks are the run's counts.
struct RowCounts {
  std::int64_t read = 0;  // matched `where`
  std::int64_t written = 0;
  std::int64_t skipped = 0;   // left out on purpose by the plugin
  std::int64_t rejected = 0;  // in the dead letters
  std::int64_t unchanged =
      0;  // were in the target as they should be, or had no row there to update
  std::int64_t conflicts = 0;  // changed between their read and their write, and done again

  RowCounts& operator+=(const RowCounts& other);
  bool operator==(const RowCounts&) const = default;
};

// A row that could not be written, kept with its reason.
struct DeadLetter {
  std::string key;   // for people and for retrying: Key::to_json
  std::string code;  // SQLSTATE or SQLite code; `transform` when the plugin rejected it
  std::string message;
  std::string values;  // the source row, a JSON object of column to text
};

// Where a chunk's time went.
struct PhaseTimes {
  std::chrono::nanoseconds read{0};
  std::chrono::nanoseconds transform{0};
  std::chrono::nanoseconds write{0};   // the rows
  std::chrono::nanoseconds commit{0};  // the transaction around them, its begin included
  std::chrono::nanoseconds validate{0};

  PhaseTimes& operator+=(const PhaseTimes& other);
  // Phase `write`, for those who watch.
  std::chrono::nanoseconds in_target() const { return write + commit; }
  std::chrono::nanoseconds total() const { return read + transform + in_target() + validate; }
};

// What a worker says of a chunk that is done: committed in the target, not yet in the checkpoint.
struct ChunkReport {
  Chunk chunk;
  RowCounts rows;
  std::size_t bytes = 0;               // of the rows read
  PhaseTimes times;                    // of the attempt that succeeded
  int worker = 0;                      // who did it
  std::chrono::nanoseconds rested{0};  // by the throttle's word, since its worker's last batch
  std::chrono::nanoseconds waited{0};  // at its end, for a flush that others made
  int retries = 0;                     // attempts beyond the first
  int splits = 0;                      // times the chunk was cut in two because it was too large
  bool from_ledger = false;  // found written already by an earlier attempt whose answer was lost
  std::vector<DeadLetter> dead_letters;
};

}  // namespace backfill
