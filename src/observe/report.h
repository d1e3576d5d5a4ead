// observe/report.h
//
// A run as one HTML page that needs nothing else: facts, charts, what held it up, dead letters and
// the last verify. For a person who was not there.
//
// Pure.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "checkpoint/saved_run.h"
#include "observe/timeline.h"

namespace backfill {

// What the last pass of `verify` came to.
struct VerifyFacts {
  std::string state;  // as `verify --json` has it
  std::string reason;
  std::string updated_at;
  double elapsed_s = 0;
  std::optional<double> sample;  // part of the chunks that was looked at; none: all
  std::int64_t compared = 0;
  std::int64_t missing = 0;
  std::int64_t extra = 0;
  std::int64_t different = 0;
  std::int64_t unsettled = 0;
  std::int64_t waiting = 0;
  std::int64_t transient = 0;

  struct Difference {
    std::string kind;
    std::string key;
    std::vector<std::string> columns;
  };
  std::vector<Difference> first;  // some of those that stand
};

struct Report {
  std::string job;
  SavedRun run;  // as people are to see it
  FingerprintFields fingerprint;
  std::vector<Control> controls;
  std::int64_t dead_letter_count = 0;
  std::vector<DeadLetter> dead_letters;  // some of them
  std::optional<VerifyFacts> verify;
  Timeline timeline;
  std::string made_at;  // UTC, ISO 8601
  // Nobody can guess it: the browser runs what bears it, the page's own script, and nothing else.
  std::string nonce;
};

std::string report_page(const Report& report);

}  // namespace backfill
