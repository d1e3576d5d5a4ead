#include "observe/report_tables.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/key.h"
#include "core/quantity_text.h"
#include "core/sql.h"
#include "observe/html.h"
#include "observe/ticks.h"
#include "support/clock.h"

namespace backfill {
namespace {

constexpr std::size_t kKeyMax = 200;
constexpr std::size_t kMessageMax = 600;
constexpr std::size_t kValueMax = 2000;

std::string fact(const std::string& name, const std::string& value) {
  return fmt::format("<div><dt>{}</dt><dd>{}</dd></div>\n", html_start(name, kKeyMax),
                     html_start(value, kValueMax));
}

std::string section(const std::string& id, const std::string& title, const std::string& content) {
  return fmt::format("<section id=\"{}\"><h2>{}</h2>\n{}</section>\n", id, title, content);
}

std::string table_card(const std::string& rows) {
  return "<div class=\"card\"><table>\n" + rows + "</table></div>\n";
}

std::string facts_card(const std::string& facts) {
  return "<div class=\"card\"><dl class=\"facts\">\n" + facts + "</dl></div>\n";
}

// `2026-11-22T13:05:00.123Z` as people write it.
std::string moment_of(const std::string& utc) {
  const auto unix_s = unix_time_of(utc);
  return unix_s ? moment_text(*unix_s) + " UTC" : "not known";
}

// `replica_lag 6m40s, share 12.0 s`
std::string rests_text(const Figures& rested_s) {
  std::vector<std::string> parts;
  for (const auto& [cause, time_s] : rested_s) {
    if (time_s > 0) parts.push_back(cause + " " + duration_text(time_s));
  }
  return parts.empty() ? "never" : join(parts, ", ");
}

// From a key's JSON; as it is when it is none.
std::string key_text(const std::string& json) {
  try {
    return Key::from_json(json).display();
  } catch (const Error&) {
    return json;
  }
}

std::string time_bars(const Figures& seconds, const char* of) {
  std::vector<std::pair<std::string, double>> sorted(seconds.begin(), seconds.end());
  std::erase_if(sorted, [](const auto& one) { return !(one.second > 0); });
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  double all = 0;
  for (const auto& [name, time_s] : sorted) all += time_s;
  std::string rows = fmt::format(
      "<tr><th scope=\"col\">{}</th><th scope=\"col\" class=\"n\">time</th><th scope=\"col\" "
      "class=\"n\">part</th><th class=\"wide\"></th></tr>\n",
      of);
  for (const auto& [name, time_s] : sorted) {
    const double percent = time_s / all * 100;
    rows += fmt::format(
        "<tr><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{:.0f} %</td><td class=\"wide\"><i "
        "class=\"bar\" style=\"width:{:.1f}%\"></i></td></tr>\n",
        html_start(name, kKeyMax), duration_text(time_s), percent, percent);
  }
  return sorted.empty() ? "" : table_card(rows);
}

}  // namespace

std::string facts_section(const Report& report) {
  const SavedRun& run = report.run;
  const bool has_ended = run.state == RunState::complete || run.state == RunState::failed;
  std::string facts = fact("run", run.run_id) + fact("started", moment_of(run.started_at));
  facts += fact(has_ended ? "ended" : "last saved", moment_of(run.updated_at));
  facts +=
      fact("rows", fmt::format("{} read: {} written, {} unchanged, {} skipped, {} rejected; {} "
                               "conflicts",
                               count_text(run.rows.read), count_text(run.rows.written),
                               count_text(run.rows.unchanged), count_text(run.rows.skipped),
                               count_text(run.rows.rejected), count_text(run.rows.conflicts)));
  facts += fact("rows in all", run.estimated_total
                                   ? "about " + count_text(*run.estimated_total) + ", by estimate"
                                   : "not known");
  facts +=
      fact("batches", fmt::format("{} done, {} retried, {} split", count_text(run.batches.done),
                                  count_text(run.batches.retried), count_text(run.batches.split)));
  facts +=
      fact("watermark", (run.watermark ? run.watermark->display() : "none yet") + " of " +
                            (run.end_key ? run.end_key->display() : "none: the table was empty"));
  facts += fact("pace", fmt::format("{} workers, share {:.2f}, batches of {} rows", run.workers,
                                    run.share, count_text(run.batch_size)));
  facts +=
      fact("pressure", run.pressure ? fmt::format("{:.2f} {}", *run.pressure, run.pressure_signal)
                                    : "not known");
  facts += fact("rested", rests_text(run.rested_s));
  for (const Control& control : report.controls) {
    facts += fact("set by hand", fmt::format("{} = {}, since {}", control.key, control.value,
                                             moment_of(control.set_at)));
  }
  if (!run.forced.empty()) facts += fact("forced", run.forced);
  return section("facts", "Facts", facts_card(facts));
}

std::string interruptions_section(const std::vector<Interruption>& interruptions) {
  if (interruptions.empty())
    return section("interruptions", "Pauses and absences",
                   "<p class=\"dim\">None: the run was never paused, and a process was at work all "
                   "the time.</p>\n");
  std::string rows =
      "<tr><th scope=\"col\">no.</th><th scope=\"col\">from, UTC</th><th scope=\"col\" "
      "class=\"n\">for</th><th scope=\"col\">why</th></tr>\n";
  std::size_t shown = 0;
  for (const Interruption& one : interruptions) {
    if (one.number == 0) continue;
    ++shown;
    rows += fmt::format(
        "<tr><td>{}</td><td class=\"at\">{}</td><td class=\"n\">{}</td><td>{}</td></tr>\n",
        one.number, moment_text(one.began_at), duration_text(one.lasted_s),
        html_start(one.reason, kMessageMax));
  }
  std::string rest;
  if (shown < interruptions.size())
    rest = fmt::format("<p class=\"dim\">and {} shorter ones, which bear no number.</p>\n",
                       count_text(static_cast<std::int64_t>(interruptions.size() - shown)));
  return section("interruptions", "Pauses and absences",
                 "<p class=\"dim\">In the charts pauses are shaded; a dotted line is where no "
                 "process was at work, and the axis of time makes a leap.</p>\n" +
                     table_card(rows) + rest);
}

std::string time_section(const Report& report) {
  Figures work_s;
  for (const auto& [phase, ms] : report.timeline.phases_ms()) work_s[phase] = ms / 1000;
  const std::string work = time_bars(work_s, "work, by phase");
  const std::string rest = time_bars(report.run.rested_s, "rest, by what caused it");
  std::string content;
  if (!work.empty()) content += work;
  content += rest.empty() ? "<p class=\"dim\">No worker was ever made to rest.</p>\n"
                          : "<p class=\"dim\">Rests of all workers together:</p>\n" + rest;
  return section("time", "Where the time went", content);
}

std::string dead_letters_section(const Report& report) {
  if (report.dead_letter_count == 0)
    return section("dead-letters", "Dead letters",
                   "<p class=\"dim\">None: every row that was read could be written, or was left "
                   "out on purpose.</p>\n");
  std::string rows =
      "<tr><th scope=\"col\">key</th><th scope=\"col\">code</th><th scope=\"col\">why</th></tr>\n";
  for (const DeadLetter& letter : report.dead_letters) {
    rows += fmt::format("<tr><td>{}</td><td>{}</td><td>{}</td></tr>\n",
                        html_start(key_text(letter.key), kKeyMax), html_start(letter.code, kKeyMax),
                        html_start(letter.message, kMessageMax));
  }
  const auto shown = static_cast<std::int64_t>(report.dead_letters.size());
  const std::int64_t left = report.dead_letter_count - shown;
  std::string content = fmt::format(
      "<p class=\"dim\">{} row{}; <code>backfill status --dead-letters</code> has their "
      "values.</p>\n",
      count_text(report.dead_letter_count), report.dead_letter_count == 1 ? "" : "s");
  content += table_card(rows);
  if (left > 0) content += fmt::format("<p class=\"dim\">and {} more.</p>\n", count_text(left));
  return section("dead-letters", "Dead letters", content);
}

std::string verdict_of(const VerifyFacts& verify) {
  const std::int64_t found = verify.missing + verify.extra + verify.different + verify.unsettled;
  if (found > 0) return fmt::format("{} difference{}", count_text(found), found == 1 ? "" : "s");
  if (verify.state != "complete") return "not finished";
  return verify.sample ? "equal, as far as was looked" : "equal";
}

std::string verify_section(const Report& report) {
  if (!report.verify)
    return section(
        "verify", "Verify",
        "<p class=\"dim\">Not known: <code>backfill verify</code> has not been run since "
        "the checkpoint was made.</p>\n");
  const VerifyFacts& verify = *report.verify;
  std::string facts = fact("verdict", verdict_of(verify));
  facts +=
      fact("state", verify.reason.empty() ? verify.state : verify.state + ": " + verify.reason);
  facts +=
      fact("as of", moment_of(verify.updated_at) + ", after " + duration_text(verify.elapsed_s));
  facts +=
      fact("compared", count_text(verify.compared) + " rows" +
                           (verify.sample ? fmt::format("; only {:g} % of the chunks were looked "
                                                        "at",
                                                        *verify.sample * 100)
                                          : ""));
  facts += fact("differences",
                fmt::format("{} missing, {} extra, {} different", count_text(verify.missing),
                            count_text(verify.extra), count_text(verify.different)));
  if (verify.unsettled > 0)
    facts += fact("unsettled", count_text(verify.unsettled) + " rows kept changing for too long");
  if (verify.waiting > 0)
    facts += fact("open", count_text(verify.waiting) + " rows are still to be looked at again");
  facts += fact("transient", count_text(verify.transient) + " rows differed for a moment");
  std::string content = facts_card(facts);
  if (verify.first.empty()) return section("verify", "Verify", content);
  std::string list =
      "<tr><th scope=\"col\">key</th><th scope=\"col\">difference</th><th "
      "scope=\"col\">columns</th></tr>\n";
  for (const VerifyFacts::Difference& difference : verify.first) {
    list += fmt::format("<tr><td>{}</td><td>{}</td><td>{}</td></tr>\n",
                        html_start(difference.key, kKeyMax), html_start(difference.kind, kKeyMax),
                        html_start(join(difference.columns, ", "), kMessageMax));
  }
  content += "<p class=\"dim\">The first of them:</p>\n" + table_card(list);
  return section("verify", "Verify", content);
}

std::string job_section(const Report& report) {
  std::string facts;
  for (const auto& [field, value] : report.fingerprint) {
    if (!value.empty()) facts += fact(field, value);
  }
  return section("job", "Job",
                 "<details class=\"card\"><summary>What decides which rows become what"
                 "</summary><dl class=\"facts\">\n" +
                     facts + "</dl></details>\n");
}

}  // namespace backfill
