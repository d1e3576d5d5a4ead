#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <deque>
#include <memory>
#include <random>

#include "assemble_verify.h"
#include "cli/commands.h"
#include "cli/live_control.h"
#include "cli/stop_on_signal.h"
#include "cli/verify_report.h"
#include "engine/retried.h"
#include "observe/log.h"
#include "observe/run_metrics.h"
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

// What holds for a pass from now on: of the job as it was set last.
PassOptions pass_options(const Options& options, const Job& job,
                         const std::optional<Standstill>& pause) {
  PassOptions made = make_pass_options(job);
  made.throttle.standstill = pause;
  made.recheck.settle = options.verify.settle;
  made.grace = options.grace;
  return made;
}

// All that one `verify` works with.
struct Verification {
  const Options& options;
  Assembly& assembly;
  const PassParts& parts;
  PassOptions& pass_options;
  LiveControl& control;
  VerifyStore& store;
  RunMetrics& metrics;
  Clock& clock;
  Log& log;
  StopOnSignal& signal;
  std::string& summary;

  const Job& job() const { return assembly.job; }
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
  BackoffOptions backoff = make_run_options(work.job()).backoff;
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
  report.job = work.job().name;
  report.source = work.assembly.source_table.name;
  report.target = work.assembly.target_table.name;
  report.pass = pass;
  report.differences = work.store.count();
  report.first = work.store.standing(nullptr, kShownDifferences);
  report.transient = work.store.transient();
  report.columns = work.parts.terms.layout.write.size() - work.parts.terms.sent_key().size();
  report.first_unclean = work.store.first_unclean(kFirstPlaceInTarget);
  report.key_names = work.parts.terms.target_key_names;
  report.key_form = work.parts.terms.target_form;
  return report;
}

void tell_progress(const Verification& work, const SavedPass& pass, const Differences& found) {
  work.log.write(LogLevel::info, "progress",
                 {{"rows_compared", pass.counts.compared},
                  {"of_about", pass.estimated_rows ? std::to_string(*pass.estimated_rows) : "?"},
                  {"missing", found.missing},
                  {"extra", found.extra},
                  {"different", found.different},
                  {"waiting", found.waiting}});
}

// What has to change in a pass that goes on, if anything has.
std::optional<PassChange> look_for_change(const Verification& work) {
  std::optional<LiveSettings> settings = work.control.look(work.signal.take_hangup());
  if (!settings) return std::nullopt;
  work.pass_options = pass_options(work.options, settings->job, settings->pause);
  PassChange change{work.pass_options, std::nullopt};
  if (settings->watches_others) {
    work.assembly.job.throttle = settings->job.throttle;
    change.watched = work.parts.watched();
  }
  return change;
}

PassOutcome run_pass(const Verification& work) {
  work.pass_options.seed = random_number();
  TimePoint told_at = work.clock.now();
  Pass* running = nullptr;
  const auto on_tick = [&](const SavedPass& pass, const Differences& found) {
    if (auto change = look_for_change(work)) running->change(std::move(*change));
    if (work.options.progress == ProgressStyle::none) return;
    if (work.clock.now() - told_at < kProgressInterval) return;
    told_at = work.clock.now();
    tell_progress(work, pass, found);
  };
  Pass pass(work.parts, work.pass_options, begin_pass(work), work.store, work.clock, work.log,
            on_tick);
  running = &pass;
  work.signal.attach([&](const std::string& reason) { pass.stop(reason); });
  PassOutcome outcome = pass.execute();
  work.signal.detach();
  return outcome;
}

// Of a pass that has come to its end.
void tell_metrics(const Verification& work, const VerifyReport& report,
                  std::optional<std::int64_t> drift_within_hour) {
  if (report.is_clean() && !report.pass.sample) work.store.note_clean(report.pass, unix_time());
  const Differences& found = report.differences;
  work.metrics.metrics().show(Discrepancies{found.missing, found.extra, found.different,
                                            work.store.clean_at(report.pass.fingerprint),
                                            drift_within_hour});
}

