// job/nearest_name.h
//
// The name that somebody probably meant. Pure.

#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace backfill {

// The one of the dotted names that a slip of the finger, or the wrong table, made into `name`;
// empty when none is that near. Of equally near ones, the first.
std::string nearest_name(std::string_view name, const std::vector<std::string_view>& names);

}  // namespace backfill
