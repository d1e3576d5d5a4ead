// A plugin of a contract that this backfill does not know yet.

#include <backfill/transform.h>

extern "C" BACKFILL_EXPORT const backfill_transform* backfill_transform_entry(void) {
  static const backfill_transform transform = {BACKFILL_TRANSFORM_CONTRACT + 1,
                                               sizeof(backfill_transform),
                                               "speaks_newer_contract",
                                               "1",
                                               nullptr,
                                               nullptr,
                                               nullptr};
  return &transform;
}
