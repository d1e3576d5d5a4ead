// core/bisect.h
//
// Finds the rows that a database refuses by halving: k bad rows of n cost O(k log n) writes.

#pragma once

#include <cstddef>
#include <vector>

#include "core/batch.h"
#include "core/error.h"
#include "core/target.h"

namespace backfill {

// Calls try_write(first, last) on parts of [0, rows) until every row is written or stands
// alone in `rejects`. try_write throws Error(reject) after undoing what it did itself; any
// other Error passes through. Parts are written in order.
template <class TryWrite>
void bisect_range(std::size_t first, std::size_t last, TryWrite& try_write,
                  std::vector<RowReject>& rejects) {
  if (first == last) return;
  try {
    try_write(first, last);
    return;
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::reject) throw;
    if (last - first == 1) {
      rejects.push_back({first, error.code(), error.what()});
      return;
    }
  }
  const std::size_t middle = first + (last - first) / 2;
  bisect_range(first, middle, try_write, rejects);
  bisect_range(middle, last, try_write, rejects);
}

template <class TryWrite>
void bisect(std::size_t rows, TryWrite try_write, std::vector<RowReject>& rejects) {
  bisect_range(0, rows, try_write, rejects);
}

// Replaces `accepted` by the rows that are not among `rejects`.
inline void copy_accepted(const Batch& rows, const std::vector<RowReject>& rejects,
                          Batch& accepted) {
  std::vector<bool> is_rejected(rows.rows());
  for (const RowReject& reject : rejects) is_rejected[reject.row] = true;
  accepted.clear();
  for (std::size_t row = 0; row < rows.rows(); ++row) {
    if (!is_rejected[row]) accepted.append_tuple(rows.tuple(row));
  }
}

}  // namespace backfill
