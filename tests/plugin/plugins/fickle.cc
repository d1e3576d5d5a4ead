// Wants another column each time it is opened.

#include <cstdint>

#include "bare.h"

static void* open(backfill_binding* binding, backfill_error*) {
  static std::uint32_t opened = 0;
  binding->want_output(binding, opened++ % binding->target_count, BACKFILL_TEXT);
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
