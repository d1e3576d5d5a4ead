#include "torture/round.h"

#include <csignal>
#include <random>
#include <sstream>
#include <stdexcept>

#include "scenario/job_on_disk.h"

namespace backfill {
namespace {

constexpr auto run_time_max = std::chrono::seconds(120);
constexpr int refusals_max = 50;
constexpr int exit_other_runner = 8;

using Words = std::vector<std::string>;

// Sizes and workers may change with every resume, and do.
Words words_for_start(std::mt19937_64& random) {
  const auto between = [&](int low, int high) {
    return std::uniform_int_distribution<int>(low, high)(random);
  };
  return {"--resume", "--workers=" + std::to_string(between(1, 8)),
          "--batch-size=" + std::to_string(between(5, 90))};
}

[[noreturn]] void fail(const std::string& what, const ProgramEnd& end) {
  std::ostringstream text;
  text << what << ": " << end;
  throw std::runtime_error(text.str());
}

ProgramEnd end_of(Program& program) {
  if (!wait_until([&] { return !program.is_running(); }, run_time_max)) {
    throw std::runtime_error("the program hangs: " + program.err());
  }
  return program.wait();
}

// Starts it again after every death, until it says that it is complete. Returns the resumes.
int run_to_the_end(const JobOnDisk& job, Chaos& chaos, std::mt19937_64& random) {
  int refusals = 0;
  for (int resumes = 0;; ++resumes) {
    Program program = job.start(words_for_start(random), chaos.failpoints());
    chaos.strike(program);
    const ProgramEnd end = end_of(program);
    if (end.exit_code == 0) return resumes;
    if (end.signal == SIGKILL) {
      if (!chaos.has_killed_program()) chaos.count_crash();
      continue;
    }
    // The server has not noticed yet that the runner before is dead.
    if (end.exit_code == exit_other_runner && ++refusals <= refusals_max) continue;
    fail("the program gave up", end);
  }
}

}  // namespace

void prepare_for_torture(PostgresServer& server) {
  // What the application was told is committed must be there after a kill.
  server.execute("ALTER SYSTEM SET synchronous_commit = on");
  server.execute("ALTER SYSTEM SET max_connections = 120");
  server.execute("ALTER SYSTEM SET max_wal_size = '128MB'");
  server.execute("ALTER SYSTEM SET deadlock_timeout = '100ms'");
  server.kill();
  server.start();
}

RoundReport play_round(PostgresServer& server, const TortureCase& tested,
                       const RoundOptions& options) {
  const auto began = std::chrono::steady_clock::now();
  std::mt19937_64 random(options.seed);
  const Tables tables(server, tested, options.rows);
  const JobOnDisk job(tables.job_keys());
  Chaos chaos(server, tested, options.kills, random());
  Traffic traffic(tables, options.threads, random());

  RoundReport report;
  report.resumes = run_to_the_end(job, chaos, random);
  report.traffic = traffic.stop();
  if (job.state() != "complete") throw std::runtime_error("exit 0, but the run is " + job.state());

  report.rows = count_rows(tables);
  report.failures = find_failures(tables);
  report.kills = chaos.counts();
  report.time = std::chrono::duration_cast<std::chrono::milliseconds>(
      std::chrono::steady_clock::now() - began);
  return report;
}

std::string describe_round(const TortureCase& tested, const RoundOptions& options,
                           const RoundReport& report) {
  std::ostringstream line;
  line << tested.name << " seed=" << options.seed << " rows=" << options.rows
       << " left=" << report.rows << " writes=" << report.traffic.writes
       << " repairs=" << report.traffic.repairs << " kills: " << report.kills.display()
       << " resumes=" << report.resumes << " time=" << report.time.count()
       << "ms failures: " << report.failures.display();
  return line.str();
}

}  // namespace backfill
