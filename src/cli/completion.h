// cli/completion.h
//
// The command tree as scripts that complete words in a shell. Pure.

#pragma once

#include <CLI/App.hpp>

#include <string>

namespace backfill {

std::string bash_completion(const CLI::App& tree);
std::string zsh_completion(const CLI::App& tree);

}  // namespace backfill
