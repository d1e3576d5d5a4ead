// core/value_literal.h
//
// Values of a database whose columns take any type (SQLite) as SQL literals, the way its quote()
// prints them: `8123`, `1.5`, `'it''s'`, `X'00ff'`. Keys are kept in this form, so that 1 and '1'
// stay apart. Differs from quote() in two places: reals are the shortest text that reads back to
// the same bits, and a text that quote() would cut at a zero byte, or that is not UTF-8, is
// `CAST(X'610062' AS TEXT)`. Always valid UTF-8. Pure functions.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace backfill {

std::string integer_literal(std::int64_t value);
// SQL has no word for infinity; `9e999` overflows to it.
std::string real_literal(double value);
std::string text_literal(std::string_view text);
std::string blob_literal(std::string_view bytes);

}  // namespace backfill
