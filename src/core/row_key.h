// core/row_key.h
//
// The key of a row in a batch, in the form in which its database gives keys.

#pragma once

#include <string_view>
#include <vector>

#include "core/column.h"
#include "core/key.h"

namespace backfill {

// `key` are positions in `columns`. Exact for every kind that can be read; for a key column of
// kind `other` it is the bytes in hex, good for people only.
Key row_key(const Columns& columns, const std::vector<int>& key, std::string_view tuple);

}  // namespace backfill
