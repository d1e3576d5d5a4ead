// engine/done_ranges.h
//
// What is done already when a run is taken up again: the checkpoint's finished ranges and
// those that the target's ledger has on top of them.

#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "checkpoint/watermark.h"
#include "core/source.h"
#include "core/target.h"

namespace backfill {

struct DoneRanges {
  std::vector<DoneRange> ranges;  // in key order, disjoint, above the watermark
  std::map<std::vector<std::string>, RowCounts>
      ledger_rows;  // by upto; of those that only the ledger knew
};

// Asks `source` for the order of keys; only the database compares them.
DoneRanges merge_done_ranges(Source& source, const std::optional<Key>& watermark,
                             const std::vector<DoneRange>& checkpoint,
                             const std::vector<LedgerRange>& ledger);

}  // namespace backfill
