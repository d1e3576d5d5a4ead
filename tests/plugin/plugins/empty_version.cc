// Has no version to speak of.

#include "bare.h"

extern "C" BACKFILL_EXPORT const backfill_transform* backfill_transform_entry(void) {
  static const backfill_transform transform = [] {
    backfill_transform changed = bare::transform;
    changed.version = "";
    return changed;
  }();
  return &transform;
}
