// observe/ticks.h
//
// Where an axis has its marks, and what they say: round figures going up, round times of day along
// a run. Pure.

#pragma once

#include <string>
#include <vector>

#include "observe/timeline.h"

namespace backfill {

// From zero to `top`, which is at least `highest`; few marks.
struct Scale {
  double top = 1;
  double step = 1;
};
// Of whole things: `whole`, so that no mark lies between two of them.
Scale round_scale(double highest, bool whole = false);

// `0`, `2,500`, `0.25`, `1.5 M`: as exact as marks that are `step` apart need.
std::string figure_text(double figure, double step);

struct ClockTick {
  double at_s = 0;  // of running time
  std::string time;
  std::string day;  // where another one begins than at the mark before; else empty
};

// Round times of UTC, at least a tenth of the axis apart. Where no process was at work the axis
// makes a leap.
std::vector<ClockTick> clock_ticks(const std::vector<Segment>& segments);

// `2026-11-22 13:05:00`, without the day `13:05:00`; UTC.
std::string moment_text(double unix_s);
std::string time_of_day(double unix_s);

}  // namespace backfill
