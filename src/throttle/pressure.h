// throttle/pressure.h
//
// Load on a scale where 1 is the limit, with its reason in words. The one value that
// sensors give, the throttle acts on, and log and status show.

#pragma once

#include <string>

namespace backfill {

struct Pressure {
  double level = 0;    // 0 idle, 1 at the limit
  std::string signal;  // `replica_lag`, …; empty when nothing is measured
  std::string reason;  // `replica lag 12.4s >= 10s`
};

}  // namespace backfill
