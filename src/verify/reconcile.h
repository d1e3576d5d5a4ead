// verify/reconcile.h
//
// Repairs the rows that a pass of `verify` found to differ. Never writes what was seen then: the
// source rows are locked, read again, and written to the target in one transaction; a row that only
// the target has is locked there first, and goes when the source, looked at after that, has not got
// it. Then the same rows are looked at again, as suspects, until they are equal or it is known that
// they are not, and the chunks they lie in are compared as a whole: what is found there is repaired
// in turn. Works in the job's windows, and waits while somebody has asked for a pause.
//
// One thread; only cancel() may be called from another.

#pragma once

#include <functional>
#include <memory>
#include <stop_token>
#include <vector>

#include "core/target.h"
#include "engine/working_hours.h"
#include "throttle/load_watch.h"
#include "throttle/throttle.h"
#include "verify/pass.h"
#include "verify/recheck.h"
#include "verify/verify_store.h"

namespace backfill {

struct ReconcileOptions {
  bool dry_run = false;
  bool delete_extra = false;
  std::int64_t repairs_max = 100'000;
  int rounds_max = 3;  // of repairs, each followed by a look and a comparison
  ThrottleLimits throttle;
  Schedule schedule;
  std::optional<Duration> runtime_max;
  BackoffOptions backoff;
  RecheckOptions recheck;
};

// What may change while it goes on.
struct ReconcileChange {
  ThrottleLimits throttle;
  Schedule schedule;
  std::optional<Duration> runtime_max;
  std::optional<LoadWatch::Parts> watched;  // instead of what is watched so far
};

struct ReconcileParts {
  PassParts compare;  // for looking at the rows again, and at their chunks
  VerifyTerms terms;  // for the repairs, which have their guards
  Sides::Makers makers;
  std::function<std::unique_ptr<Target>()> target;
  bool locks = false;  // the source locks the rows that it reads for a repair
  std::function<LoadWatch::Parts()> watched;
  RunnerLock* lock = nullptr;  // the job's, held
};

struct ReconcileReport {
  std::int64_t written = 0;
  std::int64_t deleted = 0;
  std::int64_t refused = 0;         // by the target
  std::int64_t kept = 0;            // extra rows that may not be deleted
  bool reached_limit = false;       // of repairs
  std::int64_t compared_again = 0;  // chunks
  std::string ended;  // why, as planned, before everything was done; empty: it was not
  Differences left;
};

struct ReconcileWatch {
  // What is done to a row, told before it is.
  std::function<void(const Finding&)> on_repair;
  // Asked again and again: what has to change, if anything has.
  std::function<std::optional<ReconcileChange>()> look_for_change;
};

class Reconcile {
 public:
  Reconcile(const ReconcileParts& parts, const ReconcileOptions& options, VerifyStore& store,
            Clock& clock, Log& log, ReconcileWatch watch);

  // Throws Error(cancelled) when a stop came; what was repaired until then is, and is known to be.
  ReconcileReport execute(const std::stop_token& stop);

  void cancel() noexcept;

 private:
  void show_all();
  void repair_until_clean(const std::stop_token& stop);
  bool may_work(const std::stop_token& stop);
  void take_change();
  std::unique_ptr<LoadWatch> watch(LoadWatch::Parts parts);
  bool repair_all(const std::stop_token& stop);
  void repair(const std::vector<Suspect>& suspects, const std::stop_token& stop);
  void write(const std::vector<Suspect>& suspects, const std::stop_token& stop);
  void write_once(const std::vector<Key>& keys);
  void remove(const std::vector<Suspect>& suspects, const std::stop_token& stop);
  std::int64_t remove_once(const std::vector<Suspect>& suspects);
  bool look_until_settled(const std::stop_token& stop);
  bool compare_repaired(const std::stop_token& stop);
  VerifyStore::Step compare_again(const RepairedRange& range, const std::stop_token& stop);
  void confirm_lock();

  const ReconcileParts& parts_;
  ReconcileOptions options_;
  VerifyStore& store_;
  Clock& clock_;
  Log& log_;
  const ReconcileWatch watch_;
  const TimePoint began_;
  WorkingHours hours_;
  Throttle throttle_;
  Sides sides_;
  std::unique_ptr<Target> target_;
  const BackoffOptions backoff_;
  const Patience patience_;
  Recheck recheck_;
  ChunkVerifier verifier_;
  std::unique_ptr<LoadWatch> load_watch_;  // of execute()
  ReconcileReport report_;
  std::int64_t repairs_ = 0;
  Expected expected_;
};

}  // namespace backfill
