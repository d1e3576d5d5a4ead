// engine/run.h
//
// One execution of a job: plan, work, record, until everything is done or something ends it.
// Blocks the thread that calls execute(); stop() may be called from any other.

#pragma once

#include <condition_variable>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>

#include "checkpoint/checkpoint_store.h"
#include "core/error.h"
#include "core/log.h"
#include "engine/chunk_planner.h"
#include "engine/chunk_runner.h"
#include "engine/chunk_sizer.h"
#include "engine/recorder.h"
#include "engine/worker_pool.h"
#include "engine/working_hours.h"
#include "schedule/window.h"
#include "throttle/load_watch.h"
#include "throttle/throttle.h"

namespace backfill {

struct RunOptions {
  int workers = 2;
  ChunkSizerOptions sizer;
  BackoffOptions backoff;
  ThrottleLimits throttle;
  std::int64_t rejected_max = 0;             // rows
  std::optional<double> rejected_share_max;  // of the rows read; instead of rejected_max
  std::optional<Duration> runtime_max;
  Schedule schedule;
  Duration grace = std::chrono::seconds(20);
};

// Why a run that visited every row has not succeeded: more rows were rejected than allowed.
// None when it has.
std::optional<std::string> over_rejected_limit(const SavedRun& run, const RunOptions& options);

// What a run is made of; assemble.cc makes it.
struct RunParts {
  std::unique_ptr<Source> source;  // the planner's; none: make_source() makes it
  std::function<std::unique_ptr<Source>()> make_source;
  std::function<ChunkRunner::Parts()> make_runner_parts;  // for a worker; called in its thread
  std::unique_ptr<Ledger> ledger;                         // none: no ledger is kept
  std::unique_ptr<RunnerLock> lock;
  std::vector<std::unique_ptr<Sensor>> sensors;
  std::vector<std::unique_ptr<ForegroundProbe>> probes;
  Layout layout;
  bool locks_others_out = false;  // applications wait for batches: for rows, or for a file
};

// What may change while a run goes on; `grace` may not.
struct RunChange {
  RunOptions options;
  std::optional<LoadWatch::Parts> watched;  // instead of what is watched so far
};

struct RunOutcome {
  RunState state = RunState::failed;
  std::string reason;
  ExitCode exit_code = ExitCode::failed;
  SavedRun run;
};

// Who watches a run. Nothing that is called may throw, or take long.
struct RunWatch {
  std::function<void(const SavedRun&)> on_tick;  // a few times a second, in execute()'s thread
  std::function<void(const ChunkReport&)> on_chunk = nullptr;  // in a worker's thread
  std::function<void(Duration)> on_saved = nullptr;            // in the recorder's thread
  // The process ends at once, since a call of a database cannot be cancelled; in execute()'s
  // thread.
  std::function<void(const RunOutcome&)> on_left_behind = nullptr;
};

class Run {
 public:
  // `saved` is in the store already, with its end key.
  Run(RunParts parts, const RunOptions& options, SavedRun saved, CheckpointStore& store,
      Clock& clock, Log& log, RunWatch watch);

  // Works until the end. Failures come back as an outcome; the checkpoint is valid in any case.
  RunOutcome execute();

  // Takes up other options within a fraction of a second. From any thread.
  void change(RunChange change);

  // No new chunk is begun; those in flight are finished, or cancelled when the grace is over.
  void stop(const std::string& reason);

 private:
  enum class Ending { none, stopped, planned, failed };

  bool hand_out_doubts();
  ThrottleLimits limits_now() const;
  void follow_schedule(LoadWatch& watch);
  void take_change(WorkerPool& pool, std::unique_ptr<LoadWatch>& watch);
  void add_workers(WorkerPool& pool, int workers);
  BackoffOptions backoff();
  template <class Work>
  auto patiently(const Work& work);
  void plan(ChunkPlanner& planner);
  void keep_house(std::stop_token stop);
  void wait_for_threads(WorkerPool& pool, std::unique_ptr<LoadWatch>& watch, ChunkPlanner* planner,
                        std::jthread& housekeeping);
  [[noreturn]] void leave_behind();
  void end(Ending ending, const std::string& reason, std::exception_ptr failure = nullptr);
  RunOutcome outcome();
  void clear_ledger();

  RunParts parts_;
  RunOptions options_;  // changed in execute()'s thread, under mutex_
  CheckpointStore& store_;
  Clock& clock_;
  Log& log_;
  const RunWatch watch_;
  const std::optional<Key> start_watermark_;
  const std::optional<Key> end_key_;
  const std::vector<DoneRange> done_ahead_;
  const std::vector<Doubt> in_doubt_;

  WorkingHours hours_;
  ChunkSizer sizer_;
  Throttle throttle_;
  BoundedQueue<Chunk> chunks_;
  std::stop_source stop_;
  std::unique_ptr<Recorder> recorder_;
  bool has_closed_ = false;  // the window in which it worked
  std::map<std::vector<std::string>, RowCounts>
      ledger_rows_;  // by upto; of ranges that only the ledger knew

  std::mutex mutex_;
  std::condition_variable changed_;
  // Guarded by mutex_.
  Ending ending_ = Ending::none;
  std::string reason_;
  std::exception_ptr failure_;
  std::optional<TimePoint> stop_asked_at_;
  int threads_left_ = 0;
  bool all_planned_ = false;
  std::optional<RunChange> change_;  // to be taken up
  std::vector<Key> forgettable_;     // ledger ranges that the checkpoint has now
};

}  // namespace backfill
