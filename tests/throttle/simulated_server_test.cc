// The controller against a server that is simulated: cores that serve batches and users alike, as
// a queue of type M/M/c does on average, with noise, a delay, and load that changes. Its figures
// say nothing of a real server; that the loop settles, and is fair, they do.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "throttle/controller.h"

namespace backfill {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Duration kStep = milliseconds(200);
constexpr double kLimit = 0.2;

// How long users take, against an idle server, when so much of the cores is in use.
double response(double in_use, double cores) {
  const double load = std::min(in_use / cores, 0.98);
  return 1 / (1 - std::pow(load, cores));
}

// Several jobs on one server; each sees the harm that it does by itself, a step late.
class SimulatedServer {
 public:
  SimulatedServer(double cores, std::size_t jobs, double noise, std::uint64_t seed)
      : cores_(cores), noise_(noise), random_(seed), jobs_(jobs) {}

  // `users`: cores that users keep busy.
  void pass(Duration duration, double users) {
    std::normal_distribution<double> error(0, noise_);
    for (const TimePoint until = now_ + duration; now_ < until; now_ += kStep) {
      const std::vector<Job> before = jobs_;
      for (Job& job : jobs_) {
        double others = users;
        for (const Job& other : before) {
          if (&other - before.data() != &job - jobs_.data()) others += other.share * kWorkers;
        }
        const double harm =
            response(others + job.last_share * kWorkers, cores_) / response(others, cores_) - 1;
        Signal signal;
        signal.reading.kind = SignalKind::steering;
        signal.reading.signal = "commit_latency";
        signal.reading.level = std::max(0.0, harm / kLimit * (1 + error(random_)));
        signal.is_of_ours = true;
        signal.noise = noise_ * harm / kLimit;
        Readings readings;
        readings.signals = {signal};
        readings.busy = job.share;
        job.last_share = job.share;
        job.share = job.controller.step(readings, {}, now_).share;
        job.harm = harm;
        job.worked += job.share;
      }
      ++steps_;
    }
  }

  double share(std::size_t job) const { return jobs_[job].share; }
  double harm(std::size_t job) const { return jobs_[job].harm; }

  // The mean share since the last call.
  double mean_share(std::size_t job) {
    const double mean = jobs_[job].worked / static_cast<double>(steps_);
    for (Job& each : jobs_) each.worked = 0;
    steps_ = 0;
    return mean;
  }

  // The share at which the harm is just at the limit.
  double ideal(double users) const {
    double share = 1;
    while (share > 0 &&
           response(users + share * kWorkers, cores_) / response(users, cores_) - 1 > kLimit) {
      share -= 0.001;
    }
    return share;
  }

 private:
  static constexpr double kWorkers = 4;
  struct Job {
    Controller controller;
    double share = 0;
    double last_share = 0;
    double harm = 0;
    double worked = 0;
  };

  const double cores_;
  const double noise_;
  std::mt19937_64 random_;
  std::vector<Job> jobs_;
  TimePoint now_{seconds(1000)};
  std::int64_t steps_ = 0;
};

class SimulationTest : public ::testing::TestWithParam<double> {
 protected:
  const std::uint64_t seed_ = std::random_device{}();
};

TEST_P(SimulationTest, SettlesNearWhatIsAllowed) {
  SCOPED_TRACE("seed " + std::to_string(seed_));
  SimulatedServer server(4, 1, GetParam(), seed_);
  server.pass(seconds(60), 1.6);
  server.mean_share(0);
  server.pass(seconds(120), 1.6);

  const double mean = server.mean_share(0);
  EXPECT_GE(mean, 0.7 * server.ideal(1.6));
  EXPECT_LE(mean, 1.2 * server.ideal(1.6));
}

TEST_P(SimulationTest, GivesWayToAStepAndComesBack) {
  SCOPED_TRACE("seed " + std::to_string(seed_));
  SimulatedServer server(4, 1, GetParam(), seed_);
  server.pass(seconds(90), 1.2);

  server.pass(seconds(6), 3.2);
  EXPECT_LE(server.share(0), 2.5 * server.ideal(3.2) + 0.05);

  server.pass(seconds(90), 1.2);
  server.mean_share(0);
  server.pass(seconds(30), 1.2);
  EXPECT_GE(server.mean_share(0), 0.6 * server.ideal(1.2));
}

TEST_P(SimulationTest, DoesNotSwing) {
  SCOPED_TRACE("seed " + std::to_string(seed_));
  SimulatedServer server(4, 1, GetParam(), seed_);
  server.pass(seconds(90), 1.6);
  double lowest = 1;
  double highest = 0;
  for (int second = 0; second < 60; ++second) {
    server.pass(seconds(1), 1.6);
    lowest = std::min(lowest, server.share(0));
    highest = std::max(highest, server.share(0));
  }

  EXPECT_LE(highest, 2.2 * lowest);
}

TEST_P(SimulationTest, SharesFairlyWithOneThatStartsLater) {
  SCOPED_TRACE("seed " + std::to_string(seed_));
  SimulatedServer server(8, 2, GetParam(), seed_);
  server.pass(seconds(240), 3);
  server.mean_share(0);
  server.pass(seconds(60), 3);
  const double first = server.share(0);
  const double second = server.share(1);

  EXPECT_LE(std::max(first, second), 2.5 * std::min(first, second));
}

INSTANTIATE_TEST_SUITE_P(Noise, SimulationTest, ::testing::Values(0.05, 0.15, 0.3),
                         [](const auto& noise) {
                           return std::to_string(static_cast<int>(noise.param * 100)) + "Percent";
                         });

}  // namespace
}  // namespace backfill
