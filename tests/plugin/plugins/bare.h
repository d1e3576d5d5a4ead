// The contract in plain C terms, for plugins that break it on purpose. Each includes this and
// changes one thing.

#pragma once

#include <backfill/transform.h>

namespace bare {

inline void* open(backfill_binding* binding, backfill_error*) {
  binding->want_input(binding, 0);
  binding->want_output(binding, 0, BACKFILL_TEXT);
  static int instance;
  return &instance;
}
inline int apply(void*, backfill_batch*, backfill_error*) { return 0; }
inline void close(void*) {}

inline constexpr backfill_transform transform = {
    BACKFILL_TRANSFORM_CONTRACT, sizeof(backfill_transform), "bare", "1", open, apply, close};

}  // namespace bare
