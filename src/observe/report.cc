#include "observe/report.h"

#include <fmt/format.h>

#include <cmath>

#include "core/quantity_text.h"
#include "observe/html.h"
#include "observe/interruption.h"
#include "observe/page_style.h"
#include "observe/progress_display.h"
#include "observe/report_charts.h"
#include "observe/report_tables.h"
#include "observe/ticks.h"

namespace backfill {
namespace {

constexpr std::size_t kReasonMax = 600;

// A colour, and a sign for those who see none.
struct Badge {
  const char* style;
  const char* sign;
};

Badge badge_of(RunState state) {
  switch (state) {
    case RunState::running:
      return {"good", "▶"};
    case RunState::complete:
      return {"good", "✓"};
    case RunState::paused:
      return {"warn", "‖"};
    case RunState::stopped:
      return {"warn", "■"};
    case RunState::failed:
      return {"bad", "✗"};
  }
  return {"warn", ""};
}

std::string head(const Report& report) {
  return fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
      "'unsafe-inline'; img-src data:; script-src 'nonce-{0}'\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta name=\"referrer\" content=\"no-referrer\">\n<link rel=\"icon\" href=\"data:,\">\n"
      "<title>{1}: {2}</title>\n<style>{3}</style>\n</head>\n",
      report.nonce, html(report.job), run_state_name(report.run.state), kPageStyle);
}

std::string heading(const Report& report) {
  const SavedRun& run = report.run;
  const Badge badge = badge_of(run.state);
  std::string text = fmt::format(
      "<header><div class=\"head\"><h1>{}</h1><span class=\"state {}\" id=\"state\">{} {}</span>"
      "</div>\n",
      html(report.job), badge.style, badge.sign, run_state_name(run.state));
  if (!run.reason.empty())
    text += "<p class=\"reason\">" + html_start(run.reason, kReasonMax) + "</p>\n";
  if (run.estimated_total || run.all_visited) {
    const double percent = std::clamp(run.progress, 0.0, 1.0) * 100;
    text += fmt::format(
        "<div class=\"track\" role=\"progressbar\" aria-label=\"progress\" "
        "aria-valuenow=\"{0:.0f}\" "
        "aria-valuemin=\"0\" aria-valuemax=\"100\"><i style=\"width:{0:.1f}%\"></i></div>\n",
        percent);
  }
  return text + "<p class=\"dim spaced\">" + html(progress_line(run)) + "</p></header>\n";
}

std::string tile(const std::string& name, const std::string& figure, const std::string& more) {
  return fmt::format("<div><span>{}</span><b>{}</b><small>{}</small></div>\n", name, html(figure),
                     html(more));
}

std::string tiles(const Report& report) {
  const SavedRun& run = report.run;
  const Timeline& timeline = report.timeline;
  const bool has_rate = run.elapsed_s > 0;
  const bool has_peak = timeline.read_per_s().is_known();
  std::string text = "<div class=\"tiles\">\n";
  text += tile("rows written", count_text(run.rows.written), count_text(run.rows.read) + " read");
  text +=
      tile("rows a second",
           has_rate ? count_text(std::llround(static_cast<double>(run.rows.read) / run.elapsed_s))
                    : "not known",
           has_peak ? fmt::format("at most {}, at {}",
                                  count_text(std::llround(timeline.read_per_s().high)),
                                  time_of_day(timeline.fastest_at()))
                    : "the highest is not known");
  text += tile("time at work", duration_text(run.elapsed_s),
               duration_text(run.throttled_s) + " of rest, all workers");
  text += tile("batches", count_text(run.batches.done),
               fmt::format("{} retried, {} split", count_text(run.batches.retried),
                           count_text(run.batches.split)));
  text += tile("dead letters", count_text(report.dead_letter_count),
               report.dead_letter_count == 0 ? "" : "listed below");
  text += tile(
      "verify", report.verify ? verdict_of(*report.verify) : "not known",
      report.verify ? count_text(report.verify->compared) + " rows compared" : "has not been run");
  return text + "</div>\n";
}

}  // namespace

std::string report_page(const Report& report) {
  const std::vector<Interruption> interruptions =
      interruptions_of(report.timeline, kNumberedInterruptions);
  std::string page =
      head(report) + "<body>\n<main>\n" + heading(report) + tiles(report) + facts_section(report);
  page += "<section id=\"charts\"><h2>Over time</h2>\n" + report_charts(report, interruptions) +
          "</section>\n";
  page += interruptions_section(interruptions) + time_section(report) +
          dead_letters_section(report) + verify_section(report) + job_section(report);
  page += fmt::format(
      "<footer>Made by <code>backfill report</code> at {} from the checkpoint. Times are "
      "UTC.</footer>\n</main>\n<div id=\"tip\" aria-hidden=\"true\"></div>\n<script "
      "nonce=\"{}\">{}</script>\n</body>\n</html>\n",
      html(report.made_at), report.nonce, kPageScript);
  return page;
}

}  // namespace backfill
