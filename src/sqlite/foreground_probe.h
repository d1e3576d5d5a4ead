// sqlite/foreground_probe.h
//
// How long a writer waits who comes to a SQLite file now and then, told by one of our own that
// takes its turn, begins a transaction and writes nothing. Others are there when anything of ours
// has found the file locked by them of late; SQLite itself tells nothing of them.

#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <string>

#include "core/sensor.h"
#include "sqlite/connection.h"
#include "sqlite/write_turn.h"

namespace backfill {

class SqliteForegroundProbe : public ForegroundProbe {
 public:
  // Others whose lock was met count as there for so long: who writes a little is met seldom.
  static constexpr std::chrono::seconds kRemembered{10};

  explicit SqliteForegroundProbe(std::string path);

  std::string name() const override { return "others at " + path_; }
  // Most files are one program's alone: who is not met is not there.
  int samples_to_tell() const override { return 0; }
  ForegroundSample sample() override;
  void reconnect() override;
  void cancel() noexcept override;

 private:
  void begin_and_roll_back();

  const std::string path_;
  WriteTurn turn_;
  std::mutex mutex_;  // guards connection_ against cancel()
  std::unique_ptr<SqliteConnection> connection_;
};

}  // namespace backfill
