// support/failpoint.h
//
// Named places where a test injects a fault into the very program that ships. Off unless
// BACKFILL_FAILPOINTS names them: `target.after_commit=crash@3,chunk.after_read=delay(50ms)`.
//
//   crash        kill -9 of this process
//   error        throws Error(retry)
//   error(CODE)  throws the Error that the database would with this SQLSTATE-like code:
//                22*, 23* reject; 57014 too_large; 08*, 40*, 53*, 55P03, 57P* retry; else stop
//   delay(TIME)  waits: `50ms`, `2s`
//   wait(FILE)   makes FILE.reached, then waits until FILE is there
//   skip         leaves out a mechanism, so that a test can show what it is for; see
//                mechanism_names()
//   @N           only the Nth time the place is reached; without it, every time
//
// One relaxed load where nothing is switched on. Safe from any thread.

#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace backfill {

// Every name there is in any run, in the order of a chunk's life.
const std::vector<std::string_view>& failpoint_names();
// Likewise at the end of a run with a ledger.
const std::vector<std::string_view>& ledger_failpoint_names();
// Likewise in `verify` and `reconcile`.
const std::vector<std::string_view>& verify_failpoint_names();

// Switches on what `specification` says, or nothing when it is empty. Throws
// Error(ExitCode::usage) when it does not parse or names no failpoint.
void set_failpoints(const std::string& specification);

// A place. `name` must be one of these.
void failpoint(std::string_view name);

// Mechanisms that keep a promise of the program, and can be left out.
//   commit.first   the target commits before the checkpoint is written
//   commit.flush   what the target commits outlives a crash of it before the checkpoint is written
//   resume.level   batches that a crash left in doubt are levelled
//   verify.column  verify compares the last column that is written
//   verify.recheck  verify looks again at what differs before it counts
const std::vector<std::string_view>& mechanism_names();
bool is_skipped(std::string_view name);

}  // namespace backfill
