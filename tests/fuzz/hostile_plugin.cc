// A plugin that answers whatever the fuzzer that loads it has put here.

#include <backfill/transform.h>

extern "C" {
BACKFILL_EXPORT const backfill_transform* hostile_descriptor = nullptr;

const backfill_transform* backfill_transform_entry(void) { return hostile_descriptor; }
}
