// core/sensor.h
//
// What a run looks at to leave others alone: signals with limits of their own, and a probe of
// what others feel. Each belongs to one thread and has a connection of its own; only cancel() and
// presumed() may come from another. All calls throw Error; after Error(retry) call reconnect().

#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace backfill {

enum class SignalKind {
  steering,  // the share is moved until the level is just below 1
  budget,    // from half its limit on the share falls with it, to `share_min` at the limit
  stop,      // at its limit no batch is begun
};

// One signal, now.
struct Reading {
  std::string signal;  // `replica_lag`, …
  SignalKind kind = SignalKind::budget;
  double level = 0;            // 1 at the limit
  std::string reason;          // `replica lag 12.4s >= 10s`, once it throttles
  double share_min = 0;        // of a budget: what is left at its limit
  bool frees_at_once = false;  // of a stop: it is somebody's will, which does not waver
  bool must_give_way = false;  // of a stop: batches under way are to end at once
};

class Sensor {
 public:
  virtual ~Sensor() = default;
  virtual std::string name() const = 0;  // of what it reads, for messages: `replica lag`
  virtual std::chrono::milliseconds interval() const = 0;  // between two reads
  // Asked for by the user: as long as it cannot be read, there is a pause.
  virtual bool is_required() const { return false; }
  virtual std::vector<Reading> read() = 0;
  // While it cannot be read: what may be by now, from what was read last. None: nobody can say.
  virtual std::vector<Reading> presumed() const { return {}; }
  virtual void reconnect() = 0;
  virtual void cancel() noexcept = 0;
};

// What others feel at one moment. A database's own processes, and other backfills, are no others.
struct ForegroundSample {
  bool is_somebody_there = true;         // in the last second or so
  std::optional<double> active;          // sessions at work right now; none where nobody tells
  std::optional<double> writing;         // those of others that have written something, likewise
  std::optional<double> commit_seconds;  // of a small transaction; none where that is not allowed
  std::optional<double> read_seconds;    // of a small read; none where nothing is read
  int backfills = 1;                     // that are at work on the server, this one counted
};

// How far a replica may be behind.
struct LagLimits {
  std::chrono::milliseconds time{10'000};
  std::int64_t bytes = std::int64_t{1} << 30;  // of log

  bool operator==(const LagLimits&) const = default;
};

// What is watched, as the job says it.
struct WatchSpec {
  bool is_written = true;        // a source is only read: what writes lead to is not looked at
  std::string table;             // as SQL
  bool makes_dead_rows = false;  // rows that are there are written again
  LagLimits replica_lag_max;
  std::vector<std::string> replicas;  // URLs; none: those that the server knows of
};

class ForegroundProbe {
 public:
  virtual ~ForegroundProbe() = default;
  virtual std::string name() const = 0;
  // So many samples without anybody tell that nobody is there; until then somebody may be.
  virtual int samples_to_tell() const { return 3; }
  // Whether batches of ours may run now: other backfills count those that are at work.
  virtual void tell_at_work(bool /*is_at_work*/) {}
  virtual ForegroundSample sample() = 0;
  virtual void reconnect() = 0;
  virtual void cancel() noexcept = 0;
};

}  // namespace backfill
