// A library that is no plugin.

extern "C" __attribute__((visibility("default"))) int backfill_other_entry() { return 1; }
