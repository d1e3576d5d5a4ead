// engine/chunk_runner.h
//
// Carries one chunk through read, transform and write, and decides what an error means: wait
// and try again, cut the chunk in two, find the bad rows, or give up. The one place that does.
//
// Owned by one worker; only cancel() may be called from another thread.

#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <vector>

#include "core/error.h"
#include "core/log.h"
#include "core/source.h"
#include "core/target.h"
#include "core/transform.h"
#include "engine/backoff.h"
#include "engine/read_ahead.h"
#include "engine/validator.h"

namespace backfill {

class ChunkRunner {
 public:
  // What a worker works with, none of it shared.
  struct Parts {
    std::unique_ptr<Source> source;
    std::unique_ptr<Transform> transform;
    std::unique_ptr<Target> target;
    bool pushes_down = false;  // the target writes from where the rows are
    Consistency consistency = Consistency::none;
  };

  // Makes dead letters durable before the batch that leaves their rows out is committed.
  using KeepDeadLetters = std::function<void(const std::vector<DeadLetter>&)>;

  // `keep_dead_letters` is for a target with a ledger: a chunk found there is not read again, so
  // nobody would find its bad rows again. None elsewhere; they come with the report in any case.
  ChunkRunner(Parts parts, const Layout& layout, const BackoffOptions& backoff, Clock& clock,
              Log& log, KeepDeadLetters keep_dead_letters = nullptr,
              Validator::NoteDoubt note_doubt = nullptr);

  // The report of a chunk whose rows are all in the target, or among its dead letters; of one with
  // a mark, that it is levelled. `next`, where given, is read while this chunk is written. Throws
  // Error(cancelled) when a stop came before the end, any other Error when the run cannot go on.
  ChunkReport run(const Chunk& chunk, const std::optional<Chunk>& next, std::stop_token stop);

  // Attempts of the chunks to come. From any thread.
  void set_retries(int retries) noexcept { retries_ = retries; }

  // Makes a database call in progress fail soon.
  void cancel() noexcept;

 private:
  enum class Rejects { fail, isolate };

  // A commit whose answer has not come, with what it would have done.
  struct Sent {
    std::string mark;
    ChunkReport part;
  };

  void run_part(const Chunk& chunk, ChunkReport& report, std::stop_token stop);
  void attempt(const Chunk& chunk, Rejects rejects, bool may_be_recorded, ChunkReport& report,
               std::stop_token stop);
  bool settle(const Chunk& chunk, ChunkReport& report, std::stop_token stop);
  void commit(const Chunk& chunk, ChunkReport& part);
  void validate(const Chunk& chunk, const std::string& moment, std::optional<std::int64_t> rows,
                ChunkReport& part, std::stop_token stop);
  void level(const Chunk& chunk, const std::string& mark, ChunkReport& report,
             std::stop_token stop);
  void level_once(const Chunk& chunk, ChunkReport& report, std::stop_token stop);
  void wait_for_writers(const Chunk& chunk, std::stop_token stop);
  void push_down(const Chunk& chunk, ChunkReport& part, std::stop_token stop);
  void read(const Chunk& chunk, ChunkReport& part);
  void read_and_write(const Chunk& chunk, Rejects rejects, ChunkReport& part, std::stop_token stop);
  void write_batch(const Chunk& chunk, Rejects rejects, bool has_begun, ChunkReport& part);
  void begin(const Chunk& chunk, ChunkReport& part);
  void redo_conflicts(std::vector<Key> conflicts, Rejects rejects, ChunkReport& part);
  const Batch& transform(const Batch& input, ChunkReport& part);
  WriteReport write_rows(const Batch& input, const Batch& rows, Rejects rejects, ChunkReport& part);
  void add_refused(const Batch& input, const std::vector<RowReject>& refused,
                   ChunkReport& part) const;
  void add_dead_letter(const Batch& input, std::size_t row, const std::string& code,
                       const std::string& message, ChunkReport& part) const;
  void split(const Chunk& chunk, const Error& why, Backoff& backoff, ChunkReport& report,
             std::stop_token stop);
  void read_around(const Chunk& chunk, const Error& why, Backoff& backoff, ChunkReport& report,
                   std::stop_token stop);
  void run_halves(const Chunk& chunk, const Source::Cut& cut, ChunkReport& report,
                  std::stop_token stop);
  std::optional<Source::Cut> find_middle(const Chunk& chunk, Backoff& backoff, ChunkReport& report,
                                         std::stop_token stop);
  void wait_and_reconnect(Backoff& backoff, const Chunk& chunk, const Error& error,
                          ChunkReport& report, std::stop_token stop);

  ReadAhead source_;
  const std::unique_ptr<Transform> transform_;
  const std::unique_ptr<Target> target_;
  const bool pushes_down_;
  const Consistency consistency_;
  Validator validator_;
  const Layout layout_;
  const Columns read_columns_;
  const BackoffOptions backoff_;
  std::atomic<int> retries_;
  Clock& clock_;
  Log& log_;
  const KeepDeadLetters keep_dead_letters_;

  std::optional<Chunk> next_;  // to be read ahead
  Sent sent_;                  // with a mark: its answer has not come, or it is not validated
  bool was_locked_ = false;    // what was read, until its commit
  int reads_in_turn_ = 0;      // chunks to be read while the target is ours alone
  Batch batch_;                // reused chunk after chunk
  Batch redo_batch_;
  Transformed transformed_;
  ExitCode side_ =
      ExitCode::source_unreachable;  // whose call is in progress, should it be lost for good
};

}  // namespace backfill
