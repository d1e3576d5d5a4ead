// postgres/fence.h
//
// Keeps a runner that lost its lease from writing, also one that does not know it yet: stopped
// for an hour, or with the lease's session cut off while its workers' sessions go on.
//
// Three advisory locks of the target's database do it, without a table or a privilege:
// - the job's runner lock, which one session holds: that of the lease;
// - the lease's flag, a number of its own, held by the same session and so gone with it;
// - the job's batch lock, held, shared, by each transaction that writes, until its end.
// Such a transaction takes the batch lock first and then fails if the flag is down. Who comes
// after takes the runner lock, waits until no flag of another is up, then until nobody has the
// batch lock: transactions that saw the flag are over then, and all others will find it down.
//
// Pure: SQL as text, to be handed over by anybody.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace backfill {

// A lease's number; no other has it.
std::int32_t new_lease();

// What stands between the parentheses of pg_advisory_lock().
std::string runner_lock_key(const std::string& job);
std::string batch_lock_key(const std::string& job);
std::string flag_key(const std::string& job, std::int32_t lease);

// SQL, a condition on a row `l` of pg_locks: somebody holds the lock of this key, the flag of this
// lease, any flag of the job.
std::string is_lock(const std::string& key);
std::string is_flag(const std::string& job, std::int32_t lease);
std::string is_any_flag(const std::string& job);

// SQL that ends with a semicolon, for the beginning of a transaction that writes. Its failure is
// Error(retry). No lease: nothing is looked at, but successors wait for the transaction still.
std::string fence_sql(const std::string& job, std::optional<std::int32_t> lease);

// Whether an error is that of the fence; its words are as strange as this name.
bool is_fence_failure(std::string_view sqlstate, std::string_view message);

}  // namespace backfill
