#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <utility>

#include "checkpoint/checkpoint_store.h"
#include "cli/commands.h"
#include "cli/seen_run.h"
#include "job/job.h"
#include "observe/report.h"
#include "sqlite/runner_lock.h"
#include "support/clock.h"
#include "verify/verify_store.h"

namespace backfill {
namespace {

constexpr std::size_t kDeadLettersMax = 200;
constexpr std::size_t kDifferencesMax = 50;

std::string random_word() {
  std::random_device random;
  return fmt::format("{:08x}{:08x}{:08x}{:08x}", random(), random(), random(), random());
}

Error no_run(const Job& job) {
  return {ExitCode::usage, "report on " + job.name + ": no run is in the checkpoint " +
                               job.checkpoint.string() +
                               "; start one with backfill run, or name another with --checkpoint"};
}

// What the last pass of `verify` left in the file; none: nothing.
std::optional<VerifyFacts> verify_facts(const std::filesystem::path& checkpoint) {
  const auto store = VerifyStore::open_existing(checkpoint);
  if (!store) return std::nullopt;
  const std::optional<SavedPass> pass = store->load();
  if (!pass) return std::nullopt;
  const Differences found = store->count();
  VerifyFacts facts;
  facts.state = pass_state_name(pass->state);
  facts.reason = pass->reason;
  facts.updated_at = pass->updated_at;
  facts.elapsed_s = pass->elapsed_s;
  facts.sample = pass->sample;
  facts.compared = pass->counts.compared;
  facts.transient = pass->counts.transient;
  facts.missing = found.missing;
  facts.extra = found.extra;
  facts.different = found.different;
  facts.unsettled = found.unsettled;
  facts.waiting = found.waiting;
  for (const Suspect& suspect : store->standing(nullptr, kDifferencesMax)) {
    facts.first.push_back({finding_kind_name(suspect.finding.kind),
                           suspect.finding.target_key.display(), suspect.finding.columns});
  }
  return facts;
}

// A pass that was killed leaves the state `running` behind, as a run does.
void correct(VerifyFacts& facts, const Job& job) {
  if (facts.state != pass_state_name(PassState::running)) return;
  if (SqliteRunnerLock::is_held(job.checkpoint.string(), verify_lock_name(job.name))) return;
  facts.state = pass_state_name(PassState::stopped);
  facts.reason = "its process is gone; go on with backfill verify --resume";
}

// All of the run that the file has, of one moment.
Report read_report(CheckpointStore& store, const Job& job) {
  std::optional<Report> report;
  store.read_at_once([&] {
    const std::optional<SavedRun> run = store.load();
    if (!run) return;
    report = Report{.job = job.name,
                    .run = *run,
                    .fingerprint = store.fingerprint(),
                    .controls = store.controls(),
                    .dead_letter_count = store.dead_letter_count(),
                    .dead_letters = store.dead_letters(kDeadLettersMax),
                    .verify = std::nullopt,
                    .timeline = Timeline(store.sample_count()),
                    .made_at = utc_now(),
                    .nonce = random_word()};
    store.visit_samples([&](const Sample& sample) { report->timeline.add(sample); });
  });
  if (!report) throw no_run(job);
  return std::move(*report);
}

// The page as a file, in one piece or not at all. It has keys of rows in it: for its owner only.
void replace_file(const std::filesystem::path& path, const std::string& page) {
  const auto refuse = [&](const std::string& why) {
    throw Error(ExitCode::usage, "write the report to " + path.string() + ": " + why +
                                     "; name a file in a folder that can be written to with -o");
  };
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status))
    refuse("it is not a file");
  std::string unfinished = path.string() + ".XXXXXX";
  const int file = ::mkostemp(unfinished.data(), O_CLOEXEC);
  if (file < 0) refuse(std::strerror(errno));
  std::string_view left = page;
  while (!left.empty()) {
    const ssize_t written = ::write(file, left.data(), left.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) break;
    left.remove_prefix(static_cast<std::size_t>(written));
  }
  std::string trouble = left.empty() ? "" : std::strerror(errno);
  if (::close(file) != 0 && trouble.empty()) trouble = std::strerror(errno);
  if (trouble.empty()) {
    std::filesystem::rename(unfinished, path, error);
    if (error) trouble = error.message();
  }
  if (trouble.empty()) return;
  std::filesystem::remove(unfinished, error);
  refuse(trouble);
}

void print(const std::string& page) {
  if (std::fwrite(page.data(), 1, page.size(), stdout) == page.size() && std::fflush(stdout) == 0)
    return;
  throw Error(ErrorKind::stop, std::string("print the report: ") + std::strerror(errno));
}

}  // namespace

ExitCode report_command(const Options& options) {
  const Job job = load_job(options.job_file, options.overrides);
  Report report = [&] {
    auto store = CheckpointStore::open_existing(job.checkpoint);
    if (!store) throw no_run(job);
    return read_report(*store, job);
  }();
  report.verify = verify_facts(job.checkpoint);
  if (report.verify) correct(*report.verify, job);
  report.run = seen_run(std::move(report.run), job).run;

  const std::string page = report_page(report);
  if (options.output == "-") {
    print(page);
    return ExitCode::done;
  }
  const std::filesystem::path path =
      options.output.empty() ? job.name + ".report.html" : options.output;
  replace_file(path, page);
  fmt::print("{}: the report is in {}\n", job.name, path.string());
  return ExitCode::done;
}

}  // namespace backfill
