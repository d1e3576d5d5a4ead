// cli/options.h
//
// What the command line and the environment say, before any job file is read.

#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "core/log.h"
#include "engine/start.h"
#include "job/job.h"
#include "observe/log.h"
#include "observe/progress_display.h"
#include "observe/run_metrics.h"

namespace backfill {

struct VerifyFlags {
  std::optional<double> sample;  // part of the chunks, above 0 and below 1; none: all
  std::string list_file;         // empty: none
  std::chrono::milliseconds settle{5'000};
  std::optional<std::chrono::milliseconds> every;  // passes begin so often; none: one pass
  bool delete_extra = false;
  std::int64_t repairs_max = 100'000;
};

struct Options {
  std::string command;  // `run`, `plan`, `status`, `verify`, `reconcile`, …
  std::filesystem::path job_file;
  std::vector<Override> overrides;  // environment first, then flags
  LogLevel log_level = LogLevel::info;
  LogFormat log_format = LogFormat::text;

  // run
  StartFlags start;
  bool dry_run = false;
  std::chrono::milliseconds grace{20'000};
  ProgressStyle progress = ProgressStyle::automatic;
  MetricsOptions metrics;

  // set
  std::vector<Override> changes;
  std::vector<std::string> unset;

  // status
  bool json = false;
  bool watch = false;
  bool dead_letters = false;

  // report
  std::string output;  // a file, `-` for stdout; empty: one with the job's name

  // verify and reconcile
  VerifyFlags verify;
};

// Either what to do, or, when help or the version was asked for, the text that was printed.
// Throws Error(ExitCode::usage).
struct ParsedCommandLine {
  bool is_answered = false;  // --help or --version: printed, nothing else to do
  Options options;
};
ParsedCommandLine parse_command_line(int argc, const char* const* argv);

// Takes passwords out of the process's own words, which everybody on this machine may read. Once
// they were parsed.
void hide_passwords(int argc, char** argv);

}  // namespace backfill
