// scenario/verify_job.h
//
// A finished copy of a table of people, and what `verify` and `reconcile` say of it. One thread.

#pragma once

#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "job_on_disk.h"
#include "people.h"
#include "playground.h"

namespace backfill {

// Source and target of a copy.
struct Ends {
  Engine source;
  Engine target;
};

std::string ends_name(const Ends& ends);
std::vector<Ends> all_ends();

class VerifyJob {
 public:
  using Keys = std::map<std::string, std::string>;
  // `kind key[,column…]` of each difference, from the list that `--list` writes.
  using Findings = std::set<std::string>;

  // Makes `people` in the source and an empty table like it in the target; nothing is copied yet.
  VerifyJob(const Ends& ends, int people, const Keys& keys = {});

  Playground& source() { return *source_; }
  Playground& target() { return *target_; }
  const JobOnDisk& job() const { return *job_; }

  // Copies all rows; fails the test when that does not end with 0.
  void copy();

  // Nothing is written meanwhile, so nothing needs to be waited for.
  ProgramEnd verify(const std::vector<std::string>& words = {}, const std::string& failpoints = "");
  ProgramEnd reconcile(const std::vector<std::string>& words = {},
                       const std::string& failpoints = "");
  // As verify, with the list; fails the test when the exit code does not fit it.
  Findings find(const std::vector<std::string>& words = {});
  // What the last verify listed.
  Findings listed() const;

 private:
  std::string list_file() const { return (job_->folder() / "differences.jsonl").string(); }

  std::unique_ptr<Playground> source_;
  std::unique_ptr<Playground> target_;
  std::unique_ptr<JobOnDisk> job_;
};

// What `--list` wrote; fails the test when it is no such list, or has one twice.
VerifyJob::Findings read_findings(const std::string& list_file);

// What `--json` printed; fails the test when it is none.
nlohmann::json json_of(const ProgramEnd& end);

}  // namespace backfill
