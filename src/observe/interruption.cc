#include "observe/interruption.h"

#include <algorithm>

namespace backfill {
namespace {

void number_longest(std::vector<Interruption>& all, std::size_t numbered_max) {
  std::vector<Interruption*> by_length;
  for (Interruption& one : all) by_length.push_back(&one);
  std::stable_sort(by_length.begin(), by_length.end(),
                   [](const auto* a, const auto* b) { return a->lasted_s > b->lasted_s; });
  by_length.resize(std::min(by_length.size(), numbered_max));
  std::sort(by_length.begin(), by_length.end());  // as they lie in `all`
  int number = 0;
  for (Interruption* one : by_length) one->number = ++number;
}

}  // namespace

std::vector<Interruption> interruptions_of(const Timeline& timeline, std::size_t numbered_max) {
  std::vector<Interruption> all;
  for (const Pause& pause : timeline.pauses()) {
    all.push_back({Interruption::Kind::pause, pause.begin_s, pause.end_s, pause.began_at,
                   pause.end_s - pause.begin_s,
                   pause.reason.empty() ? "no reason was noted" : pause.reason});
  }
  for (const Absence& absence : timeline.absences()) {
    all.push_back({Interruption::Kind::absence, absence.at_s, absence.at_s, absence.from,
                   absence.until - absence.from, "no process was at work"});
  }
  std::stable_sort(all.begin(), all.end(),
                   [](const auto& a, const auto& b) { return a.begin_s < b.begin_s; });
  number_longest(all, numbered_max);
  return all;
}

}  // namespace backfill
