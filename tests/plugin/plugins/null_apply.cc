// Forgot a function.

#include "bare.h"

extern "C" BACKFILL_EXPORT const backfill_transform* backfill_transform_entry(void) {
  static const backfill_transform transform = [] {
    backfill_transform changed = bare::transform;
    changed.apply = nullptr;
    return changed;
  }();
  return &transform;
}
