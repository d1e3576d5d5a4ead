// core/quantity_text.h
//
// Quantities as people read them. Pure; any number will do, also one from a file that somebody
// edited.

#pragma once

#include <cstdint>
#include <string>

namespace backfill {

// `82,300`
std::string count_text(std::int64_t count);

// Without its fraction, and as large as a count may be.
std::int64_t whole_count(double number);

// `250 ms`, `4.2 s`, `1m10s`, `2h05m`
std::string duration_text(double seconds);

}  // namespace backfill
