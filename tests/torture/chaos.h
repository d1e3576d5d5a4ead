// torture/chaos.h
//
// Kills what a round needs, at random moments: the program by kill -9 from outside and by its own
// failpoints, the whole server, the program's sessions. A round has a budget of kills; after it,
// or once the program is done, nothing more happens.
//
// One thread.

#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "support/postgres_server.h"
#include "support/program.h"
#include "torture/torture_case.h"

namespace backfill {

struct KillCounts {
  std::int64_t program = 0;     // kill -9 from outside
  std::int64_t failpoints = 0;  // kill -9 by the program itself at a named place
  std::int64_t server = 0;
  std::int64_t sessions = 0;

  std::int64_t of_program() const { return program + failpoints; }
  KillCounts& operator+=(const KillCounts& other);
  std::string display() const;
};

class Chaos {
 public:
  Chaos(PostgresServer& server, const TortureCase& tested, int kills, std::uint64_t seed);

  // For the next start of the program: delays that make its dangerous moments longer, and, while
  // the budget lasts, perhaps a crash.
  std::string failpoints();

  // Kills this and that until the program is gone or the budget is spent.
  void strike(Program& program);

  // The program died of SIGKILL, and it was not us.
  void count_crash();

  bool has_killed_program() const { return has_killed_program_; }
  bool is_spent() const {
    return counts_.of_program() + counts_.server + counts_.sessions >= kills_;
  }
  const KillCounts& counts() const { return counts_; }

 private:
  enum class Blow { program, server, sessions };

  Blow pick_blow();
  bool ends_within(Program& program, int milliseconds);
  void kill_program(Program& program);
  void kill_server(Program& program);
  void kill_sessions();
  std::string crash_point();
  int between(int low, int high) { return std::uniform_int_distribution<int>(low, high)(random_); }
  bool chance(int percent) { return between(1, 100) <= percent; }

  PostgresServer& server_;
  const TortureCase& tested_;
  const int kills_;
  std::mt19937_64 random_;
  KillCounts counts_;
  bool crash_is_planned_ = false;    // at a failpoint of the next start
  bool has_killed_program_ = false;  // the one that was struck last
};

}  // namespace backfill
