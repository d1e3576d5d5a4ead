#include "observe/report_charts.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <initializer_list>
#include <utility>

#include "core/quantity_text.h"
#include "observe/chart.h"
#include "observe/ticks.h"

namespace backfill {
namespace {

constexpr std::size_t kSignalsMax = 8;
constexpr std::array kPhases = {"read", "transform", "write", "validate", "checkpoint"};

std::string whole_text(double figure) { return count_text(std::llround(figure)); }
std::string percent_text(double figure) { return fmt::format("{:.0f} %", figure); }
std::string pressure_text(double figure) { return fmt::format("{:.2f}", figure); }
std::string milliseconds_text(double figure) { return duration_text(figure / 1000); }

constexpr Unit kRows{.text = whole_text, .counts_whole = true};
constexpr Unit kPercent{.text = percent_text, .top = 100};
constexpr Unit kRatio{.text = pressure_text};
constexpr Unit kTime{.text = milliseconds_text};

// Of each stretch.
using SpreadOf = std::function<Spread(const Stretch&)>;

ChartLine line_of(const Timeline& timeline, std::string name, const SpreadOf& spread_of) {
  ChartLine line{std::move(name), "", {}};
  for (const Stretch& stretch : timeline.stretches()) line.spreads.push_back(spread_of(stretch));
  return line;
}

Spread one(double figure) {
  Spread spread;
  spread.add(figure, 1);
  return spread;
}

Spread percent(Spread spread) {
  spread.low *= 100;
  spread.high *= 100;
  spread.sum *= 100;
  return spread;
}

// Over all of the line.
Spread whole_of(const ChartLine& line) {
  Spread whole;
  for (const Spread& spread : line.spreads) {
    if (!spread.is_known()) continue;
    whole.low = whole.is_known() ? std::min(whole.low, spread.low) : spread.low;
    whole.high = std::max(whole.high, spread.high);
    whole.sum += spread.sum;
    whole.seconds += spread.seconds;
  }
  return whole;
}

std::string mean_text(const ChartLine& line, const Unit& unit) {
  const Spread whole = whole_of(line);
  return whole.is_known() ? unit.text(whole.mean()) + " on average" : "";
}

Chart progress_chart(const Report& report) {
  const Timeline& timeline = report.timeline;
  if (report.run.estimated_total || report.run.all_visited) {
    return {.id = "progress",
            .title = "Progress, %",
            .unit = kPercent,
            .form = Chart::Form::slope,
            .lines = {line_of(timeline, "progress",
                              [](const Stretch& at) { return one(at.progress * 100); })}};
  }
  return {
      .id = "progress",
      .title = "Rows read",
      .unit = kRows,
      .form = Chart::Form::slope,
      .lines = {line_of(timeline, "rows read",
                        [](const Stretch& at) { return one(static_cast<double>(at.rows_read)); })},
      .summary = "How many there are is not known, and so neither is what part of them this is."};
}

Chart rate_chart(const Timeline& timeline) {
  Chart chart{.id = "rate",
              .title = "Rows a second",
              .unit = kRows,
              .lines = {line_of(timeline, "read", &Stretch::read_per_s),
                        line_of(timeline, "written", &Stretch::written_per_s)}};
  chart.lines[1].has_band = false;  // it nearly always lies where the other does
  for (ChartLine& line : chart.lines) line.summary = mean_text(line, kRows);
  return chart;
}

Chart share_chart(const Timeline& timeline) {
  const ChartLine line =
      line_of(timeline, "share", [](const Stretch& at) { return percent(at.share); });
  return {.id = "share",
          .title = "Share of the time that workers may be busy, %",
          .unit = kPercent,
          .lines = {line},
          .summary = mean_text(line, kPercent)};
}

// The signals, those that came closest to their limit first.
std::vector<ChartLine> signal_lines(const Timeline& timeline) {
  std::map<std::string, double> highest;
  for (const Stretch& stretch : timeline.stretches()) {
    for (const auto& [name, spread] : stretch.signals)
      highest[name] = std::max(highest[name], spread.high);
  }
  std::vector<std::pair<std::string, double>> names(highest.begin(), highest.end());
  std::stable_sort(names.begin(), names.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  std::vector<ChartLine> lines;
  for (const auto& [name, high] : names) {
    lines.push_back(line_of(timeline, name, [&signal = name](const Stretch& at) {
      const auto found = at.signals.find(signal);
      return found == at.signals.end() ? Spread() : found->second;
    }));
    lines.back().summary = "at most " + pressure_text(high);
  }
  return lines;
}

Chart pressure_chart(const Timeline& timeline) {
  Chart chart{.id = "pressure",
              .title = "Pressure by signal, 1 is the limit of each",
              .unit = kRatio,
              .lines = signal_lines(timeline),
              .limit = 1,
              .limit_name = "limit"};
  if (chart.lines.size() > kSignalsMax) {
    chart.summary = fmt::format("{} more signals stayed below these and are not drawn.",
                                chart.lines.size() - kSignalsMax);
    chart.lines.resize(kSignalsMax);
  }
  return chart;
}

Chart size_chart(const Timeline& timeline) {
  const ChartLine line = line_of(timeline, "rows asked for", &Stretch::batch_rows);
  const Spread whole = whole_of(line);
  const std::string from = whole.low < whole.high ? whole_text(whole.low) + " to " : "";
  return {.id = "size",
          .title = "Batch size, rows",
          .unit = kRows,
          .lines = {line},
          .summary = from + whole_text(whole.high)};
}

Chart duration_chart(const Timeline& timeline) {
  const ChartLine line = line_of(timeline, "a batch's work", &Stretch::batch_ms);
  return {.id = "duration",
          .title = "Batch duration, ms",
          .unit = kTime,
          .lines = {line},
          .summary = mean_text(line, kTime)};
}

Chart phases_chart(const Timeline& timeline) {
  Chart chart{.id = "phases",
              .title = "Work by phase, seconds in each second",
              .unit = kRatio,
              .form = Chart::Form::stacked,
              .lines = {},
              .summary = "of all workers; and of the thread that writes the checkpoint"};
  for (const char* phase : kPhases) {
    const auto all = timeline.phases_ms().find(phase);
    if (all == timeline.phases_ms().end() || all->second <= 0) continue;
    chart.lines.push_back(line_of(timeline, phase, [phase](const Stretch& at) {
      const auto found = at.phases_ms.find(phase);
      const double ms = found == at.phases_ms.end() ? 0 : found->second;
      return one(ms / 1000 / std::max(at.end_s - at.begin_s, 1e-3));
    }));
    chart.lines.back().summary = duration_text(all->second / 1000);
  }
  return chart;
}

// What only ever grows; drawn where there is any.
struct Tally {
  const char* id;
  const char* title;
  const char* line;
  const char* none;
  std::int64_t Stretch::*count;
};
constexpr std::array kTallies = {
    Tally{"retries", "Batches tried again, since the start", "retried", "No batch was tried again.",
          &Stretch::batches_retried},
    Tally{"conflicts", "Rows that changed while they were copied, since the start", "conflicts",
          "No row changed while it was copied.", &Stretch::rows_conflicts},
    Tally{"rejects", "Rows rejected, since the start", "rejected", "No row was rejected.",
          &Stretch::rows_rejected},
};

std::string tally_charts(const ChartTime& time) {
  std::string charts;
  std::string none;
  for (const Tally& tally : kTallies) {
    const std::int64_t last = time.timeline.stretches().back().*tally.count;
    if (last <= 0) {
      none += std::string(none.empty() ? "" : " ") + tally.none;
      continue;
    }
    charts += draw({.id = tally.id,
                    .title = tally.title,
                    .unit = kRows,
                    .form = Chart::Form::slope,
                    .lines = {line_of(time.timeline, tally.line,
                                      [&tally](const Stretch& at) {
                                        return one(static_cast<double>(at.*tally.count));
                                      })},
                    .summary = count_text(last)},
                   time);
  }
  if (!none.empty()) charts += "<p class=\"dim\" id=\"none\">" + none + "</p>\n";
  return charts;
}

}  // namespace

std::string report_charts(const Report& report, const std::vector<Interruption>& interruptions) {
  const Timeline& timeline = report.timeline;
  if (timeline.stretches().empty())
    return "<p id=\"no-samples\">There is nothing to draw yet: the first sample is taken after a "
           "second, or at the end of a shorter run.</p>\n";
  const ChartTime time{timeline, interruptions};
  std::string page = chart_definitions() + "<div class=\"charts\">\n";
  const Chart pressure = pressure_chart(timeline);
  for (const Chart& chart :
       {progress_chart(report), rate_chart(timeline), share_chart(timeline), pressure,
        size_chart(timeline), duration_chart(timeline), phases_chart(timeline)}) {
    if (!chart.lines.empty()) page += draw(chart, time);
  }
  page += tally_charts(time);
  page += "</div>\n";
  if (pressure.lines.empty())
    page += "<p class=\"dim\" id=\"no-signals\">No signal of pressure was watched.</p>\n";
  return page;
}

}  // namespace backfill
