// cli/man_page.h
//
// The command tree as a man page. Pure.

#pragma once

#include <CLI/App.hpp>

#include <string>

namespace backfill {

// backfill(1), in man's own language; `date` is the day it is of, such as 2026-11-22.
std::string man_page(const CLI::App& tree, const std::string& version, const std::string& date);

}  // namespace backfill
