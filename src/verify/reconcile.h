// verify/reconcile.h
//
// Repairs the rows that a pass of `verify` found to differ. Never writes what was seen then: the
// source rows are locked, read again, and written to the target in one transaction; a row that only
// the target has is locked there first, and goes when the source, looked at after that, has not got
// it. Then the same rows are looked at again, as suspects, until they are equal or it is known that
// they are not.
//
// One thread; only cancel() may be called from another.

#pragma once

#include <functional>
#include <memory>
#include <stop_token>
#include <vector>

#include "core/target.h"
#include "throttle/load_watch.h"
#include "throttle/throttle.h"
#include "verify/recheck.h"
#include "verify/verify_store.h"

namespace backfill {

struct ReconcileOptions {
  bool dry_run = false;
  bool delete_extra = false;
  std::int64_t repairs_max = 100'000;
  int rounds_max = 3;  // of repairs, each followed by a look
  ThrottleLimits throttle;
  BackoffOptions backoff;
  RecheckOptions recheck;
};

struct ReconcileParts {
  VerifyTerms recheck_terms;  // for looking at the rows again
  Sides::Makers recheck_makers;
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
  std::int64_t refused = 0;    // by the target
  std::int64_t kept = 0;       // extra rows that may not be deleted
  bool reached_limit = false;  // of repairs
  Differences left;
};

// What is done to a row, told before it is.
using OnRepair = std::function<void(const Finding&)>;

class Reconcile {
 public:
  Reconcile(const ReconcileParts& parts, const ReconcileOptions& options, VerifyStore& store,
            Clock& clock, Log& log, OnRepair on_repair);

  // Throws Error(cancelled) when a stop came; what was repaired until then is, and is known to be.
  ReconcileReport execute(const std::stop_token& stop);

  void cancel() noexcept;

 private:
  void show_all();
  bool repair_all(const std::stop_token& stop);
  void repair(const std::vector<Suspect>& suspects, const std::stop_token& stop);
  void write(const std::vector<Suspect>& suspects, const std::stop_token& stop);
  void write_once(const std::vector<Key>& keys);
  void remove(const std::vector<Suspect>& suspects, const std::stop_token& stop);
  std::int64_t remove_once(const std::vector<Suspect>& suspects);
  void look_until_settled(const std::stop_token& stop);
  void confirm_lock();

  const ReconcileParts& parts_;
  const ReconcileOptions options_;
  VerifyStore& store_;
  Clock& clock_;
  Log& log_;
  const OnRepair on_repair_;
  Throttle throttle_;
  Sides sides_;
  std::unique_ptr<Target> target_;
  const BackoffOptions backoff_;
  const Patience patience_;
  Recheck recheck_;
  ReconcileReport report_;
  std::int64_t repairs_ = 0;
  Expected expected_;
};

}  // namespace backfill
