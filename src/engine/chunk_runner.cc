#include "engine/chunk_runner.h"

#include <algorithm>
#include <utility>

namespace backfill {
namespace {

bool is_connection_loss(const Error& error) {
  return error.code().starts_with("08") || error.code().starts_with("57P") ||
         error.code() == "25006";
}

// The databases name the chunk themselves where they know it.
Error in_chunk(const Chunk& chunk, const Error& error) {
  const bool names_it = std::string_view(error.what()).find(chunk.display()) != std::string::npos;
  return names_it ? error : error.within(chunk.display());
}

void add(ChunkReport part, ChunkReport& report) {
  report.rows += part.rows;
  report.bytes += part.bytes;
  report.times += part.times;
  for (DeadLetter& letter : part.dead_letters) report.dead_letters.push_back(std::move(letter));
}

}  // namespace

ChunkRunner::ChunkRunner(Parts parts, const Layout& layout, const BackoffOptions& backoff,
                         Clock& clock, Log& log, KeepDeadLetters keep_dead_letters,
                         Validator::NoteDoubt note_doubt)
    : writer_(std::move(parts), layout, clock, log, std::move(keep_dead_letters),
              std::move(note_doubt)),
      backoff_(backoff),
      retries_(backoff.retries),
      clock_(clock),
      log_(log) {}

ChunkReport ChunkRunner::run(const Chunk& chunk, const std::optional<Chunk>& next,
                             std::stop_token stop) {
  next_ = next;
  ChunkReport report;
  report.chunk = chunk;
  run_part(chunk, report, stop);
  return report;
}

void ChunkRunner::run_part(const Chunk& chunk, ChunkReport& report, std::stop_token stop) {
  BackoffOptions options = backoff_;
  options.retries = retries_;
  Backoff backoff(options, clock_);
  Rejects rejects = Rejects::fail;
  std::optional<Error> after_commit;  // came when the commit was sent: its fate decides first
  while (true) {
    try {
      if (after_commit && !writer_.sent().mark.empty()) {
        if (settle(chunk, report, stop)) return;
        throw Error(*std::exchange(after_commit, std::nullopt));
      }
      return attempt(chunk, rejects, backoff.retries() > 0, report, stop);
    } catch (const Error& error) {
      writer_.abandon();
      const bool is_of_the_batch =
          error.kind() == ErrorKind::reject || error.kind() == ErrorKind::too_large;
      if (is_of_the_batch && !writer_.sent().mark.empty()) {
        after_commit = error;
        continue;
      }
      switch (error.kind()) {
        case ErrorKind::reject:
          if (writer_.side() == ExitCode::source_unreachable)
            return read_around(chunk, error, backoff, report, stop);
          if (rejects == Rejects::isolate) throw in_chunk(chunk, error);
          rejects = Rejects::isolate;
          break;
        case ErrorKind::too_large:
          return split(chunk, error, backoff, report, stop);
        // Cancelled by us when a stop was asked for, else by somebody at the database.
        case ErrorKind::cancelled:
        case ErrorKind::retry:
          if (stop.stop_requested())
            throw Error(ErrorKind::cancelled, chunk.display() + ": stopped");
          wait_and_reconnect(backoff, chunk, error, report, stop);
          break;
        case ErrorKind::stop:
          throw in_chunk(chunk, error);
      }
    }
  }
}

void ChunkRunner::attempt(const Chunk& chunk, Rejects rejects, bool may_be_recorded,
                          ChunkReport& report, std::stop_token stop) {
  if (!chunk.mark.empty()) return add(writer_.level(chunk, stop), report);
  if (!writer_.sent().mark.empty() && settle(chunk, report, stop)) return;
  if (may_be_recorded) {
    if (const auto rows = writer_.recorded(chunk)) {
      report.rows += *rows;
      report.from_ledger = true;
      return;
    }
  }
  ChunkReport part = writer_.write(chunk, next_, rejects);
  if (writer_.must_level(chunk, part)) level(chunk, writer_.sent().mark, part, stop);
  const TimePoint committed_at = clock_.now();
  writer_.wait_until_durable();
  report.waited += clock_.now() - committed_at;
  writer_.take_sent();  // nobody has to settle it
  add(std::move(part), report);
}

// An attempt whose commit was sent before the connection was lost: whether it is in the target;
// then it is brought to its end.
bool ChunkRunner::settle(const Chunk& chunk, ChunkReport& report, std::stop_token stop) {
  const Fate fate = writer_.fate();
  ChunkWriter::Sent sent = writer_.take_sent();
  if (fate == Fate::aborted) return false;
  level(chunk, sent.mark, sent.part, stop);
  if (fate == Fate::unknown) return false;
  add(std::move(sent.part), report);
  return true;
}

// With the retries, splits and rejects of any chunk.
void ChunkRunner::level(const Chunk& chunk, const std::string& mark, ChunkReport& report,
                        std::stop_token stop) {
  Chunk levelled = chunk;
  levelled.mark = mark;
  run_part(levelled, report, stop);
}

void ChunkRunner::split(const Chunk& chunk, const Error& why, Backoff& backoff, ChunkReport& report,
                        std::stop_token stop) {
  if (stop.stop_requested()) throw Error(ErrorKind::cancelled, chunk.display() + ": stopped");
  const auto cut = find_middle(chunk, backoff, report, stop);
  if (!cut || cut->upto == chunk.upto) {
    throw Error(ErrorKind::stop, chunk.display() + ": cannot be made smaller: " + why.what(),
                why.code());
  }
  ++report.splits;
  log_.write(LogLevel::warning, "chunk cut in two",
             {{"chunk", chunk.display()}, {"reason", why.what()}});
  run_halves(chunk, *cut, report, stop);
}

// An expression or `where` that fails on a row fails the whole read, so the row is found by
// halving the chunk. All that is known of it is its key.
void ChunkRunner::read_around(const Chunk& chunk, const Error& why, Backoff& backoff,
                              ChunkReport& report, std::stop_token stop) {
  const auto cut = find_middle(chunk, backoff, report, stop);
  if (!cut) return;
  if (cut->upto != chunk.upto) return run_halves(chunk, *cut, report, stop);
  if (!chunk.mark.empty()) {
    take_out(chunk, backoff, report, stop);
    --report.rows.written;
  } else {
    ++report.rows.read;
  }
  report.dead_letters.push_back({cut->upto.to_json(), why.code(), why.what(), "{}"});
  ++report.rows.rejected;
}

void ChunkRunner::take_out(const Chunk& chunk, Backoff& backoff, ChunkReport& report,
                           std::stop_token stop) {
  while (true) {
    try {
      return writer_.take_out(chunk);
    } catch (const Error& error) {
      writer_.abandon();
      try_again(backoff, chunk, error, report, stop);
    }
  }
}

void ChunkRunner::run_halves(const Chunk& chunk, const Source::Cut& cut, ChunkReport& report,
                             std::stop_token stop) {
  Chunk left = chunk;
  left.upto = cut.upto;
  left.keys = cut.keys;
  Chunk right = chunk;
  right.after = cut.upto;
  right.keys = std::max<std::int64_t>(1, chunk.keys - cut.keys);
  run_part(left, report, stop);
  run_part(right, report, stop);
}

std::optional<Source::Cut> ChunkRunner::find_middle(const Chunk& chunk, Backoff& backoff,
                                                    ChunkReport& report, std::stop_token stop) {
  std::int64_t keys = std::max<std::int64_t>(1, chunk.keys / 2);
  while (true) {
    try {
      const auto cut = writer_.cut(chunk, keys);
      const bool is_whole = cut && cut->upto == chunk.upto;
      if (!is_whole || cut->keys <= 1) return cut;
      // Rows have gone since the chunk was planned, so that half of its keys reach its end.
      keys = cut->keys / 2;
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::too_large && keys > 1) {
        keys /= 2;
        continue;
      }
      try_again(backoff, chunk, error, report, stop);
    }
  }
}

