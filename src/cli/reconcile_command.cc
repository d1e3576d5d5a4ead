#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "assemble_verify.h"
#include "cli/commands.h"
#include "cli/stop_on_signal.h"
#include "cli/verify_report.h"
#include "observe/log.h"
#include "sqlite/runner_lock.h"

namespace backfill {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kStartRetriesMax = 5;

void require_pass(VerifyStore& store, const Assembly& assembly, const VerifyTerms& terms) {
  const auto pass = store.load();
  const std::string& job = assembly.job.name;
  if (!pass)
    throw Error(ExitCode::usage, "reconcile " + job +
                                     ": nothing was verified yet; run "
                                     "backfill verify first");
  if (pass->fingerprint != verify_fingerprint(assembly, terms))
    throw Error(ExitCode::usage, "reconcile " + job +
                                     ": the job has changed since it was verified; "
                                     "run backfill verify again");
}

void show(const Options& options, const Job& job, const ReconcileReport& report) {
  const Differences& left = report.left;
  if (options.json) {
    const Json json = {{"job", job.name},
                       {"dry_run", options.dry_run},
                       {"written", report.written},
                       {"deleted", report.deleted},
                       {"refused", report.refused},
                       {"kept_extra", report.kept},
                       {"reached_limit", report.reached_limit},
                       {"left",
                        {{"missing", left.missing},
                         {"extra", left.extra},
                         {"different", left.different},
                         {"unsettled", left.unsettled}}}};
    fmt::print("{}\n", json.dump(2));
    return;
  }
  if (!options.dry_run)
    fmt::print("{}: {} rows written, {} deleted, {} refused by the target\n", job.name,
               report.written, report.deleted, report.refused);
  fmt::print("{}: differences left: {} missing, {} extra, {} different, {} unsettled\n", job.name,
             left.missing, left.extra, left.different, left.unsettled);
  if (report.kept > 0)
    fmt::print("{}: {} extra rows are left alone; --delete-extra deletes them\n", job.name,
               report.kept);
  if (report.reached_limit)
    fmt::print("{}: stopped at {} repairs; --max-repairs N allows more\n", job.name,
               options.verify.repairs_max);
}

}  // namespace

ExitCode reconcile_command(const Options& options) {
  const Job job = load_job(options.job_file, options.overrides);
  StderrLog log(options.log_format, options.log_level, job.name);
  SystemClock clock;
  StopOnSignal signal(log);

  if (!std::filesystem::exists(job.checkpoint))
    throw Error(ExitCode::usage, "reconcile " + job.name + ": there is no checkpoint at " +
                                     job.checkpoint.string() + "; run backfill verify first");
  CheckpointStore::open(job.checkpoint);
  // Neither a verify nor, as it writes to the target, a run may be at work.
  SqliteRunnerLock verify_lock(job.checkpoint.string(), verify_lock_name(job.name));
  verify_lock.acquire();
  SqliteRunnerLock checkpoint_lock(job.checkpoint.string(), job.name);
  checkpoint_lock.acquire();
  VerifyStore store(job.checkpoint);

  RunOptions run = make_run_options(job);
  BackoffOptions backoff = run.backoff;
  backoff.retries = std::min(backoff.retries, kStartRetriesMax);
  Assembly assembly =
      assemble_with_retries(job, backoff, clock, log, signal.token(), Purpose::compare);
  const std::unique_ptr<RunnerLock> lock = assembly.target->make_runner_lock();
  if (!options.dry_run) lock->acquire();
  const ReconcileParts parts = make_reconcile_parts(assembly, *lock);
  require_pass(store, assembly, make_pass_parts(assembly).terms);
  if (!parts.locks && !assembly.layout.in_place)
    log.write(LogLevel::warning, "the source's rows cannot be locked while they are repaired",
              {{"reason", assembly.source->why_not_locked()}});

  ReconcileOptions repairs;
  repairs.dry_run = options.dry_run;
  repairs.delete_extra = options.verify.delete_extra;
  repairs.repairs_max = options.verify.repairs_max;
  repairs.throttle = run.throttle;
  repairs.backoff = run.backoff;
  repairs.recheck.settle = options.verify.settle;
  const auto tell = [&](const Finding& finding) {
    if (!options.dry_run) return;
    const char* what = finding.kind == FindingKind::extra ? "delete" : "write";
    const std::string line =
        finding_line(finding, parts.terms.target_key_names, parts.terms.target_form);
    fmt::print(options.json ? stderr : stdout, "{:<6} {}\n", what, line);
  };
  Reconcile reconcile(parts, repairs, store, clock, log, tell);
  try {
    const ReconcileReport report = reconcile.execute(signal.token());
    show(options, job, report);
    const Differences& left = report.left;
    return left.standing() + left.unsettled + left.waiting > 0 ? ExitCode::differences
                                                               : ExitCode::done;
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::cancelled || !signal.token().stop_requested()) throw;
    throw Error(ExitCode::stopped,
                "reconcile " + job.name + ": stopped with work left; run it again to go on");
  }
}

}  // namespace backfill
