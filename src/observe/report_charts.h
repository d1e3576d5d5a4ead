// observe/report_charts.h
//
// The charts of a report, from a run's timeline. Pure.

#pragma once

#include <string>
#include <vector>

#include "observe/interruption.h"
#include "observe/report.h"

namespace backfill {

// One figure after the other; where there is nothing to draw, a sentence says so.
std::string report_charts(const Report& report, const std::vector<Interruption>& interruptions);

}  // namespace backfill
