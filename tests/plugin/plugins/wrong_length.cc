// Fills a boolean with three bytes.

#include "bare.h"

static void* open(backfill_binding* binding, backfill_error*) {
  binding->want_output(binding, 0, BACKFILL_BOOLEAN);
  static int instance;
  return &instance;
}
static int apply(void*, backfill_batch* batch, backfill_error*) {
  batch->outputs[0] = {"yes", 3, BACKFILL_BOOLEAN};
  return 0;
}

extern "C" BACKFILL_EXPORT const backfill_transform* backfill_transform_entry(void) {
  static const backfill_transform transform = [] {
    backfill_transform changed = bare::transform;
    changed.open = open;
    changed.apply = apply;
    return changed;
  }();
  return &transform;
}
