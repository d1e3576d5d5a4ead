// verify/finding.h
//
// What a comparison comes to: rows that differ, and counts. Plain values.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/key.h"

namespace backfill {

enum class FindingKind {
  missing,    // the source has the row, the target has not
  extra,      // only the target has it
  different,  // both have it, and the columns named do not hold what they should
};
const char* finding_kind_name(FindingKind kind);
// Throws Error(stop) for anything else.
FindingKind finding_kind_of(const std::string& name);

struct Finding {
  FindingKind kind = FindingKind::missing;
  Key source_key;  // the same key as either side's database spells it
  Key target_key;
  std::vector<std::string> columns;  // the target's names of those that differ
};

// A finding that may be a write under way: it counts once it has stood for a while and the source
// row has been the same all the time.
struct Suspect {
  enum class State {
    waiting,    // to be looked at again
    stands,     // it is a difference
    unsettled,  // its source row never stayed the same for long enough
  };
  Finding finding;
  State state = State::waiting;
  std::string source_state;     // a digest of the source row; empty: it was not there
  std::int64_t since_ms = 0;    // since when; of the wall clock, for it outlives the process
  std::int64_t look_at_ms = 0;  // again, while it waits
  int rounds = 0;               // how often the source row was another than before
  std::int64_t place = 0;       // of its chunk, in key order
  std::optional<Key> after;  // where that chunk begins and ends, as the side spells it whose keys
  Key upto;                  // cut it
};

// Places of suspects in the walk over the target's keys begin here.
inline constexpr std::int64_t kFirstPlaceInTarget = std::int64_t{1} << 48;

// Of rows that were looked at.
struct CompareCounts {
  std::int64_t chunks = 0;
  std::int64_t source_rows = 0;  // matching `where`
  std::int64_t target_rows = 0;
  std::int64_t compared = 0;   // the source rows that the job writes
  std::int64_t skipped = 0;    // left out on purpose by the plugin: whatever the target has is fine
  std::int64_t rejected = 0;   // that the plugin rejects, or that cannot be read: likewise
  std::int64_t not_there = 0;  // in mode `update`: rows that the target need not have
  std::int64_t transient = 0;  // differed, and then did not any more

  CompareCounts& operator+=(const CompareCounts& other);
};

// Rows that differ, by kind.
struct Differences {
  std::int64_t missing = 0;
  std::int64_t extra = 0;
  std::int64_t different = 0;
  std::int64_t unsettled = 0;
  std::int64_t waiting = 0;

  std::int64_t standing() const { return missing + extra + different; }
};

}  // namespace backfill
