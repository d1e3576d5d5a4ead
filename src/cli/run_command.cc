#include <fmt/format.h>

#include <csignal>
#include <memory>
#include <random>
#include <utility>

#include "assemble.h"
#include "cli/commands.h"
#include "cli/live_control.h"
#include "cli/stop_on_signal.h"
#include "engine/retried.h"
#include "engine/retry_rejected.h"
#include "observe/log.h"
#include "observe/progress_display.h"
#include "observe/run_metrics.h"
#include "observe/termination_log.h"
#include "sqlite/runner_lock.h"
#include "support/failpoint.h"

namespace backfill {
namespace {

// A database that is not there at the very start is waited for a few seconds; a restart that
// takes longer is the scheduler's to retry.
constexpr int kStartRetriesMax = 5;

// Where a run tells how it fares.
struct Outlets {
  ProgressDisplay& log;
  Metrics& metrics;
  std::string& summary;
};

std::string new_run_id() {
  std::random_device random;
  return fmt::format("{:08x}{:08x}", random(), random());
}

// The source that finds where it ends is left for its planner.
SavedRun new_run(const Assembly& assembly, std::unique_ptr<Source>& source) {
  SavedRun run;
  run.run_id = new_run_id();
  run.started_at = run.updated_at = utc_now();
  run.estimated_total = assembly.source_table.estimated_rows;
  source = make_source(assembly);
  run.end_key = source->last_key();
  return run;
}

// The run as it goes on: the saved one, in the state running.
SavedRun resumed_run(SavedRun run, const StartDecision& decision) {
  run.state = RunState::running;
  run.reason.clear();
  if (!decision.forced.empty()) run.forced = decision.forced;
  return run;
}

void log_start(Log& log, const Assembly& assembly, const SavedRun& run, StartKind kind) {
  if (!assembly.why_not_validated.empty()) {
    log.write(LogLevel::warning, "rows that change while they are copied may be stale",
              {{"reason", assembly.why_not_validated}});
  }
  log.write(LogLevel::info, kind == StartKind::resumed ? "resume" : "start",
            {{"run_id", run.run_id},
             {"source", assembly.source_table.name},
             {"target", assembly.target_table.name},
             {"write", write_mode_name(assembly.write.mode)},
             {"workers", assembly.job.workers},
             {"after", run.watermark ? run.watermark->display() : "start"},
             {"end_key", run.end_key ? run.end_key->display() : "none: the table is empty"}});
  if (!run.in_doubt.empty()) {
    log.write(LogLevel::info, "batches that a crash left in doubt are levelled first",
              {{"batches", std::ssize(run.in_doubt)}});
  }
}

// What fails is told by the failure itself.
std::string summary_of(const Job& job, SavedRun run) {
  if (run.state == RunState::failed) run.reason.clear();
  return job.name + ": " + describe_run(run);
}

void log_end(Log& log, const RunOutcome& outcome) {
  const SavedRun& run = outcome.run;
  Log::Fields fields;
  add_counts(run.rows, fields);
  fields.insert(fields.end(), {{"batches", run.batches.done},
                               {"retried", run.batches.retried},
                               {"elapsed", LogTime(run.elapsed_s)}});
  const std::string rests = rests_text(run);
  if (!rests.empty()) fields.emplace_back("rested", rests);
  if (!outcome.reason.empty()) fields.emplace_back("reason", outcome.reason);
  if (run.watermark) fields.emplace_back("watermark", run.watermark->display());
  const bool good = outcome.state == RunState::complete || outcome.state == RunState::paused;
  log.write(good ? LogLevel::info : LogLevel::warning, run_state_name(outcome.state), fields);
}

// A crash right after the last save leaves the ledger's rows behind; a runner that holds the job
// by now has rows of its own there.
void forget_ledger(const Assembly& assembly, const std::string& run_id) {
  const RunParts parts = make_run_parts(assembly, run_id);
  if (!parts.ledger) return;
  try {
    parts.lock->acquire();
    parts.ledger->clear();
  } catch (const Error& error) {
    if (error.exit_code() != ExitCode::other_runner) throw;
  }
}

// A run whose rows were all visited already: says so, and judges its rejects by today's limit.
ExitCode finish_again(CheckpointStore& store, SavedRun run, const Job& job,
                      const Fingerprint& fingerprint, std::string& summary) {
  const auto rejected = over_rejected_limit(run, make_run_options(job));
  run.state = rejected ? RunState::failed : RunState::complete;
  run.reason = rejected.value_or("");
  store.go_on(run, job.name, fingerprint);
  summary = summary_of(job, run);
  fmt::print("{}: nothing left to do: {}\n", job.name, describe_run(run));
  return rejected ? ExitCode::rejected : ExitCode::done;
}

// Once every row was visited: those among the dead letters again. They travel, whatever the run
// did, and their ledger is not the run's.
ExitCode retry_again(Assembly& assembly, const RunOptions& run_options, const SavedRun& run,
                     CheckpointStore& store, Clock& clock, const Outlets& outlets,
                     const LookForOptions& look_for_options, const std::stop_token& stop) {
  assembly.write.from.reset();
  if (assembly.write.ledger) {
    assembly.write.ledger->job = retry_ledger_job(assembly.job.name, run.run_id);
  }
  const RunParts parts = make_run_parts(assembly, run.run_id);
  parts.lock->acquire();
  if (parts.ledger) parts.ledger->prepare();
  store.go_on(run, assembly.job.name, assembly.fingerprint);
  const RetryReport retry =
      retry_rejected(parts, run_options, run, store, clock, outlets.log, look_for_options, stop);
  outlets.metrics.show(retry.run);
  outlets.summary = summary_of(assembly.job, retry.run);
  fmt::print(
      "{}: {} rejected rows tried again: {} written, {} unchanged, {} skipped, {} gone from "
      "the source, {} rejected again; {}\n",
      assembly.job.name, retry.retried, retry.rows.written, retry.rows.unchanged,
      retry.rows.skipped, retry.gone, retry.rows.rejected, describe_run(retry.run));
  return retry.run.state == RunState::complete ? ExitCode::done : ExitCode::rejected;
}

// The run that the file holds. Its runner's lock is ours, so one that says it is running is not.
std::optional<SavedRun> load_run(CheckpointStore& store) {
  std::optional<SavedRun> saved = store.load();
  if (saved && saved->state == RunState::running) {
    saved->state = RunState::stopped;
    saved->reason = "its process is gone";
  }
  return saved;
}

void log_decision(Log& log, const StartDecision& decision) {
  if (!decision.forgotten.empty())
    log.write(LogLevel::warning, "forgotten", {{"run", decision.forgotten}});
  if (!decision.forced.empty())
    log.write(LogLevel::warning, "resumed by force", {{"changed", decision.forced}});
}

// A ledger without a checkpoint: the file was lost, or is elsewhere. What the ledger has forgotten
// since would be done twice.
void refuse_lost_checkpoint(Ledger& ledger, const Assembly& assembly) {
  if (assembly.ledger_reason.empty() || ledger.ranges().empty()) return;
  throw Error(ExitCode::usage,
              fmt::format("start job {0}: an earlier run of job {0} has written rows of {1} that "
                          "must not be done twice ({2}), but its checkpoint is not at {3}; name it "
                          "with --checkpoint, or do every row again with --restart",
                          assembly.job.name, assembly.target_table.name, assembly.ledger_reason,
                          assembly.job.checkpoint.string()));
}

// Takes the target's lock, then writes down that the run begins or goes on.
void begin_run(const RunParts& parts, const SavedRun& run, StartKind kind, bool is_restart,
               const Assembly& assembly, CheckpointStore& store) {
  parts.lock->acquire();
  if (parts.ledger) {
    parts.ledger->prepare();
    if (kind == StartKind::fresh) {
      if (!is_restart) refuse_lost_checkpoint(*parts.ledger, assembly);
      parts.ledger->clear();
    }
  }
  if (kind == StartKind::resumed) {
    store.go_on(run, assembly.job.name, assembly.fingerprint);
  } else {
    store.start(run, assembly.job.name, assembly.fingerprint);
  }
}

// A query that cannot be asked would be a pause without end: the one before stays.
void watch_instead(Assembly& assembly, const ThrottleSettings& wanted, Log& log,
                   const std::stop_token& stop) {
  const ThrottleSettings before = std::exchange(assembly.job.throttle, wanted);
  try {
    try_query(assembly, stop);
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::retry) return;  // the source is away, whatever is asked of it
    assembly.job.throttle.query = before.query;
    assembly.job.throttle.query_limit = before.query_limit;
    log.write(
        LogLevel::warning, "throttle.query stays as it was",
        {{"query", before.query.empty() ? "not set" : before.query}, {"reason", error.what()}});
  }
}

// What has to change in a run that goes on, if anything has.
using LookForChange = std::function<std::optional<RunChange>()>;

// Its connections, and with them the runner's lock, end with it.
RunOutcome execute(RunParts parts, const RunOptions& run_options, const SavedRun& start,
                   CheckpointStore& store, Clock& clock, const Outlets& outlets,
                   StopOnSignal& signal, const LookForChange& look_for_change,
                   const std::function<void(const RunOutcome&)>& on_end) {
  ProgressDisplay& display = outlets.log;
  Metrics& metrics = outlets.metrics;
  metrics.show(start);
  Run* running = nullptr;
  Run run(std::move(parts), run_options, start, store, clock, display,
          {[&](const SavedRun& now) {
             display.show(now);
             metrics.show(now);
             if (auto change = look_for_change()) running->change(std::move(*change));
           },
           [&](const ChunkReport& report) { metrics.observe(report); },
           [&](Duration duration) { metrics.observe_checkpoint(duration); },
           [&](const RunOutcome& outcome) {
             display.clear();
             on_end(outcome);
             write_termination_log(outcome.exit_code, outlets.summary);
           }});
  running = &run;
  signal.attach([&run](const std::string& reason) { run.stop(reason); });
  RunOutcome outcome = run.execute();
  signal.detach();
  display.clear();
  metrics.show(outcome.run);
  on_end(outcome);
  return outcome;
}

// A failed run as main tells it; the rest is in the exit code.
ExitCode exit_code_of(const RunOutcome& outcome) {
  if (outcome.state != RunState::failed) return outcome.exit_code;
  const bool goes_on = outcome.exit_code != ExitCode::rejected;
  throw Error(outcome.exit_code,
              outcome.reason + (goes_on ? "; mend it and run again with --resume"
                                        : "; status --dead-letters lists them, run "
                                          "--retry-rejected tries them again"));
}

// The job's checkpoint is open, and ours alone.
ExitCode run_job(const Options& options, const Job& loaded, CheckpointStore& store, Clock& clock,
                 const Outlets& outlets, StopOnSignal& signal) {
  ProgressDisplay& log = outlets.log;
  const std::vector<Control> controls = store.controls();
  const Job job = controlled_job(loaded, options.overrides, controls);
  const std::optional<SavedRun> saved = load_run(store);
  const FingerprintFields saved_fields = store.fingerprint();
  // What can be refused without a database is.
  decide_start(saved, saved_fields, saved_fields, options.start);
  if (saved && !options.start.restart) log.set_run_id(saved->run_id);

  RunOptions run_options = make_run_options(job);
  run_options.grace = options.grace;
  run_options.throttle.standstill = pause_of(controls);
  BackoffOptions start_backoff = run_options.backoff;
  start_backoff.retries = std::min(start_backoff.retries, kStartRetriesMax);
  Assembly assembly = assemble_with_retries(job, start_backoff, clock, log, signal.token());

  const StartDecision decision =
      decide_start(saved, saved_fields, assembly.fingerprint, options.start);
  LiveControl control(job, options.overrides, controls, log);
  bool watches_others = false;
  const LookForOptions look_for_options = [&]() -> std::optional<RunOptions> {
    const std::optional<LiveSettings> settings = control.look(signal.take_hangup());
    if (!settings) return std::nullopt;
    run_options = make_run_options(settings->job);
    run_options.grace = options.grace;
    run_options.throttle.standstill = settings->pause;
    watches_others = settings->watches_others;
    if (watches_others) watch_instead(assembly, settings->job.throttle, log, signal.token());
    return run_options;
  };
  const auto look_for_change = [&]() -> std::optional<RunChange> {
    if (!look_for_options()) return std::nullopt;
    RunChange change{run_options, std::nullopt};
    if (watches_others) change.watched = make_watched(assembly, Purpose::write);
    return change;
  };
  const auto patiently = [&](const auto& work) {
    return retried(start_backoff, clock, log, signal.token(), work);
  };
  if (decision.kind == StartKind::finished) {
    patiently([&] { forget_ledger(assembly, saved->run_id); });
    outlets.metrics.show(*saved);
    // A retry that was cut off is gone on with.
    if (options.start.retry_rejected || !saved->in_doubt.empty()) {
      log_decision(log, decision);
      SavedRun run = *saved;
      if (!decision.forced.empty()) run.forced = decision.forced;
      return retry_again(assembly, run_options, run, store, clock, outlets, look_for_options,
                         signal.token());
    }
    return finish_again(store, *saved, job, assembly.fingerprint, outlets.summary);
  }
  log_decision(log, decision);
  std::unique_ptr<Source> source;
  SavedRun start = decision.kind == StartKind::resumed
                       ? resumed_run(*saved, decision)
                       : patiently([&] { return new_run(assembly, source); });
  // What a forgotten run left in doubt is in the target all the same.
  const bool same_rows = saved && saved_fields == assembly.fingerprint;
  if (decision.kind == StartKind::fresh && same_rows) start.in_doubt = saved->in_doubt;
  log.set_run_id(start.run_id);
  start.workers = job.workers;
  start.batch_size = job.batch.size;
  RunParts parts = patiently([&] {
    RunParts made = make_run_parts(assembly, start.run_id);
    begin_run(made, start, decision.kind, options.start.restart, assembly, store);
    return made;
  });
  parts.source = std::move(source);
  log_start(log, assembly, start, decision.kind);

  const auto on_end = [&](const RunOutcome& ended) {
    log_end(log, ended);
    SavedRun run = ended.run;
    run.state = ended.state;  // where the checkpoint could not be written it says otherwise
    outlets.summary = summary_of(job, std::move(run));
  };
  const RunOutcome outcome = execute(std::move(parts), run_options, start, store, clock, outlets,
                                     signal, look_for_change, on_end);
  if (options.start.retry_rejected && outcome.run.all_visited && outcome.run.rows.rejected > 0) {
    return retry_again(assembly, run_options, outcome.run, store, clock, outlets, look_for_options,
                       signal.token());
  }
  return exit_code_of(outcome);
}

}  // namespace

ExitCode run_command(const Options& options, std::string& summary) {
  if (options.dry_run) return plan_command(options);
  const Job job = load_job(options.job_file, options.overrides);
  StderrLog stderr_log(options.log_format, options.log_level, job.name);
  SystemClock clock;
  ProgressDisplay log(options.progress, stderr_log, clock);
  StopOnSignal signal(log);

  // The file is opened and locked before anything else: a second runner touches nothing.
  // The lock goes last: closing its file drops the locks that SQLite has on it.
  std::unique_ptr<SqliteRunnerLock> checkpoint_lock;
  CheckpointStore store = CheckpointStore::open(job.checkpoint);
  checkpoint_lock = std::make_unique<SqliteRunnerLock>(job.checkpoint.string(), job.name);
  checkpoint_lock->acquire();

  RunMetrics metrics(options.metrics, job.name, clock, log);
  const ExitCode exit_code =
      run_job(options, job, store, clock, {log, metrics.metrics(), summary}, signal);
  if (exit_code == ExitCode::done) metrics.succeeded();
  return exit_code;
}

}  // namespace backfill
