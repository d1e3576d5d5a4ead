/* backfill/transform.h
 *
 * The contract between backfill and a transform plugin, in C. Authors in C++ include
 * transform.hpp instead, which wraps all of this.
 *
 * A plugin is a shared library that exports one function, backfill_transform_entry. The
 * engine opens one instance per worker and hands it one batch at a time, so an instance
 * never meets two threads and needs no locks; several instances run at once.
 *
 * An instance must answer the same rows with the same output whenever it is asked: after a
 * crash, batches that were in flight are done again.
 *
 * Pointers given to a plugin are valid until the call returns. A plugin keeps none of them
 * and frees none of them. No exception may leave a plugin.
 *
 * Structs only ever grow at their end; struct_size tells each side what the other knows.
 * BACKFILL_TRANSFORM_CONTRACT changes only when an old plugin could not run any more.
 */
#ifndef BACKFILL_TRANSFORM_H
#define BACKFILL_TRANSFORM_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define BACKFILL_TRANSFORM_CONTRACT 1u

/* The form of a value's bytes: PostgreSQL's binary send/receive form, integers big-endian. */
enum backfill_type {
  BACKFILL_OTHER = 0,   /* bytes of a type this contract does not read */
  BACKFILL_BOOLEAN = 1, /* 1 byte, 0 or 1 */
  BACKFILL_INT16 = 2,
  BACKFILL_INT32 = 3,
  BACKFILL_INT64 = 4,
  BACKFILL_FLOAT32 = 5, /* IEEE 754, big-endian */
  BACKFILL_FLOAT64 = 6,
  BACKFILL_TEXT = 7, /* UTF-8, no closing zero; also char(n), enums, citext */
  BACKFILL_BYTES = 8,
  BACKFILL_DATE = 9,         /* int32 days since 2000-01-01 */
  BACKFILL_TIMESTAMP = 10,   /* int64 microseconds since 2000-01-01 00:00, no zone */
  BACKFILL_TIMESTAMPTZ = 11, /* int64 microseconds since 2000-01-01 00:00 UTC */
  BACKFILL_UUID = 12,        /* 16 bytes */
  BACKFILL_JSON = 13,        /* UTF-8 */
  BACKFILL_JSONB = 14,       /* one byte 1, then UTF-8 */
  BACKFILL_NUMERIC = 15 /* int16 ndigits, weight, sign, dscale, then ndigits base-10000 digits */
};

enum backfill_verdict {
  BACKFILL_WRITE = 0, /* write the output row */
  BACKFILL_SKIP = 1,  /* leave the row out, on purpose */
  BACKFILL_REJECT = 2 /* the row is bad: keep it in the dead letters with the reason */
};

/* A value. length is -1 for NULL. Of an input, type is that of this very value: a SQLite
 * column can hold values of several types. Of an output, type is ignored: it is what the
 * plugin said when it asked for the output. */
typedef struct backfill_cell {
  const void* bytes;
  int32_t length;
  uint32_t type; /* enum backfill_type */
} backfill_cell;

typedef struct backfill_column {
  const char* name;
  const char* type_name; /* the database's own, such as "numeric(12,2)" */
  uint32_t type;         /* enum backfill_type */
  uint32_t is_dynamic;   /* 1: values may be of another type than `type` (SQLite) */
} backfill_column;

typedef struct backfill_option {
  const char* name;  /* dotted below [transform.options] */
  const char* value; /* text as it is, all else as TOML spells it */
} backfill_option;

typedef struct backfill_error {
  char message[512]; /* UTF-8 with a closing zero; the engine owns it */
} backfill_error;

/* What an instance is opened with. The plugin chooses the columns that it wants to read and
 * the columns that it will fill; only these reach it later, in the order of these calls. */
typedef struct backfill_binding {
  uint32_t struct_size;
  const char* job;
  const backfill_column* source;
  uint32_t source_count; /* what is read, by name */
  const backfill_column* target;
  uint32_t target_count; /* what can be written, by name */
  const backfill_option* options;
  uint32_t option_count;
  /* The next input will be source column `index`. */
  void (*want_input)(struct backfill_binding* binding, uint32_t index);
  /* The next output fills target column `index` with values of `type`. */
  void (*want_output)(struct backfill_binding* binding, uint32_t index, uint32_t type);
  void* engine; /* the engine's own */
} backfill_binding;

/* Row r answers row r: cells of row r start at inputs[r * input_count] and
 * outputs[r * output_count]. Outputs are all NULL at first, verdicts all BACKFILL_WRITE,
 * reasons all NULL. An output may point into an input's bytes. */
typedef struct backfill_batch {
  uint32_t struct_size;
  uint32_t row_count;
  uint32_t input_count;
  uint32_t output_count;
  const backfill_cell* inputs;
  backfill_cell* outputs;
  uint8_t* verdicts;    /* enum backfill_verdict */
  const char** reasons; /* why a row is rejected */
  /* Memory that lives as long as the batch; NULL when there is none left. */
  void* (*allocate)(struct backfill_batch* batch, size_t size);
  void* engine; /* the engine's own */
} backfill_batch;

typedef struct backfill_transform {
  uint32_t contract;    /* BACKFILL_TRANSFORM_CONTRACT */
  uint32_t struct_size; /* sizeof(backfill_transform) */
  const char* name;
  const char* version; /* another version does not resume an old run */
  /* A new instance, or NULL with a reason in error: an unknown column, a wrong type, a bad option.
   */
  void* (*open)(backfill_binding* binding, backfill_error* error);
  /* 0; anything else stops the run with the reason in error. */
  int (*apply)(void* instance, backfill_batch* batch, backfill_error* error);
  void (*close)(void* instance);
} backfill_transform;

#if defined(__GNUC__)
#define BACKFILL_EXPORT __attribute__((visibility("default")))
#else
#define BACKFILL_EXPORT
#endif

/* The one symbol of a plugin. The struct lives as long as the library. */
BACKFILL_EXPORT const backfill_transform* backfill_transform_entry(void);

#ifdef __cplusplus
}
#endif

#endif
