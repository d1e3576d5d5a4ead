// engine/recorder.h
//
// Takes the reports of chunks that are done, in any order, and makes them durable: moves the
// watermark, adds up the counts, keeps the dead letters. The one thread that writes the
// checkpoint file; what waits together is saved together, and where each sync weighs reports wait a
// little for company: after a crash a batch that is not recorded is as one in flight. A failed save
// ends the run.
//
// The target commits first, then the checkpoint is written. Never the other way round.

#pragma once

#include <exception>
#include <functional>
#include <future>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "checkpoint/checkpoint_store.h"
#include "engine/progress.h"
#include "support/bounded_queue.h"
#include "throttle/throttle.h"

namespace backfill {

class Recorder {
 public:
  struct Wiring {
    CheckpointStore& store;
    const Throttle& throttle;
    const Clock& clock;
    std::function<std::int64_t()> batch_size;  // rows asked for now
    std::function<void(std::exception_ptr)> on_failure;
    // After a save: keys of chunks that the checkpoint has now, for the ledger to forget.
    std::function<void(const std::vector<Key>&)> on_durable;
    std::function<void(Duration)> on_saved = nullptr;  // the checkpoint was written, in so long
  };

  // Goes on from `run`, which is in the store already. Ranges done above its watermark stay in
  // the checkpoint while they wait to be recorded again, in their new place.
  Recorder(SavedRun run, std::size_t queue_size, Wiring wiring);
  ~Recorder();

  // Hands over a report; waits while too many are waiting. From any thread.
  void record(ChunkReport report);

  // Makes dead letters durable ahead of their chunk's report; returns when they are. Throws
  // Error(stop) when nothing can be saved any more. From any thread.
  void keep(const std::vector<DeadLetter>& dead_letters);

  // Makes it durable that what this transaction writes of the chunk is in doubt, until the chunk's
  // report is. The future is ready when it is; broken when nothing can be saved any more. From any
  // thread.
  std::future<void> note(const Chunk& chunk, const std::string& mark);

  // Saves what was handed over and ends the thread; the run as it is then. Nothing can be
  // recorded any more.
  SavedRun drain();

  // Saves how the run ended, after drain().
  void finish(RunState state, const std::string& reason, bool all_visited);

  // The run as saved last, with live figures. From any thread.
  SavedRun snapshot() const;

 private:
  // A doubt, and the chunk of this process whose report ends it; none for an earlier process.
  struct OpenDoubt {
    std::optional<std::uint64_t> ordinal;
    Doubt doubt;
  };

  // What waits for the recording thread: the report of a chunk, dead letters alone, or a doubt.
  struct Entry {
    std::optional<ChunkReport> report;
    std::vector<DeadLetter> dead_letters;
    std::optional<OpenDoubt> doubt;
    std::optional<std::promise<void>> saved;  // broken when the entry is dropped
  };

  // What was taken in since the last step.
  struct Gathered {
    std::size_t reports = 0;
    std::vector<DeadLetter> dead_letters;
    std::vector<Key> durable;  // once it is saved
    std::vector<std::promise<void>> waiting;
  };

  static std::vector<OpenDoubt> open_doubts(const SavedRun& run);
  void keep_recording();
  void record_next();
  void gather(Entry entry);
  void save_gathered();
  void add(const ChunkReport& report);
  void add(OpenDoubt doubt);
  void end_doubts(const ChunkReport& report);
  void save(const std::vector<DeadLetter>& dead_letters, bool with_sample);
  Sample sample();

  Wiring wiring_;
  BoundedQueue<Entry> entries_;

  // The recording thread's own, and after its end that of drain() and finish().
  Watermark watermark_;
  Progress progress_;
  SavedRun run_;
  std::vector<OpenDoubt> doubts_;   // one for each part of a chunk in flight
  std::vector<DoneRange> carried_;  // done by an earlier process, not recorded again yet
  double throttled_before_s_;
  Figures rested_before_s_;
  PhaseTimes work_since_sample_;
  Duration saving_since_sample_{0};
  std::int64_t batches_since_sample_ = 0;
  TimePoint sampled_at_;
  Gathered gathered_;
  std::chrono::steady_clock::time_point saved_at_;
  bool has_doubts_ = false;  // of this process
  bool has_failed_ = false;

  mutable std::mutex mutex_;
  SavedRun published_;  // guarded by mutex_

  std::jthread thread_;
};

}  // namespace backfill
