#include <fmt/format.h>

#include <csignal>
#include <memory>
#include <random>

#include "assemble.h"
#include "cli/commands.h"
#include "observe/log.h"
#include "observe/progress_display.h"
#include "sqlite/runner_lock.h"
#include "support/failpoint.h"
#include "support/stop_signal.h"

namespace backfill {
namespace {

// A database that is not there at the very start is waited for a few seconds; a restart that
// takes longer is the scheduler's to retry.
constexpr int kStartRetriesMax = 5;

std::string new_run_id() {
  std::random_device random;
  return fmt::format("{:08x}{:08x}", random(), random());
}

SavedRun new_run(const Assembly& assembly, Source& source) {
  SavedRun run;
  run.run_id = new_run_id();
  run.started_at = run.updated_at = utc_now();
  run.estimated_total = assembly.source_table.estimated_rows;
  run.end_key = source.last_key();
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
  for (const std::string& name : assembly.job.ignored) {
    log.write(LogLevel::warning, "this version does not act on a key of the job", {{"key", name}});
  }
  log.write(LogLevel::info, kind == StartKind::resumed ? "resume" : "start",
            {{"run_id", run.run_id},
             {"source", assembly.source_table.name},
             {"target", assembly.target_table.name},
             {"write", write_mode_name(assembly.write.mode)},
             {"workers", std::to_string(assembly.job.workers)},
             {"after", run.watermark ? run.watermark->display() : "start"},
             {"end_key", run.end_key ? run.end_key->display() : "none: the table is empty"}});
}

void log_end(Log& log, const RunOutcome& outcome) {
  const SavedRun& run = outcome.run;
  Log::Fields fields = {{"rows_read", std::to_string(run.rows.read)},
                        {"written", std::to_string(run.rows.written)},
                        {"unchanged", std::to_string(run.rows.unchanged)},
                        {"skipped", std::to_string(run.rows.skipped)},
                        {"rejected", std::to_string(run.rows.rejected)},
                        {"conflicts", std::to_string(run.rows.conflicts)},
                        {"batches", std::to_string(run.batches.done)},
                        {"retried", std::to_string(run.batches.retried)},
                        {"elapsed", duration_text(run.elapsed_s)}};
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
                      const Fingerprint& fingerprint) {
  const auto rejected = over_rejected_limit(run, make_run_options(job));
  run.state = rejected ? RunState::failed : RunState::complete;
  run.reason = rejected.value_or("");
  store.go_on(run, job.name, fingerprint);
  fmt::print("{}: nothing left to do: {}\n", job.name, describe_run(run));
  return rejected ? ExitCode::rejected : ExitCode::done;
}

}  // namespace

ExitCode run_command(const Options& options) {
  if (options.dry_run) return plan_command(options);
  const Job job = load_job(options.job_file, options.overrides);
  StderrLog log(options.log_format, options.log_level, job.name);
  SystemClock clock;

  std::stop_source early_stop;
  std::mutex mutex;
  Run* running = nullptr;  // guarded by mutex
  StopSignal stop_signal([&](int signal) {
    const std::string reason = signal == SIGINT ? "stopped by SIGINT" : "stopped by SIGTERM";
    log.write(LogLevel::info, "stop requested; batches in flight are finished",
              {{"reason", reason}});
    early_stop.request_stop();
    const std::lock_guard lock(mutex);
    if (running != nullptr) running->stop(reason);
  });

  // The file is opened and locked before anything else: a second runner touches nothing.
  // The lock goes last: closing its file drops the locks that SQLite has on it.
  std::unique_ptr<SqliteRunnerLock> checkpoint_lock;
  CheckpointStore store = CheckpointStore::open(job.checkpoint);
  checkpoint_lock = std::make_unique<SqliteRunnerLock>(job.checkpoint.string(), job.name);
  checkpoint_lock->acquire();
  const std::optional<SavedRun> saved = store.load();
  // What can be refused without a database is.
  decide_start(saved, store.fingerprint(), store.fingerprint(), options.start);

  RunOptions run_options = make_run_options(job);
  run_options.grace = options.grace;
  BackoffOptions start_backoff = run_options.backoff;
  start_backoff.retries = std::min(start_backoff.retries, kStartRetriesMax);
  const Assembly assembly =
      assemble_with_retries(job, start_backoff, clock, log, early_stop.get_token());

  const StartDecision decision =
      decide_start(saved, store.fingerprint(), assembly.fingerprint, options.start);
  if (decision.kind == StartKind::finished) {
    forget_ledger(assembly, saved->run_id);
    return finish_again(store, *saved, job, assembly.fingerprint);
  }
  if (!decision.forgotten.empty())
    log.write(LogLevel::warning, "forgotten", {{"run", decision.forgotten}});
  if (!decision.forced.empty())
    log.write(LogLevel::warning, "resumed by force", {{"changed", decision.forced}});

  SavedRun start = decision.kind == StartKind::resumed
                       ? resumed_run(*saved, decision)
                       : new_run(assembly, *assembly.source->make_source(assembly.read));
  start.workers = job.workers;
  start.batch_size = job.batch.size;
  RunParts parts = make_run_parts(assembly, start.run_id);
  parts.lock->acquire();
  if (parts.ledger) {
    parts.ledger->prepare();
    if (decision.kind == StartKind::fresh) parts.ledger->clear();
  }
  if (decision.kind == StartKind::resumed) {
    store.go_on(start, job.name, assembly.fingerprint);
  } else {
    store.start(start, job.name, assembly.fingerprint);
  }
  log_start(log, assembly, start, decision.kind);

  ProgressDisplay display(options.progress, log, clock);
  Run run(std::move(parts), run_options, start, store, clock, log,
          [&](const SavedRun& now) { display.show(now); });
  {
    const std::lock_guard lock(mutex);
    running = &run;
    if (early_stop.stop_requested()) run.stop("stopped by a signal");
  }
  const RunOutcome outcome = run.execute();
  {
    const std::lock_guard lock(mutex);
    running = nullptr;
  }
  display.clear();
  log_end(log, outcome);
  const bool is_failure = outcome.state == RunState::failed;
  if (is_failure) throw Error(outcome.exit_code, outcome.reason);
  return outcome.exit_code;
}

}  // namespace backfill
