// assemble.h
//
// Makes the parts that a Job asks for. The only file that knows every concrete class.

#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/database.h"
#include "core/layout.h"
#include "engine/run.h"
#include "job/job.h"
#include "plugin/plugin_transform.h"
#include "throttle/load_watch.h"

namespace backfill {

// What both ends and the plugin say of a job before anything is read or written.
struct Assembly {
  Job job;
  std::unique_ptr<Database> source;
  std::unique_ptr<Database> target;
  TableFacts source_table;
  TableFacts target_table;
  std::shared_ptr<const Plugin> plugin;  // none: no plugin
  PluginOffer offer;
  Layout layout;
  ReadSpec read;
  WriteSpec write;
  Consistency consistency = Consistency::none;  // as it can be had, for a copy
  std::string why_not_validated;                // though the job asks for it; empty: it is
  std::string ledger_reason;  // why doing a batch twice would do harm; empty: it would not
  Fingerprint fingerprint;
};

// What the parts are for: a role that only compares needs no right to write.
enum class Purpose { write, compare };

// Looks at the tables and binds the plugin; changes nothing. Throws Error when the run would be
// refused: unreachable ends, missing tables, keys, privileges, a plugin that does not fit.
Assembly assemble(const Job& job, Purpose purpose = Purpose::write);

// As assemble(), but waits out a database that is not there yet.
Assembly assemble_with_retries(const Job& job, const BackoffOptions& backoff, Clock& clock,
                               Log& log, std::stop_token stop, Purpose purpose = Purpose::write);

// `assembly` must outlive the parts.
RunParts make_run_parts(const Assembly& assembly, const std::string& run_id);
std::unique_ptr<Source> make_source(const Assembly& assembly);
std::unique_ptr<Transform> make_transform(const Assembly& assembly);
// For another layout than the run's, of the same columns.
std::unique_ptr<Transform> make_transform(const Assembly& assembly, const Layout& layout);
// Asks throttle.query, where there is one, whether it can be asked. Throws Error: of kind retry
// when the source is out of reach. A stop ends it.
void try_query(const Assembly& assembly, const std::stop_token& stop = {});
// What is to be watched while the job works: who is there besides us, and how they fare.
LoadWatch::Parts make_watched(const Assembly& assembly, Purpose purpose);
// A line for each thing that is watched of the others, and for what is not, for `plan`.
std::vector<std::string> describe_watch(const Assembly& assembly);
RunOptions make_run_options(const Job& job);
ThrottleLimits make_throttle_limits(const Job& job);

}  // namespace backfill
