// observe/interruption.h
//
// What held a run up, in the order of time: pauses, and times in which no process was at work. The
// longest bear a number, by which charts and words speak of the same one.

#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "observe/timeline.h"

namespace backfill {

struct Interruption {
  enum class Kind { pause, absence };
  Kind kind = Kind::pause;
  double begin_s = 0;   // of running time
  double end_s = 0;     // the same for an absence
  double began_at = 0;  // seconds since 1970
  double lasted_s = 0;
  std::string reason;  // in words
  int number = 0;      // 0: none
};

std::vector<Interruption> interruptions_of(const Timeline& timeline, std::size_t numbered_max);

}  // namespace backfill
