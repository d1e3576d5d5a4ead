#include "cli/verify_report.h"

#include <fmt/format.h>

#include <fstream>

#include "core/quantity_text.h"
#include "core/sql.h"

namespace backfill {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kListedAtOnce = 1000;

std::string percent(double part) { return fmt::format("{:g} %", part * 100); }

Json key_json(const std::optional<Key>& key) { return key ? Json(key->values) : Json(); }

Json finding_json(const Suspect& suspect) {
  Json json = {{"kind", finding_kind_name(suspect.finding.kind)},
               {"key", suspect.finding.target_key.values},
               {"columns", suspect.finding.columns}};
  if (suspect.state == Suspect::State::unsettled) json["unsettled"] = true;
  return json;
}

std::string verdict(const VerifyReport& report) {
  const Differences& found = report.differences;
  if (report.pass.state == PassState::stopped)
    return "not finished: go on with backfill verify --resume";
  if (report.pass.state == PassState::paused)
    return "not finished: " + report.pass.reason + "; go on with backfill verify --resume";
  if (report.pass.state != PassState::complete) return "failed: " + report.pass.reason;
  if (found.standing() > 0 || found.unsettled > 0) return "DIFFERENT";
  if (!report.pass.sample) return "equal";
  const auto bound = report.sample_bound();
  return "PARTIAL: what was looked at is equal; no proof for the rest" +
         (bound ? fmt::format(" (at most {} of all rows differ, with 95 % confidence, if they lie "
                              "anywhere)",
                              percent(*bound))
                : std::string());
}

}  // namespace

bool VerifyReport::is_clean() const {
  return pass.state == PassState::complete && differences.standing() == 0 &&
         differences.unsettled == 0 && differences.waiting == 0;
}

std::optional<Key> VerifyReport::verified_through() const {
  if (pass.sample) return std::nullopt;
  return first_unclean ? *first_unclean : pass.source.watermark;
}

// The rule of three: if one in n/3 rows differed, n rows would show none only once in twenty.
std::optional<double> VerifyReport::sample_bound() const {
  if (!pass.sample || !is_clean() || pass.counts.compared == 0) return std::nullopt;
  return std::min(1.0, 3.0 / static_cast<double>(pass.counts.compared));
}

std::string finding_line(const Finding& finding, const std::vector<std::string>& key_names,
                         KeyForm form) {
  std::string line = fmt::format("{:<10} {}", finding_kind_name(finding.kind),
                                 key_condition(key_names, finding.target_key, form));
  if (!finding.columns.empty()) line += "  " + join(finding.columns, ", ");
  return line;
}

std::string report_summary(const VerifyReport& report) {
  const Differences& found = report.differences;
  const bool has_failed = report.pass.state == PassState::failed;
  std::string text =
      fmt::format("{}: {}, {} rows compared", report.job, has_failed ? "failed" : verdict(report),
                  report.pass.counts.compared);
  if (found.standing() > 0)
    text += fmt::format(", {} missing, {} extra, {} different", found.missing, found.extra,
                        found.different);
  if (found.unsettled > 0) text += fmt::format(", {} unsettled", found.unsettled);
  const auto through = report.verified_through();
  return through ? text + ", verified through " + through->display() : text;
}

