// cli/verify_report.h
//
// What `verify` and `reconcile` found, for people, as JSON, and as a list of rows.

#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "verify/pass.h"
#include "verify/verify_store.h"

namespace backfill {

// What a finished or stopped pass comes to.
struct VerifyReport {
  std::string job;
  std::string source;  // the tables' names
  std::string target;
  SavedPass pass;
  Differences differences;
  std::vector<Suspect> first;      // differences, the first of them
  std::vector<Finding> transient;  // that were none in the end, likewise
  std::size_t columns = 0;         // that are compared, key aside
  std::optional<std::optional<Key>> first_unclean;
  std::vector<std::string> key_names;  // the target's
  KeyForm key_form = KeyForm::postgres;

  bool is_clean() const;  // and complete
  // Every source row up to here is in the target as it should be; none: not known of any.
  std::optional<Key> verified_through() const;
  // The share of rows that may differ although none that was looked at does, at 95 %.
  std::optional<double> sample_bound() const;
};

// `users: equal, 1000 rows compared, verified through 1000`: one line, for last words. Of a failed
// pass it leaves the reason to the failure.
std::string report_summary(const VerifyReport& report);
std::string report_text(const VerifyReport& report);
nlohmann::ordered_json report_json(const VerifyReport& report);

// `missing    "id" = '17'`, with the columns that differ.
std::string finding_line(const Finding& finding, const std::vector<std::string>& key_names,
                         KeyForm form);

// Every difference as a line of JSON. Throws Error(ExitCode::usage) when the file cannot be
// written.
void write_list(VerifyStore& store, const std::filesystem::path& path);

}  // namespace backfill
