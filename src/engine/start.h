// engine/start.h
//
// Whether a run starts, goes on from its checkpoint, or is refused: the rules of --resume,
// --restart, --retry-rejected and --force, and the fingerprint that a resume must match.

#pragma once

#include <optional>
#include <string>

#include "checkpoint/checkpoint_store.h"

namespace backfill {

struct StartFlags {
  bool resume = false;
  bool restart = false;
  bool force = false;
  bool retry_rejected = false;
};

enum class StartKind {
  fresh,     // no run was saved, or it is to be forgotten
  resumed,   // goes on from what was saved
  finished,  // the saved run has visited every row; at most rejected ones are to be retried
};

struct StartDecision {
  StartKind kind = StartKind::fresh;
  std::string forgotten;  // what --restart throws away, in words; empty: nothing
  std::string forced;     // what --force overrode, in words; empty: nothing
};

// Throws Error(ExitCode::usage) when the run is refused, saying how far the saved run is and
// which flag does what, or which field differs with both values.
StartDecision decide_start(const std::optional<SavedRun>& saved,
                           const FingerprintFields& saved_fields, const FingerprintFields& fields,
                           const StartFlags& flags);

// `complete, 63,000 rows read, 62,990 written`
std::string describe_run(const SavedRun& run);

}  // namespace backfill
