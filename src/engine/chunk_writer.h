// engine/chunk_writer.h
//
// One attempt of a chunk: its rows are read, transformed, written and committed. And what comes
// after a commit: whether it has to be levelled, and the levelling. What an error means is the
// ChunkRunner's to decide; every one is thrown, and then abandon() is due.
//
// Owned by a ChunkRunner; only cancel() may be called from another thread.

#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/log.h"
#include "core/source.h"
#include "core/target.h"
#include "core/transform.h"
#include "engine/read_ahead.h"
#include "engine/validator.h"
#include "support/clock.h"

namespace backfill {

class ChunkWriter {
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

  enum class Rejects { fail, isolate };

  // A commit whose answer has not come, or that is not validated.
  struct Sent {
    std::string mark;  // empty: there is none
    ChunkReport part;  // what it has done, if it is in the target
    std::string moment;
    std::optional<std::int64_t> rows;  // that were read after `moment`; none: unknown
  };

  ChunkWriter(Parts parts, const Layout& layout, Clock& clock, Log& log,
              KeepDeadLetters keep_dead_letters, Validator::NoteDoubt note_doubt);

  // What the ledger says of a chunk that is in the target; none: it is not.
  std::optional<RowCounts> recorded(const Chunk& chunk);

  // Reads, transforms, writes and commits. `next`, where given, is read while this chunk is
  // written.
  ChunkReport write(const Chunk& chunk, const std::optional<Chunk>& next, Rejects rejects);

  // As Target::spare_others.
  void spare_others(bool spares) { target_->spare_others(spares); }
  // Waits until what was sent outlives a crash of the target.
  void wait_until_durable();

  // Whether what was sent, and is in the target, has to be levelled with the source.
  bool must_level(const Chunk& chunk, ChunkReport& part);
  const Sent& sent() const { return sent_; }
  // Forgets it: it is validated, or somebody else's to validate.
  Sent take_sent() { return std::exchange(sent_, Sent()); }
  // Whether what was sent is in the target.
  Fate fate();

  // Levels what the transaction that `chunk` bears the mark of has written. Waits for others'
  // transactions until a stop, which is Error(cancelled).
  ChunkReport level(const Chunk& chunk, std::stop_token stop);
  // Takes out of the target what that transaction has written: the source cannot tell its rows.
  void take_out(const Chunk& chunk);

  // As Source::cut.
  std::optional<Source::Cut> cut(const Chunk& chunk, std::int64_t keys);

  // Ends the transactions that an error left open.
  void abandon();
  void reconnect();

  // Whose call was the last, should it be lost for good.
  ExitCode side() const { return side_; }

  // Makes a database call in progress fail soon.
  void cancel() noexcept;

 private:
  ChunkReport push_down(const Chunk& chunk);
  ChunkReport read_and_write(const Chunk& chunk, const std::optional<Chunk>& next, Rejects rejects);
  void read(const Chunk& chunk, ChunkReport& part);
  void begin(const Chunk& chunk, ChunkReport& part);
  void write_batch(const Chunk& chunk, Rejects rejects, bool has_begun, ChunkReport& part);
  void commit(const Chunk& chunk, const std::string& moment, std::optional<std::int64_t> rows,
              ChunkReport& part);
  void redo_conflicts(std::vector<Key> conflicts, Rejects rejects, ChunkReport& part);
  void wait_for_writers(const Chunk& chunk, std::stop_token stop);
  const Batch& transform(const Batch& input, ChunkReport& part);
  WriteReport write_rows(const Batch& input, const Batch& rows, Rejects rejects, ChunkReport& part);
  void add_refused(const Batch& input, const std::vector<RowReject>& refused,
                   ChunkReport& part) const;
  void add_dead_letter(const Batch& input, std::size_t row, const std::string& code,
                       const std::string& message, ChunkReport& part) const;

  ReadAhead source_;
  const std::unique_ptr<Transform> transform_;
  const std::unique_ptr<Target> target_;
  const bool pushes_down_;
  const Consistency consistency_;
  Validator validator_;
  const Layout layout_;
  const Columns read_columns_;
  Clock& clock_;
  Log& log_;
  const KeepDeadLetters keep_dead_letters_;

  Sent sent_;
  bool was_locked_ = false;  // what was read, until its commit
  int reads_in_turn_ = 0;    // chunks to be read while the target is ours alone
  Batch batch_;              // reused chunk after chunk
  Batch redo_batch_;
  Transformed transformed_;
  ExitCode side_ = ExitCode::source_unreachable;
};

}  // namespace backfill
