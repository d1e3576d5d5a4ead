#include "torture/chaos.h"

#include <chrono>
#include <csignal>

#include "support/failpoint.h"
#include "torture/tables.h"

namespace backfill {
namespace {

constexpr int time_to_crash_max = 500;  // milliseconds

std::string delay(const char* name, int milliseconds) {
  return std::string(name) + "=delay(" + std::to_string(milliseconds) + "ms)";
}

}  // namespace

KillCounts& KillCounts::operator+=(const KillCounts& other) {
  program += other.program;
  failpoints += other.failpoints;
  server += other.server;
  sessions += other.sessions;
  return *this;
}

std::string KillCounts::display() const {
  return "program=" + std::to_string(of_program()) + " (" + std::to_string(failpoints) +
         " at failpoints) server=" + std::to_string(server) +
         " sessions=" + std::to_string(sessions);
}

Chaos::Chaos(PostgresServer& server, const TortureCase& tested, int kills, std::uint64_t seed)
    : server_(server), tested_(tested), kills_(kills), random_(seed) {}

std::string Chaos::failpoints() {
  std::string rules = tested_.without;
  const auto add = [&](const std::string& rule) { rules += (rules.empty() ? "" : ",") + rule; };
  crash_is_planned_ = !is_spent() && (!tested_.crash_at.empty() || chance(50));
  if (crash_is_planned_) add(crash_point());
  // Between a read and its write, and between a commit and the look at the source that follows.
  add(delay("chunk.after_read", between(1, 20)));
  if (chance(70)) add(delay("validate.before", between(1, 12)));
  return rules;
}

std::string Chaos::crash_point() {
  std::vector<std::string> places = tested_.crash_at;
  if (places.empty()) {
    places.assign(failpoint_names().begin(), failpoint_names().end());
    places.insert(places.end(), ledger_failpoint_names().begin(), ledger_failpoint_names().end());
  }
  const int place = between(0, static_cast<int>(places.size()) - 1);
  const std::string& name = places[static_cast<std::size_t>(place)];
  // The checkpoint takes what waits together in one step, so its places are reached less often;
  // the ledger is cleared once.
  const int hits = name.starts_with("ledger") ? 1 : name.starts_with("checkpoint") ? 4 : 10;
  const int hit = between(1, hits);
  return name + "=crash@" + std::to_string(hit);
}

void Chaos::strike(Program& program) {
  has_killed_program_ = false;
  if (!tested_.crash_at.empty()) return;  // failpoints do it, where it matters
  if (crash_is_planned_ && ends_within(program, time_to_crash_max)) return;
  while (!is_spent() && !has_killed_program_) {
    if (ends_within(program, between(30, 260))) return;
    switch (pick_blow()) {
      case Blow::program:
        kill_program(program);
        break;
      case Blow::server:
        kill_server(program);
        break;
      case Blow::sessions:
        kill_sessions();
        break;
    }
  }
}

Chaos::Blow Chaos::pick_blow() {
  const int roll = between(1, 100);
  if (roll <= 68) return Blow::program;
  return roll <= 88 ? Blow::server : Blow::sessions;
}

bool Chaos::ends_within(Program& program, int milliseconds) {
  return wait_until([&] { return !program.is_running(); }, std::chrono::milliseconds(milliseconds));
}

void Chaos::kill_program(Program& program) {
  if (!program.is_running()) return;
  program.send(SIGKILL);
  has_killed_program_ = true;
  ++counts_.program;
}

// Sometimes the program dies with it; it always finds another server when it comes back.
void Chaos::kill_server(Program& program) {
  if (chance(50)) {
    server_.kill();
  } else {
    server_.kill_all();
  }
  ++counts_.server;
  if (chance(30)) kill_program(program);
  server_.start();
}

void Chaos::kill_sessions() {
  const std::string name = "'backfill:" + std::string(job_name) + "'";
  const std::string killed = server_.value(
      "SELECT count(pg_terminate_backend(pid)) FROM (SELECT pid FROM pg_stat_activity "
      "WHERE application_name = " +
      name + " ORDER BY random() LIMIT " + std::to_string(between(1, 3)) + ") AS victims");
  if (killed != "0") ++counts_.sessions;
}

void Chaos::count_crash() { ++counts_.failpoints; }

}  // namespace backfill
