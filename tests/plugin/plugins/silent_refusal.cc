// Refuses every job and says nothing.

#include "bare.h"

static void* open(backfill_binding*, backfill_error*) { return nullptr; }

extern "C" BACKFILL_EXPORT const backfill_transform* backfill_transform_entry(void) {
  static const backfill_transform transform = [] {
    backfill_transform changed = bare::transform;
    changed.open = open;
    return changed;
  }();
  return &transform;
}
