// Knows only the first fields of the contract.

#include "bare.h"

extern "C" BACKFILL_EXPORT const backfill_transform* backfill_transform_entry(void) {
  static const backfill_transform transform = [] {
    backfill_transform changed = bare::transform;
    changed.struct_size = 16;
    return changed;
  }();
  return &transform;
}
