// scenario/job_on_disk.h
//
// A job file in a folder of its own, and the real program run on it. One thread.

#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "support/program.h"
#include "support/temp_folder.h"

namespace backfill {

// The path of a plugin that the build made: one of jobs/ or of tests/scenario/plugins/.
std::string plugin_path(const std::string& name);

class JobOnDisk {
 public:
  using Words = std::vector<std::string>;

  // Dotted keys and their values as TOML: `{"source.url", toml_string(url)}`. Batches of 20 rows
  // unless said otherwise, so that a small table makes many.
  explicit JobOnDisk(const std::map<std::string, std::string>& keys);

  // `backfill COMMAND JOB WORDS…`
  ProgramEnd call(const std::string& command, const Words& words = {},
                  const Program::Environment& environment = {}) const;
  // `backfill run JOB WORDS…` with faults injected.
  ProgramEnd run(const Words& words = {}, const std::string& failpoints = "") const;
  // The same, not waited for.
  Program start(const Words& words = {}, const std::string& failpoints = "") const;

  // `status --json`; fails the test when that is no JSON.
  nlohmann::json status(const Words& words = {}) const;
  std::string state() const;

  const TempFolder& folder() const { return folder_; }
  std::string file() const { return (folder_ / "job.toml").string(); }
  std::string checkpoint() const { return (folder_ / "job.checkpoint.db").string(); }
  void change(const std::map<std::string, std::string>& keys);

 private:
  Words command_line(const std::string& command, const Words& words) const;
  void write() const;

  TempFolder folder_;
  std::map<std::string, std::string> keys_;
};

// A TOML string.
std::string toml_string(const std::string& text);

}  // namespace backfill
