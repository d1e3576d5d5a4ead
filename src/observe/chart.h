// observe/chart.h
//
// A chart as a picture within the page: SVG with axes, units and a legend. Across it is as wide as
// its page, in parts of a hundred, and letters keep their size, so that a phone shows it as
// readable as a wall. Pauses are shaded and numbered, absences are dashed lines. Each stretch of
// time says what it holds when pointed at: by the browser itself, and by the page's script at once.
//
// Pure.

#pragma once

#include <optional>
#include <string>
#include <vector>

#include "observe/interruption.h"
#include "observe/timeline.h"

namespace backfill {

// One figure over time.
struct ChartLine {
  std::string name;
  std::string summary;          // for the legend; may be empty
  std::vector<Spread> spreads;  // one a stretch; unknown ones leave a gap
  bool has_band = true;         // from its lowest to its highest, behind it
};

// What the figures of a chart are.
struct Unit {
  std::string (*text)(double);  // a figure with its unit
  bool counts_whole = false;    // things that come in ones
  std::optional<double> top{};  // of the scale; none: what the figures need
};

struct Chart {
  enum class Form {
    steps,    // each stretch at its mean, and a shade from its lowest to its highest
    slope,    // from end to end of the stretches, from zero on
    stacked,  // one on top of the other
  };

  std::string id;     // a word; of the element
  std::string title;  // with the unit: `Rows a second`
  Unit unit;
  Form form = Form::steps;
  std::vector<ChartLine> lines;
  std::string summary{};
  std::optional<double> limit{};  // a line of its own, with `limit_name`
  std::string limit_name{};
};

// What all charts of a page share: time across, and what happened then.
struct ChartTime {
  const Timeline& timeline;
  const std::vector<Interruption>& interruptions;
};

// A <figure> with `chart.id`.
std::string draw(const Chart& chart, const ChartTime& time);

// What the pictures refer to, once a page.
std::string chart_definitions();

}  // namespace backfill
