// postgres/foreground_probe.h
//
// What others on the server feel: how many sessions are at work, of which a mean tells by Little's
// law how long they take; how long a read takes, by the question for these; and a commit, by one
// that writes a few bytes of log and nothing else (pg_logical_emit_message: no table, no privilege,
// and no trace but in the log). A read sees little of the harm that others who write are done: most
// of it is in their commits.
//
// Backfills that are at work hold a shared advisory lock each, by which they count each other.

#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "core/sensor.h"
#include "postgres/connection.h"

namespace backfill {

class PostgresForegroundProbe : public ForegroundProbe {
 public:
  // `server` says in messages which one is looked at: `source` or `target`.
  PostgresForegroundProbe(std::string url, std::string job, std::string server);

  std::string name() const override { return "others at the " + server_; }
  void tell_at_work(bool is_at_work) override;
  ForegroundSample sample() override;
  void reconnect() override;
  void cancel() noexcept override;

 private:
  double commit();
  void count_backfills();

  const std::string url_;
  const std::string job_;
  const std::string server_;
  std::mutex mutex_;  // guards connection_ against cancel()
  std::unique_ptr<PgConnection> connection_;
  bool may_commit_ = true;
  std::optional<std::string> changed_;  // when others last began or ended something
  bool is_told_at_work_ = false;
  bool may_tell_ = true;
  int backfills_ = 1;
  std::chrono::steady_clock::time_point counted_at_;
};

}  // namespace backfill
