// tests/support/batch_builder.h
//
// The table of most tests, with an int64 key `id`, a text `value` and a row version, as
// columns, layouts, tuples and keys.

#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "core/batch.h"
#include "core/chunk.h"
#include "core/key.h"
#include "core/layout.h"

namespace backfill {

Column int64_column(const std::string& name);
Column text_column(const std::string& name);

// The bytes of an int64 cell, and back.
std::string int64_bytes(std::int64_t value);
std::int64_t int64_of(std::string_view bytes);

// Tuples of (id, value).
Batch make_batch(const std::vector<std::pair<std::int64_t, std::string>>& rows);

Key key_of(std::int64_t id);
std::int64_t id_of(const Key& key);

// (after, upto], with `keys` keys in it; after 0 is the start of the table.
Chunk make_chunk(std::int64_t after, std::int64_t upto, std::int64_t keys);

// Copies id and value as they come.
Layout copy_layout();
// Copies id; value is what a transform makes of it.
Layout transform_layout();
// As transform_layout, and the row's version must not have changed since the read.
Layout guarded_layout();

}  // namespace backfill
