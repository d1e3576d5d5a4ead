// verify/cell_meaning.h
//
// Whether two cells of different forms hold the same value: an int4 and an int8, 1.0 and 1.00, a
// uuid and its text. Sure of a yes, never of a no: what a database would make of a value on its
// way into a column is asked of the database (Target::compare). Pure.

#pragma once

#include <string>

#include "core/batch.h"
#include "core/column.h"

namespace backfill {

// Whether cells of these columns mean the same whenever their bytes are the same.
bool is_same_form(const Column& a, const Column& b);

bool surely_means_the_same(const Column& a, const Cell& x, const Column& b, const Cell& y);

// A text that two key cells share when they are surely the same key. `with_class`: 1 and '1' are
// two keys, as they may be where columns take any type.
std::string key_meaning(const Column& column, const Cell& cell, bool with_class);

}  // namespace backfill
