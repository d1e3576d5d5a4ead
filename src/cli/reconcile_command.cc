#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "assemble_verify.h"
#include "cli/commands.h"
#include "cli/live_control.h"
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

std::string summary_of(const Job& job, const ReconcileReport& report) {
  const Differences& left = report.left;
  return fmt::format(
      "{}: {} rows written, {} deleted, {} refused by the target; left: {} missing, {} extra, {} "
      "different, {} unsettled{}{}",
      job.name, report.written, report.deleted, report.refused, left.missing, left.extra,
      left.different, left.unsettled, report.ended.empty() ? "" : "; not finished: ", report.ended);
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
                       {"chunks_compared_again", report.compared_again},
                       {"ended", report.ended.empty() ? Json() : Json(report.ended)},
                       {"left",
                        {{"missing", left.missing},
                         {"extra", left.extra},
                         {"different", left.different},
                         {"unsettled", left.unsettled}}}};
    fmt::print("{}\n", json.dump(2));
    return;
  }
  if (!options.dry_run)
    fmt::print(
        "{}: {} rows written, {} deleted, {} refused by the target; {} chunks compared again\n",
        job.name, report.written, report.deleted, report.refused, report.compared_again);
  fmt::print("{}: differences left: {} missing, {} extra, {} different, {} unsettled\n", job.name,
             left.missing, left.extra, left.different, left.unsettled);
  if (report.kept > 0)
    fmt::print("{}: {} extra rows are left alone; --delete-extra deletes them\n", job.name,
               report.kept);
  if (!report.ended.empty())
    fmt::print("{}: not finished: {}; run it again to go on\n", job.name, report.ended);
  if (report.reached_limit)
    fmt::print("{}: stopped at {} repairs; --max-repairs N allows more\n", job.name,
               options.verify.repairs_max);
}

// What holds from now on, of the job as it was set last.
ReconcileChange reconcile_change(const Job& job, const std::optional<Standstill>& pause) {
  const RunOptions run = make_run_options(job);
  ReconcileChange change{run.throttle, run.schedule, run.runtime_max, std::nullopt};
  change.throttle.standstill = pause;
  return change;
}

ReconcileOptions reconcile_options(const Options& options, const Job& job,
                                   const std::optional<Standstill>& pause) {
  const ReconcileChange settings = reconcile_change(job, pause);
  ReconcileOptions made;
  made.dry_run = options.dry_run;
  made.delete_extra = options.verify.delete_extra;
  made.repairs_max = options.verify.repairs_max;
  made.throttle = settings.throttle;
  made.schedule = settings.schedule;
  made.runtime_max = settings.runtime_max;
  made.backoff = make_run_options(job).backoff;
  made.recheck.settle = options.verify.settle;
  return made;
}

void tell_repair(const Options& options, const VerifyTerms& terms, const Finding& finding) {
  if (!options.dry_run) return;
  const char* what = finding.kind == FindingKind::extra ? "delete" : "write";
  const std::string line = finding_line(finding, terms.target_key_names, terms.target_form);
  fmt::print(options.json ? stderr : stdout, "{:<6} {}\n", what, line);
}

}  // namespace

ExitCode reconcile_command(const Options& options, std::string& summary) {
  const Job loaded = load_job(options.job_file, options.overrides);
  StderrLog log(options.log_format, options.log_level, loaded.name);
  SystemClock clock;
  StopOnSignal signal(log);

  if (!std::filesystem::exists(loaded.checkpoint))
    throw Error(ExitCode::usage, "reconcile " + loaded.name + ": there is no checkpoint at " +
                                     loaded.checkpoint.string() + "; run backfill verify first");
  const std::vector<Control> controls = CheckpointStore::open(loaded.checkpoint).controls();
  const Job job = controlled_job(loaded, options.overrides, controls);
  // Neither a verify nor, as it writes to the target, a run may be at work.
  SqliteRunnerLock verify_lock(job.checkpoint.string(), verify_lock_name(job.name));
  verify_lock.acquire();
  SqliteRunnerLock checkpoint_lock(job.checkpoint.string(), job.name);
  checkpoint_lock.acquire();
  VerifyStore store(job.checkpoint);

  const ReconcileOptions repairs = reconcile_options(options, job, pause_of(controls));
  BackoffOptions backoff = repairs.backoff;
  backoff.retries = std::min(backoff.retries, kStartRetriesMax);
  Assembly assembly =
      assemble_with_retries(job, backoff, clock, log, signal.token(), Purpose::compare);
  const std::unique_ptr<RunnerLock> lock = assembly.target->make_runner_lock();
  if (!options.dry_run) lock->acquire();
  const ReconcileParts parts = make_reconcile_parts(assembly, *lock);
  require_pass(store, assembly, parts.compare.terms);
  if (!parts.locks && !assembly.layout.in_place)
    log.write(LogLevel::warning, "the source's rows cannot be locked while they are repaired",
              {{"reason", assembly.source->why_not_locked()}});

  LiveControl control(job, options.overrides, controls, log);
  const auto look_for_change = [&]() -> std::optional<ReconcileChange> {
    const auto settings = control.look(signal.take_hangup());
    if (!settings) return std::nullopt;
    ReconcileChange change = reconcile_change(settings->job, settings->pause);
    if (settings->watches_others) {
      assembly.job.throttle = settings->job.throttle;
      change.watched = parts.watched();
    }
    return change;
  };
  const auto tell = [&](const Finding& finding) { tell_repair(options, parts.terms, finding); };
  Reconcile reconcile(parts, repairs, store, clock, log, {tell, look_for_change});
  try {
    const ReconcileReport report = reconcile.execute(signal.token());
    summary = summary_of(job, report);
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
