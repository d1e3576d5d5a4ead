// verify/key_form.h
//
// The key of a row as the other side's database spells it: a row is looked up on both sides, by
// whichever of them showed it. Pure.

#pragma once

#include <string_view>
#include <vector>

#include "core/batch.h"
#include "core/column.h"
#include "core/key.h"

namespace backfill {

enum class KeyForm {
  postgres,  // the value's text
  sqlite,    // an SQL literal
};

// Where a tuple holds its key. For a type that cannot be read here the tuple holds the text of
// each key value as well, in a column of its own.
struct KeyPlaces {
  std::vector<int> values;
  std::vector<int> texts;  // for each of them the place of its text; -1: it can be read
};

// `cells` are those of a tuple of these columns.
Key key_in_form(const Columns& columns, const KeyPlaces& places, const std::vector<Cell>& cells,
                KeyForm form);

// `"id" = '17'`, `("a", "b") = ('eu', '17')`: what finds the row when pasted into SQL.
std::string key_condition(const std::vector<std::string>& names, const Key& key, KeyForm form);

}  // namespace backfill
