// torture/round.h
//
// One round: a table under the application's writes, one backfill of it that is killed and resumed
// until it is complete, and then, with no repair in between, the check.

#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "support/postgres_server.h"
#include "torture/chaos.h"
#include "torture/check.h"
#include "torture/torture_case.h"
#include "torture/traffic.h"

namespace backfill {

struct RoundOptions {
  std::int64_t rows = 4000;
  int kills = 12;
  int threads = 4;  // of the application
  // Repeats what was planned; what threads and servers make of it differs.
  std::uint64_t seed = 1;
};

struct RoundReport {
  TrafficReport traffic;
  KillCounts kills;
  int resumes = 0;
  std::int64_t rows = 0;  // of the source at the end, each of which was compared
  Failures failures;
  std::chrono::milliseconds time{0};
};

// A server fit for a torture: commits survive a kill, and there is room for eight workers.
void prepare_for_torture(PostgresServer& server);

// Throws when the program gives up or hangs, or the application fails: that is a failure too.
RoundReport play_round(PostgresServer& server, const TortureCase& tested,
                       const RoundOptions& options);

// One line of facts.
std::string describe_round(const TortureCase& tested, const RoundOptions& options,
                           const RoundReport& report);

}  // namespace backfill