void show(const Verification& work, const VerifyReport& report) {
  work.summary = report_summary(report);
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

// A pass that ended as planned with work left has said nothing but of what it saw.
ExitCode exit_code_of_part(const VerifyReport& report) {
  return report.differences.standing() > 0 ? ExitCode::differences : ExitCode::done;
}

// Differences that came up while passes went on. What the first of them finds may be old.
class Drift {
 public:
  void add(TimePoint now, std::int64_t count) {
    if (std::exchange(has_begun_, true) && count > 0) found_.emplace_back(now, count);
  }
  std::int64_t within_hour(TimePoint now) {
    while (!found_.empty() && now - found_.front().first > std::chrono::hours(1))
      found_.pop_front();
    std::int64_t sum = 0;
    for (const auto& [at, count] : found_) sum += count;
    return sum;
  }

 private:
  bool has_begun_ = false;
  std::deque<std::pair<TimePoint, std::int64_t>> found_;  // by pass, of the last hour
};

// Passes until a stop is asked for or planned. A pass that a signal cut off says nothing: the one
// before it decides how this ends.
ExitCode watch(const Verification& work, Duration every) {
  ExitCode last = ExitCode::stopped;
  Drift drift;
  while (true) {
    const TimePoint pass_began = work.clock.now();
    const PassOutcome outcome = run_pass(work);
    if (outcome.exit_code == ExitCode::stopped) return last;
    const VerifyReport report = make_report(work, outcome.pass);
    if (outcome.exit_code == ExitCode::done) show(work, report);
    if (outcome.pass.state == PassState::paused) return exit_code_of_part(report);
    if (outcome.pass.state == PassState::complete) {
      last = exit_code_of(report);
      const TimePoint now = work.clock.now();
      if (!outcome.pass.sample) drift.add(now, work.store.count_new());
      tell_metrics(work, report,
                   outcome.pass.sample ? std::nullopt : std::optional(drift.within_hour(now)));
      work.metrics.tell_now();
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
  const VerifyReport report = make_report(work, outcome.pass);
  show(work, report);
  switch (outcome.pass.state) {
    case PassState::failed:
      throw Error(outcome.exit_code,
                  outcome.reason + "; mend it and go on with backfill verify --resume");
    case PassState::paused:
      return exit_code_of_part(report);
    case PassState::complete:
      tell_metrics(work, report, std::nullopt);
      return exit_code_of(report);
    default:
      return ExitCode::stopped;
  }
}

}  // namespace

ExitCode verify_command(const Options& options, std::string& summary) {
  const Job loaded = load_job(options.job_file, options.overrides);
  StderrLog log(options.log_format, options.log_level, loaded.name);
  SystemClock clock;
  StopOnSignal signal(log);

  // The lock goes last: closing its file drops the locks that SQLite has on it.
  const std::vector<Control> controls = CheckpointStore::open(loaded.checkpoint).controls();
  const Job job = controlled_job(loaded, options.overrides, controls);
  SqliteRunnerLock lock(job.checkpoint.string(), verify_lock_name(job.name));
  lock.acquire();
  VerifyStore store(job.checkpoint);

  RunMetrics metrics(options.metrics, job.name, clock, log);
  BackoffOptions backoff = make_run_options(job).backoff;
  backoff.retries = std::min(backoff.retries, kStartRetriesMax);
  Assembly assembly =
      assemble_with_retries(job, backoff, clock, log, signal.token(), Purpose::compare);
  const PassParts parts = make_pass_parts(assembly);
  PassOptions first_options = pass_options(options, job, pause_of(controls));
  LiveControl control(job, options.overrides, controls, log);
  const Verification work{options, assembly, parts, first_options, control, store,
                          metrics, clock,    log,   signal,        summary};
  return options.verify.every ? watch(work, *options.verify.every) : verify_once(work);
}

}  // namespace backfill
