// assemble_verify.h
//
// What `verify` and `reconcile` are made of, from the same parts as a run.

#pragma once

#include "assemble.h"
#include "verify/pass.h"
#include "verify/reconcile.h"

namespace backfill {

// Throws Error(ExitCode::unsafe) when the job cannot be verified: its transform reads what it
// writes, so that what was there before is gone, or a key cannot be looked up on both sides; or
// when a privilege is missing. `assembly` must outlive what is made.
PassParts make_pass_parts(const Assembly& assembly);
PassOptions make_pass_options(const Job& job);

ReconcileParts make_reconcile_parts(Assembly& assembly, RunnerLock& lock);

// What decides which rows are compared with which; a pass that goes on must have the same.
Fingerprint verify_fingerprint(const Assembly& assembly, const VerifyTerms& terms);

}  // namespace backfill
