#include "sqlite/foreground_probe.h"

#include <utility>

namespace backfill {

using Clock = std::chrono::steady_clock;

SqliteForegroundProbe::SqliteForegroundProbe(std::string path)
    : path_(std::move(path)), turn_(path_) {}

void SqliteForegroundProbe::reconnect() {
  auto made = std::make_unique<SqliteConnection>(path_, SqliteConnection::Mode::read_write);
  const std::lock_guard lock(mutex_);
  connection_ = std::move(made);
}

void SqliteForegroundProbe::cancel() noexcept {
  turn_.cancel();
  const std::lock_guard lock(mutex_);
  if (connection_) connection_->interrupt();
}

// With the turn, no other writer of ours has the file locked.
void SqliteForegroundProbe::begin_and_roll_back() {
  turn_.take();
  try {
    const std::int64_t waits = connection_->lock_waits();
    connection_->execute("BEGIN IMMEDIATE");
    connection_->execute("ROLLBACK");
    if (connection_->lock_waits() != waits) turn_.meet_others();
  } catch (const Error& error) {
    turn_.give_back();
    // Somebody has it locked for long.
    if (error.kind() != ErrorKind::retry) throw;
    turn_.meet_others();
  }
  turn_.give_back();
}

ForegroundSample SqliteForegroundProbe::sample() {
  const Clock::time_point began = Clock::now();
  begin_and_roll_back();
  const Clock::time_point ended = Clock::now();
  ForegroundSample sample;
  const auto met = turn_.met_others_at();
  sample.is_somebody_there = met && ended - *met < kRemembered;
  if (sample.is_somebody_there)
    sample.commit_seconds = std::chrono::duration<double>(ended - began).count();
  return sample;
}

}  // namespace backfill
