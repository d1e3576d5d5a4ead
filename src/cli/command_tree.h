// cli/command_tree.h
//
// Every command and option with its words, in one tree: what is parsed, what --help prints, and
// what the man page and the completions of shells are made from.

#pragma once

#include <CLI/App.hpp>

#include <memory>
#include <string_view>
#include <vector>

namespace backfill {

// An option's text behind its name says what it takes: `FILE`, `JOB.toml`, `KEY=VALUE` (a job key),
// a choice such as `text|json`, or another word in capitals. None: a flag.
std::shared_ptr<CLI::App> command_tree();

struct ExitMeaning {
  int code = 0;
  std::string_view meaning;
};
const std::vector<ExitMeaning>& exit_meanings();

}  // namespace backfill
