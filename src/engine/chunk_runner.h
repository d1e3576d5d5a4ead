// engine/chunk_runner.h
//
// Has a chunk written, and decides what an error means: wait and try again, cut the chunk in two,
// find the bad rows, or give up. The one place that does; what an attempt does is the
// ChunkWriter's.
//
// Owned by one worker; only cancel() may be called from another thread.

#pragma once

#include <atomic>
#include <optional>
#include <stop_token>

#include "core/error.h"
#include "core/log.h"
#include "engine/backoff.h"
#include "engine/chunk_writer.h"

namespace backfill {

class ChunkRunner {
 public:
  using Parts = ChunkWriter::Parts;
  using KeepDeadLetters = ChunkWriter::KeepDeadLetters;

  // `keep_dead_letters` is for a target with a ledger: a chunk found there is not read again, so
  // nobody would find its bad rows again. None elsewhere; they come with the report in any case.
  ChunkRunner(Parts parts, const Layout& layout, const BackoffOptions& backoff, Clock& clock,
              Log& log, KeepDeadLetters keep_dead_letters = nullptr,
              Validator::NoteDoubt note_doubt = nullptr);

  // The report of a chunk whose rows are all in the target, or among its dead letters; of one with
  // a mark, that it is levelled. `next`, where given, is read while this chunk is written. Throws
  // Error(cancelled) when a stop came before the end, any other Error when the run cannot go on.
  ChunkReport run(const Chunk& chunk, const std::optional<Chunk>& next, std::stop_token stop);

  // As Target::spare_others, for the chunks to come.
  void spare_others(bool spares) { writer_.spare_others(spares); }

  // Attempts of the chunks to come. From any thread.
  void set_retries(int retries) noexcept { retries_ = retries; }

  // Makes a database call in progress fail soon.
  void cancel() noexcept { writer_.cancel(); }

 private:
  using Rejects = ChunkWriter::Rejects;

  void run_part(const Chunk& chunk, ChunkReport& report, std::stop_token stop);
  void attempt(const Chunk& chunk, Rejects rejects, bool may_be_recorded, ChunkReport& report,
               std::stop_token stop);
  bool settle(const Chunk& chunk, ChunkReport& report, std::stop_token stop);
  void level(const Chunk& chunk, const std::string& mark, ChunkReport& report,
             std::stop_token stop);
  void split(const Chunk& chunk, const Error& why, Backoff& backoff, ChunkReport& report,
             std::stop_token stop);
  void read_around(const Chunk& chunk, const Error& why, Backoff& backoff, ChunkReport& report,
                   std::stop_token stop);
  void take_out(const Chunk& chunk, Backoff& backoff, ChunkReport& report, std::stop_token stop);
  void run_halves(const Chunk& chunk, const Source::Cut& cut, ChunkReport& report,
                  std::stop_token stop);
  std::optional<Source::Cut> find_middle(const Chunk& chunk, Backoff& backoff, ChunkReport& report,
                                         std::stop_token stop);
  void try_again(Backoff& backoff, const Chunk& chunk, const Error& error, ChunkReport& report,
                 std::stop_token stop);
  void wait_and_reconnect(Backoff& backoff, const Chunk& chunk, const Error& error,
                          ChunkReport& report, std::stop_token stop);

  ChunkWriter writer_;
  const BackoffOptions backoff_;
  std::atomic<int> retries_;
  Clock& clock_;
  Log& log_;
  std::optional<Chunk> next_;  // to be read ahead
};

}  // namespace backfill
