// Answers with a verdict that there is not.

#include "bare.h"

static int apply(void*, backfill_batch* batch, backfill_error*) {
  batch->verdicts[0] = 9;
  return 0;
}

extern "C" BACKFILL_EXPORT const backfill_transform* backfill_transform_entry(void) {
  static const backfill_transform transform = [] {
    backfill_transform changed = bare::transform;
    changed.apply = apply;
    return changed;
  }();
  return &transform;
}
