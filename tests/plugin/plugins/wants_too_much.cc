// Wants a column that was not offered.

#include "bare.h"

static void* open(backfill_binding* binding, backfill_error*) {
  binding->want_input(binding, binding->source_count);
  static int instance;
  return &instance;
}

extern "C" BACKFILL_EXPORT const backfill_transform* backfill_transform_entry(void) {
  static const backfill_transform transform = [] {
    backfill_transform changed = bare::transform;
    changed.open = open;
    return changed;
  }();
  return &transform;
}
