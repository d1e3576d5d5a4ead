// The controller against what real runs saw: traces/ holds, step by step, what their sensors read
// beside pgbench on a real server (traces/README.md says how they were recorded). Harm is in
// proportion to the time that batches run, so what was seen then is told for the share that is
// decided now.

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "throttle/controller.h"

namespace backfill {
namespace {

struct Step {
  double at_s = 0;
  Readings readings;
};

std::vector<Step> trace(const std::string& file_name) {
  std::ifstream file(std::string(BACKFILL_TRACES "/") + file_name);
  std::vector<Step> steps;
  for (std::string line; std::getline(file, line);) {
    const nlohmann::json json = nlohmann::json::parse(line);
    Step step;
    step.at_s = json.at("at_s");
    step.readings.busy = json.at("busy");
    step.readings.is_somebody_there = json.at("others");
    for (const auto& [name, seen] : json.at("signals").items()) {
      Signal signal;
      signal.reading.signal = name;
      signal.reading.reason = name;
      const bool steers =
          name == "commit_latency" || name == "read_latency" || name == "active_sessions";
      signal.reading.kind = steers                ? SignalKind::steering
                            : name == "lock_wait" ? SignalKind::stop
                                                  : SignalKind::budget;
      signal.is_of_ours = steers;
      signal.is_known = !seen.at("level").is_null();
      if (signal.is_known) signal.reading.level = seen.at("level");
      signal.noise = seen.at("noise");
      signal.is_surge = seen.at("surge");
      signal.age = std::chrono::duration_cast<Duration>(
          std::chrono::duration<double>(seen.at("age_s").get<double>()));
      step.readings.signals.push_back(signal);
    }
    steps.push_back(std::move(step));
  }
  EXPECT_GT(steps.size(), 100U) << "no trace " << file_name;
  return steps;
}

constexpr double kBusyLeast = 0.01;  // less was seen before the first batches

// The share after each step of a trace.
struct Answer {
  double at_s;
  double share;
};

std::vector<Answer> replay(const std::vector<Step>& steps) {
  Controller controller;
  std::vector<Answer> answers;
  double share = 0.05;
  for (Step step : steps) {
    const TimePoint now(
        std::chrono::duration_cast<Duration>(std::chrono::duration<double>(1000 + step.at_s)));
    const double times = share / std::max(step.readings.busy, kBusyLeast);
    for (Signal& signal : step.readings.signals) {
      if (!signal.is_of_ours) continue;
      signal.reading.level *= times;
      signal.noise *= times;
    }
    step.readings.busy = share;
    share = controller.step(step.readings, {}, now).share;
    answers.push_back({step.at_s, share});
  }
  return answers;
}

double mean_share(const std::vector<Answer>& answers, double from_s, double to_s) {
  double sum = 0;
  int count = 0;
  for (const Answer& answer : answers) {
    if (answer.at_s < from_s || answer.at_s >= to_s) continue;
    sum += answer.share;
    ++count;
  }
  return count > 0 ? sum / count : 0;
}

// How often the share turns from rising to falling by more than a third of itself.
int swings(const std::vector<Answer>& answers) {
  int count = 0;
  double high = 0;
  double low = 1;
  bool falls = false;
  for (const Answer& answer : answers) {
    high = std::max(high, answer.share);
    low = std::min(low, answer.share);
    if (!falls && answer.share < high * 2 / 3) {
      falls = true;
      ++count;
      low = answer.share;
    } else if (falls && answer.share > low * 3 / 2) {
      falls = false;
      high = answer.share;
    }
  }
  return count;
}

// Users come at 30 % of what the server can bear, from second 20 to 35 at 80 %.
TEST(RecordedTrace, OfAStepOfLoadIsAnsweredByGivingWayAndComingBack) {
  const std::vector<Answer> answers = replay(trace("step.trace"));

  const double before = mean_share(answers, 17, 20);
  const double then = mean_share(answers, 21.5, 24);
  EXPECT_LE(then, 0.6 * before);
  EXPECT_GE(mean_share(answers, 45, 49), 1.5 * then) << "there is room again";
}

TEST(RecordedTrace, OfAnEvenLoadIsAnsweredCalmly) {
  const std::vector<Answer> answers = replay(trace("steady.trace"));

  EXPECT_LE(swings(answers), 3) << "in three quarters of a minute";
  EXPECT_LE(mean_share(answers, 10, 45), 0.5) << "more was too much";
  EXPECT_GT(mean_share(answers, 10, 45), 0.05) << "there was room";
}

}  // namespace
}  // namespace backfill
