// torture/check.h
//
// Compares every row of the source with what the target has of it, and says of each difference
// what kind it is.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "torture/tables.h"

namespace backfill {

struct Failures {
  std::int64_t missing = 0;  // in the source, not in the target; or there, but never filled
  std::int64_t extra = 0;    // in the target, not in the source: back from the dead
  std::int64_t stale = 0;    // an older version than the source's
  std::int64_t doubled = 0;  // transformed more than once
  std::int64_t wrong = 0;    // anything else, such as a label of another row
  std::int64_t left = 0;     // rows of a finished job in the ledger
  std::vector<std::string> examples;  // a few, in words

  std::int64_t total() const { return missing + extra + stale + doubled + wrong + left; }
  // `none`, or `missing=3 stale=1`.
  std::string display() const;
};

// Both for when nobody writes any more.
Failures find_failures(const Tables& tables);
std::int64_t count_rows(const Tables& tables);  // of the source

}  // namespace backfill
