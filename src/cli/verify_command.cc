#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <memory>
#include <random>

#include "assemble_verify.h"
#include "cli/commands.h"
#include "cli/stop_on_signal.h"
#include "cli/verify_report.h"
#include "engine/retried.h"
#include "observe/log.h"
#include "sqlite/runner_lock.h"

namespace backfill {
namespace {

constexpr int kStartRetriesMax = 5;
constexpr std::size_t kShownDifferences = 20;
constexpr Duration kProgressInterval = std::chrono::seconds(10);

std::uint64_t random_number() {
  std::random_device random;
  return static_cast<std::uint64_t>(random()) << 32 | random();
}

// All that one `verify` works with.
struct Verification {
  const Options& options;
  const Job& job;
  const Assembly& assembly;
  const PassParts& parts;
  VerifyStore& store;
  Clock& clock;
  Log& log;
  StopOnSignal& signal;
};

SavedPass new_pass(const Verification& work, const Fingerprint& fingerprint) {
  SavedPass pass;
  pass.pass_id = fmt::format("{:016x}", random_number());
  pass.started_at = pass.updated_at = utc_now();
  pass.sample = work.options.verify.sample;
  pass.fingerprint = fingerprint;
  pass.estimated_rows = work.assembly.source_table.estimated_rows;
  pass.source.end = work.parts.makers.source_keys()->last_key();
  if (work.parts.terms.finds_extra) pass.target.end = work.parts.makers.target()->last_key();
  return pass;
}

// An unfinished pass over the same rows and columns; none when there is none.
std::optional<SavedPass> pass_to_resume(const Verification& work, const Fingerprint& fingerprint) {
  if (!work.options.start.resume) return std::nullopt;
  std::optional<SavedPass> saved = work.store.load();
  if (!saved || saved->state == PassState::complete) return std::nullopt;
  if (saved->fingerprint == fingerprint && saved->sample == work.options.verify.sample &&
      !saved->sample) {
    saved->state = PassState::running;
    saved->reason.clear();
    return saved;
  }
  work.log.write(LogLevel::warning, "the unfinished pass is of another kind; a new one begins",
                 {{"pass_id", saved->pass_id}});
  return std::nullopt;
}

SavedPass begin_pass(const Verification& work) {
  const Fingerprint fingerprint = verify_fingerprint(work.assembly, work.parts.terms);
  BackoffOptions backoff = make_run_options(work.job).backoff;
  backoff.retries = std::min(backoff.retries, kStartRetriesMax);
  return retried(backoff, work.clock, work.log, work.signal.token(), [&] {
    if (auto resumed = pass_to_resume(work, fingerprint)) {
      work.log.write(
          LogLevel::info, "resume verify",
          {{"pass_id", resumed->pass_id},
           {"after", resumed->source.watermark ? resumed->source.watermark->display() : "start"}});
      return *resumed;
    }
    SavedPass pass = new_pass(work, fingerprint);
    work.store.start(pass);
    work.log.write(
        LogLevel::info, "verify",
        {{"pass_id", pass.pass_id},
         {"source", work.assembly.source_table.name},
         {"target", work.assembly.target_table.name},
         {"end_key", pass.source.end ? pass.source.end->display() : "none: the table is empty"}});
    return pass;
  });
}

VerifyReport make_report(const Verification& work, const SavedPass& pass) {
  VerifyReport report;
  report.job = work.job.name;
  report.source = work.assembly.source_table.name;
  report.target = work.assembly.target_table.name;
  report.pass = pass;
  report.differences = work.store.count();
  report.first = work.store.standing(nullptr, kShownDifferences);
  report.columns = work.parts.terms.layout.write.size() - work.parts.terms.sent_key().size();
  report.first_unclean = work.store.first_unclean(kFirstPlaceInTarget);
  report.key_names = work.parts.terms.target_key_names;
  report.key_form = work.parts.terms.target_form;
  return report;
}

PassOutcome run_pass(const Verification& work) {
  PassOptions options = make_pass_options(work.job);
  options.recheck.settle = work.options.verify.settle;
  options.grace = work.options.grace;
  options.seed = random_number();
  TimePoint told_at = work.clock.now();
  const auto tell = [&](const SavedPass& pass, const Differences& found) {
    if (work.options.progress == ProgressStyle::none) return;
    if (work.clock.now() - told_at < kProgressInterval) return;
    told_at = work.clock.now();
    work.log.write(LogLevel::info, "progress",
                   {{"rows_compared", pass.counts.compared},
                    {"of_about", pass.estimated_rows ? std::to_string(*pass.estimated_rows) : "?"},
                    {"missing", found.missing},
                    {"extra", found.extra},
                    {"different", found.different},
                    {"waiting", found.waiting}});
  };
  Pass pass(work.parts, options, begin_pass(work), work.store, work.clock, work.log, tell);
  work.signal.attach([&](const std::string& reason) { pass.stop(reason); });
  PassOutcome outcome = pass.execute();
  work.signal.detach();
  return outcome;
}

// A reader of the file sees the old or the new one, never a half. Without it the pass says what it
// found all the same.
void write_metrics(const Verification& work, const std::string& text) {
  const std::string& path = work.options.verify.metrics_file;
  if (path.empty()) return;
  const std::filesystem::path fresh = path + ".new";
  std::ofstream file(fresh, std::ios::trunc);
  file << text;
  file.close();
  std::error_code failure;
  if (file) std::filesystem::rename(fresh, path, failure);
  if (!file || failure)
    work.log.write(LogLevel::warning, "the metrics file cannot be written", {{"file", path}});
}

void show(const Verification& work, const VerifyReport& report) {
  if (!work.options.verify.list_file.empty()) write_list(work.store, work.options.verify.list_file);
  if (work.options.json) {
    fmt::print("{}\n", report_json(report).dump(work.options.verify.every ? -1 : 2, ' ', false,
                                                nlohmann::json::error_handler_t::replace));
  } else {
    fmt::print("{}", report_text(report));
  }
  std::fflush(stdout);
}

ExitCode exit_code_of(const VerifyReport& report) {
  return report.is_clean() ? ExitCode::done : ExitCode::differences;
}

// Passes until a stop is asked for. A pass that a signal cut off says nothing: the one before it
// decides how this ends.
ExitCode watch(const Verification& work, Duration every) {
  ExitCode last = ExitCode::stopped;
  std::optional<std::int64_t> clean_at_s;
  std::int64_t drift = 0;
  const TimePoint began = work.clock.now();
  while (true) {
    const TimePoint pass_began = work.clock.now();
    const PassOutcome outcome = run_pass(work);
    if (outcome.exit_code == ExitCode::stopped) return last;
    const VerifyReport report = make_report(work, outcome.pass);
    if (outcome.exit_code == ExitCode::done) {
      show(work, report);
      last = exit_code_of(report);
      drift += report.differences.standing();
      if (report.is_clean() && !outcome.pass.sample) clean_at_s = wall_clock_ms() / 1000;
      const double hours =
          std::chrono::duration<double, std::ratio<3600>>(work.clock.now() - began).count();
      write_metrics(
          work, verify_metrics(
                    report, clean_at_s,
                    hours > 0 ? std::optional(static_cast<double>(drift) / hours) : std::nullopt));
    } else {
      // A server may be away for longer than one pass's retries.
      work.log.write(LogLevel::error, "the pass failed; the next one begins as planned",
                     {{"reason", outcome.reason}});
    }
    const Duration left = every - (work.clock.now() - pass_began);
    if (left > Duration::zero() && !work.clock.wait(left, work.signal.token())) return last;
    if (work.signal.token().stop_requested()) return last;
  }
}

ExitCode verify_once(const Verification& work) {
  const PassOutcome outcome = run_pass(work);
  const bool has_failed = outcome.pass.state == PassState::failed;
  const VerifyReport report = make_report(work, outcome.pass);
  show(work, report);
  if (has_failed)
    throw Error(outcome.exit_code,
                outcome.reason + "; mend it and go on with backfill verify --resume");
  if (outcome.exit_code == ExitCode::stopped) return ExitCode::stopped;
  const bool is_proof = report.is_clean() && !outcome.pass.sample;
  write_metrics(
      work, verify_metrics(report, is_proof ? std::optional(wall_clock_ms() / 1000) : std::nullopt,
                           std::nullopt));
  return exit_code_of(report);
}

}  // namespace

ExitCode verify_command(const Options& options) {
  const Job job = load_job(options.job_file, options.overrides);
  StderrLog log(options.log_format, options.log_level, job.name);
  SystemClock clock;
  StopOnSignal signal(log);

  // The lock goes last: closing its file drops the locks that SQLite has on it.
  CheckpointStore::open(job.checkpoint);
  SqliteRunnerLock lock(job.checkpoint.string(), verify_lock_name(job.name));
  lock.acquire();
  VerifyStore store(job.checkpoint);

  BackoffOptions backoff = make_run_options(job).backoff;
  backoff.retries = std::min(backoff.retries, kStartRetriesMax);
  const Assembly assembly =
      assemble_with_retries(job, backoff, clock, log, signal.token(), Purpose::compare);
  const PassParts parts = make_pass_parts(assembly);
  const Verification work{options, job, assembly, parts, store, clock, log, signal};
  return options.verify.every ? watch(work, *options.verify.every) : verify_once(work);
}

}  // namespace backfill
