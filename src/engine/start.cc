#include "engine/start.h"

#include <fmt/format.h>

#include "core/error.h"

namespace backfill {
namespace {

std::string shown(const FingerprintFields& fields, const std::string& name) {
  const auto field = fields.find(name);
  return field == fields.end() || field->second.empty() ? "not set" : "\"" + field->second + "\"";
}

// `source.where: checkpoint has "a", job has "b"`, for each field that differs.
std::string differences(const FingerprintFields& saved, const FingerprintFields& now) {
  FingerprintFields names = saved;
  names.insert(now.begin(), now.end());
  std::string text;
  for (const auto& [name, ignored] : names) {
    if (shown(saved, name) == shown(now, name)) continue;
    if (!text.empty()) text += "; ";
    text += fmt::format("{}: the checkpoint has {}, the job has {}", name, shown(saved, name),
                        shown(now, name));
  }
  return text;
}

}  // namespace

std::string describe_run(const SavedRun& run) {
  const std::string reason = run.reason.empty() ? "" : " (" + run.reason + ")";
  return fmt::format("{}{}, {} rows read, {} written, {} rejected, up to key {}",
                     run_state_name(run.state), reason, run.rows.read, run.rows.written,
                     run.rows.rejected, run.watermark ? run.watermark->display() : "none");
}

StartDecision decide_start(const std::optional<SavedRun>& saved,
                           const FingerprintFields& saved_fields, const FingerprintFields& fields,
                           const StartFlags& flags) {
  if (flags.resume && flags.restart) {
    throw Error(ExitCode::usage, "--resume and --restart exclude each other: go on, or start over");
  }
  if (flags.retry_rejected && flags.restart) {
    throw Error(ExitCode::usage,
                "--retry-rejected and --restart exclude each other: a run that starts over visits "
                "every row");
  }
  if (!saved && flags.retry_rejected && !flags.resume) {
    throw Error(
        ExitCode::usage,
        "--retry-rejected: the checkpoint holds no run, so no row was rejected; run without "
        "it first");
  }
  if (!saved) return {};
  if (flags.restart) return {StartKind::fresh, describe_run(*saved), ""};

  const bool finished = saved->all_visited;
  if (!flags.resume && !(flags.retry_rejected && finished)) {
    if (finished) {
      throw Error(ExitCode::usage,
                  "the checkpoint holds a finished run: " + describe_run(*saved) +
                      "; --restart forgets it and starts over, --resume leaves it as it is, "
                      "--retry-rejected tries its rejected rows again");
    }
    throw Error(ExitCode::usage,
                "the checkpoint holds an unfinished run: " + describe_run(*saved) +
                    "; --resume goes on from there, --restart forgets it and starts over");
  }

  StartDecision decision;
  decision.kind = finished ? StartKind::finished : StartKind::resumed;
  const std::string different = differences(saved_fields, fields);
  if (different.empty()) return decision;
  if (!flags.force) {
    throw Error(ExitCode::usage,
                "cannot resume, the job has changed: " + different +
                    "; change it back, start over with --restart, or insist with --force");
  }
  decision.forced = different;
  return decision;
}

}  // namespace backfill