std::string report_text(const VerifyReport& report) {
  const CompareCounts& counts = report.pass.counts;
  const Differences& found = report.differences;
  std::string text;
  const auto line = [&](const char* name, const std::string& value) {
    text += fmt::format("{:<12} {}\n", name, value);
  };
  line("job", report.job);
  line("compared",
       fmt::format("{} -> {}, {} columns", report.source, report.target, report.columns));
  line("rows", fmt::format("{} of the source, {} of the target; {} compared",
                           count_text(counts.source_rows), count_text(counts.target_rows),
                           count_text(counts.compared)));
  if (counts.skipped > 0 || counts.rejected > 0 || counts.not_there > 0)
    line("left out",
         fmt::format("{} skipped, {} rejected, {} not in the target", count_text(counts.skipped),
                     count_text(counts.rejected), count_text(counts.not_there)));
  line("differences", fmt::format("{} missing, {} extra, {} different", count_text(found.missing),
                                  count_text(found.extra), count_text(found.different)));
  if (found.unsettled > 0)
    line("unsettled", fmt::format("{} rows kept changing for too long to be judged",
                                  count_text(found.unsettled)));
  if (found.waiting > 0)
    line("open", fmt::format("{} rows that may differ are still to be looked at again",
                             count_text(found.waiting)));
  line("transient", fmt::format("{} rows differed for a moment, while they were written",
                                count_text(counts.transient)));
  if (report.pass.sample) {
    line("sample", fmt::format("PARTIAL: {} of the chunks", percent(*report.pass.sample)));
  } else {
    const auto through = report.verified_through();
    line("verified", through
                         ? fmt::format("through {} of {}", through->display(),
                                       report.pass.source.end ? report.pass.source.end->display()
                                                              : std::string("an empty table"))
                         : std::string("nothing yet"));
  }
  line("elapsed", duration_text(report.pass.elapsed_s));
  line("verdict", verdict(report));
  for (const Suspect& suspect : report.first) {
    text += "  " + finding_line(suspect.finding, report.key_names, report.key_form);
    text += suspect.state == Suspect::State::unsettled ? "  (unsettled)\n" : "\n";
  }
  const std::int64_t all = found.standing() + found.unsettled;
  const auto shown = static_cast<std::int64_t>(report.first.size());
  if (all > shown)
    text +=
        fmt::format("  … and {} more; --list FILE writes all of them\n", count_text(all - shown));
  for (const Finding& finding : report.transient) {
    text += fmt::format("  transient  {}  {} for a moment\n",
                        key_condition(report.key_names, finding.target_key, report.key_form),
                        finding_kind_name(finding.kind));
  }
  return text;
}

Json report_json(const VerifyReport& report) {
  const SavedPass& pass = report.pass;
  const CompareCounts& counts = pass.counts;
  Json json;
  json["job"] = report.job;
  json["pass_id"] = pass.pass_id;
  json["state"] = pass_state_name(pass.state);
  json["reason"] = pass.reason.empty() ? Json() : Json(pass.reason);
  json["clean"] = report.is_clean();
  json["partial"] = pass.sample.has_value();
  json["sample"] = pass.sample ? Json(*pass.sample) : Json();
  const auto bound = report.sample_bound();
  json["differing_at_most"] = bound ? Json(*bound) : Json();
  json["rows"] = {{"source", counts.source_rows}, {"target", counts.target_rows},
                  {"compared", counts.compared},  {"skipped", counts.skipped},
                  {"rejected", counts.rejected},  {"not_in_target", counts.not_there},
                  {"transient", counts.transient}};
  json["columns"] = report.columns;
  json["chunks"] = counts.chunks;
  json["differences"] = {{"missing", report.differences.missing},
                         {"extra", report.differences.extra},
                         {"different", report.differences.different},
                         {"unsettled", report.differences.unsettled},
                         {"waiting", report.differences.waiting}};
  json["verified_through"] = key_json(report.verified_through());
  json["end_key"] = key_json(pass.source.end);
  json["started_at"] = pass.started_at;
  json["updated_at"] = pass.updated_at;
  json["elapsed_s"] = pass.elapsed_s;
  json["first_differences"] = Json::array();
  for (const Suspect& suspect : report.first)
    json["first_differences"].push_back(finding_json(suspect));
  json["first_transient"] = Json::array();
  for (const Finding& finding : report.transient)
    json["first_transient"].push_back(
        {{"kind", finding_kind_name(finding.kind)}, {"key", finding.target_key.values}});
  return json;
}

void write_list(VerifyStore& store, const std::filesystem::path& path) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  std::optional<Suspect> last;
  while (file) {
    std::vector<Suspect> some = store.standing(last ? &*last : nullptr, kListedAtOnce);
    if (some.empty()) break;
    for (const Suspect& suspect : some)
      file << finding_json(suspect).dump(-1, ' ', false, Json::error_handler_t::replace) << '\n';
    last = std::move(some.back());
  }
  file.close();
  if (!file)
    throw Error(ExitCode::usage, "write the list of differences to " + path.string() +
                                     ": it cannot be written; name another file");
}

}  // namespace backfill
