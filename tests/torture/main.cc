// ./dev torture: round after round for as many minutes as are given, over all cases in turn; first
// those that must fail, which shows that the check can. Exit code 1 when a row was lost, doubled,
// stale or back from the dead, or when nothing was where something had to be.

#include <CLI/CLI.hpp>
#include <chrono>
#include <iostream>
#include <memory>
#include <random>

#include "torture/round.h"

namespace backfill {
namespace {

constexpr int tries_to_fail = 4;  // of a case that must

struct Options {
  double minutes = 2;
  int rounds = 0;  // 0: as many as fit
  std::vector<std::string> cases;
  RoundOptions round;
};

class Torture {
 public:
  explicit Torture(const Options& options) : options_(options), began_(Clock::now()) {}

  int run();

 private:
  using Clock = std::chrono::steady_clock;

  void prove_that_failures_are_found(const TortureCase& tested);
  // The failures found; none when the round was given up.
  std::optional<std::int64_t> play(const TortureCase& tested);
  void add(const RoundReport& report);
  std::vector<TortureCase> chosen_cases() const;
  bool is_over() const;
  std::chrono::milliseconds elapsed() const {
    return std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - began_);
  }
  void print_totals() const;

  const Options options_;
  const Clock::time_point began_;
  std::unique_ptr<PostgresServer> server_;
  int proofs_ = 0;  // of the rounds
  int rounds_ = 0;
  int failed_rounds_ = 0;
  int resumes_ = 0;
  KillCounts kills_;
  TrafficReport traffic_;
};

std::vector<TortureCase> Torture::chosen_cases() const {
  if (options_.cases.empty()) return torture_cases();
  std::vector<TortureCase> chosen;
  for (const std::string& name : options_.cases) {
    const std::optional<TortureCase> found = find_torture_case(name);
    if (!found) throw std::runtime_error("no case " + name + "; --list shows them");
    chosen.push_back(*found);
  }
  return chosen;
}

bool Torture::is_over() const {
  if (options_.rounds > 0) return rounds_ - proofs_ >= options_.rounds;
  return elapsed() >= std::chrono::duration<double, std::ratio<60>>(options_.minutes);
}

int Torture::run() {
  std::vector<TortureCase> cases = chosen_cases();
  if (options_.cases.empty()) {
    for (const TortureCase& tested : unprotected_cases()) prove_that_failures_are_found(tested);
    proofs_ = rounds_;
  }
  std::size_t next = 0;
  while (!is_over()) {
    const TortureCase& tested = cases[next++ % cases.size()];
    if (tested.must_fail) {
      prove_that_failures_are_found(tested);
    } else if (play(tested) != 0) {
      ++failed_rounds_;
    }
  }
  print_totals();
  return failed_rounds_ == 0 ? 0 : 1;
}

void Torture::prove_that_failures_are_found(const TortureCase& tested) {
  if (!is_available(tested)) {
    std::cout << tested.name << ": not available: the program has no failpoint " << tested.without
              << std::endl;
    ++rounds_;
    return;
  }
  for (int attempt = 0; attempt < tries_to_fail; ++attempt) {
    const std::optional<std::int64_t> found = play(tested);
    if (!found) break;
    if (*found != 0) return;
  }
  ++failed_rounds_;
  std::cout << tested.name << ": FAILED: it must end with failures, or the check proves nothing"
            << std::endl;
}

std::optional<std::int64_t> Torture::play(const TortureCase& tested) {
  RoundOptions round = options_.round;
  round.seed += static_cast<std::uint64_t>(rounds_++);
  const std::string again = "  again: ./dev torture --rounds 1 --case " + tested.name + " --seed " +
                            std::to_string(round.seed);
  try {
    if (!server_) {
      server_ = std::make_unique<PostgresServer>();
      prepare_for_torture(*server_);
    }
    const RoundReport report = play_round(*server_, tested, round);
    std::cout << describe_round(tested, round, report) << std::endl;
    add(report);
    const std::int64_t failures = report.failures.total();
    if (failures == 0 || tested.must_fail) return failures;
    for (const std::string& example : report.failures.examples)
      std::cout << "  " << example << '\n';
    std::cout << again << std::endl;
    return failures;
  } catch (const std::exception& error) {
    std::cout << tested.name << " seed=" << round.seed << " GIVEN UP: " << error.what() << '\n'
              << again << std::endl;
    server_.reset();
    return std::nullopt;
  }
}

void Torture::add(const RoundReport& report) {
  resumes_ += report.resumes;
  kills_ += report.kills;
  traffic_.writes += report.traffic.writes;
  traffic_.repairs += report.traffic.repairs;
}

void Torture::print_totals() const {
  std::cout << "torture: " << (failed_rounds_ == 0 ? "passed" : "FAILED")
            << " seed=" << options_.round.seed << " rounds=" << rounds_
            << " failed=" << failed_rounds_ << " writes=" << traffic_.writes
            << " repairs=" << traffic_.repairs << " kills: " << kills_.display()
            << " resumes=" << resumes_ << " time=" << elapsed().count() / 1000 << "s" << std::endl;
}

void list_cases() {
  for (const TortureCase& one : torture_cases()) std::cout << one.name << '\n';
  for (const TortureCase& one : unprotected_cases()) std::cout << one.name << " (must fail)\n";
}

int torture_main(int argc, char** argv) {
  Options options;
  options.round.seed = std::random_device{}() % 1'000'000;
  bool list = false;
  CLI::App app("backfills under live writes, killed and resumed, then every row compared");
  app.add_option("--minutes", options.minutes, "how long new rounds begin")->capture_default_str();
  app.add_option("--rounds", options.rounds, "this many rounds instead");
  app.add_option("--seed", options.round.seed, "of the first round; the next has the next number");
  app.add_option("--case", options.cases, "only this one; may be given again");
  app.add_option("--kills", options.round.kills, "in a round, at most")->capture_default_str();
  app.add_option("--rows", options.round.rows, "in a round")->capture_default_str();
  app.add_option("--threads", options.round.threads, "of the application")->capture_default_str();
  app.add_flag("--list", list, "say which cases there are");
  CLI11_PARSE(app, argc, argv);

  if (list) {
    list_cases();
    return 0;
  }
  std::cout << "torture: seed=" << options.round.seed << std::endl;
  return Torture(options).run();
}

}  // namespace
}  // namespace backfill

int main(int argc, char** argv) {
  try {
    return backfill::torture_main(argc, argv);
  } catch (const std::exception& error) {
    std::cerr << "torture: " << error.what() << '\n';
    return 1;
  }
}