// Outside of an attempt: what is no matter of time ends the run.
void ChunkRunner::try_again(Backoff& backoff, const Chunk& chunk, const Error& error,
                            ChunkReport& report, std::stop_token stop) {
  if (error.kind() != ErrorKind::retry && error.kind() != ErrorKind::cancelled)
    throw in_chunk(chunk, error);
  if (stop.stop_requested()) throw Error(ErrorKind::cancelled, chunk.display() + ": stopped");
  wait_and_reconnect(backoff, chunk, error, report, stop);
}

void ChunkRunner::wait_and_reconnect(Backoff& backoff, const Chunk& chunk, const Error& error,
                                     ChunkReport& report, std::stop_token stop) {
  std::string reason = error.what();
  Error last = error;
  while (true) {
    log_.write(LogLevel::warning, "will try again",
               {{"chunk", chunk.display()}, {"retry", backoff.retries() + 1}, {"reason", reason}});
    if (!backoff.wait(stop)) {
      if (stop.stop_requested()) throw Error(ErrorKind::cancelled, chunk.display() + ": stopped");
      const ExitCode exit_code = is_connection_loss(last) ? writer_.side() : ExitCode::failed;
      throw Error(ErrorKind::stop,
                  chunk.display() + ": given up after " + std::to_string(backoff.retries()) +
                      " retries: " + reason,
                  last.code())
          .ending_with(exit_code);
    }
    ++report.retries;
    try {
      writer_.reconnect();
      return;
    } catch (const Error& again) {
      if (again.kind() != ErrorKind::retry && again.kind() != ErrorKind::cancelled) throw;
      last = again;
      reason = again.what();
    }
  }
}

}  // namespace backfill
