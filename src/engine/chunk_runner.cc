#include "engine/chunk_runner.h"

#include <utility>

#include "core/row_key.h"
#include "support/failpoint.h"

namespace backfill {
namespace {

constexpr int kRoundsBeforeLock = 3;  // of rows that keep changing under us
constexpr std::int64_t kRoundsMax = 100;

bool is_connection_loss(const Error& error) {
  return error.code().starts_with("08") || error.code().starts_with("57P") ||
         error.code() == "25006";
}

// The databases name the chunk themselves where they know it.
Error in_chunk(const Chunk& chunk, const Error& error) {
  const bool names_it = std::string_view(error.what()).find(chunk.display()) != std::string::npos;
  return names_it ? error : error.within(chunk.display());
}

class Stopwatch {
 public:
  Stopwatch(const Clock& clock, std::chrono::nanoseconds& total)
      : clock_(clock), total_(total), began_(clock.now()) {}
  ~Stopwatch() { total_ += clock_.now() - began_; }
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;

 private:
  const Clock& clock_;
  std::chrono::nanoseconds& total_;
  const TimePoint began_;
};

}  // namespace

ChunkRunner::ChunkRunner(Parts parts, const Layout& layout, const BackoffOptions& backoff,
                         Clock& clock, Log& log, KeepDeadLetters keep_dead_letters)
    : source_(std::move(parts.source)),
      transform_(std::move(parts.transform)),
      target_(std::move(parts.target)),
      pushes_down_(parts.pushes_down),
      layout_(layout),
      read_columns_(layout.read_columns()),
      backoff_(backoff),
      clock_(clock),
      log_(log),
      keep_dead_letters_(std::move(keep_dead_letters)) {}

ChunkReport ChunkRunner::run(const Chunk& chunk, const std::optional<Chunk>& next,
                             std::stop_token stop) {
  next_ = next;
  ChunkReport report;
  report.chunk = chunk;
  run_part(chunk, report, stop);
  return report;
}

void ChunkRunner::cancel() noexcept {
  source_.cancel();
  target_->cancel();
}

void ChunkRunner::run_part(const Chunk& chunk, ChunkReport& report, std::stop_token stop) {
  Backoff backoff(backoff_, clock_);
  Rejects rejects = Rejects::fail;
  while (true) {
    try {
      return attempt(chunk, rejects, backoff.retries() > 0, report);
    } catch (const Error& error) {
      target_->rollback();
      switch (error.kind()) {
        case ErrorKind::reject:
          if (side_ == ExitCode::source_unreachable)
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
                          ChunkReport& report) {
  ChunkReport part;
  if (may_be_recorded) {
    side_ = ExitCode::target_unreachable;
    if (const auto rows = target_->recorded(chunk)) {
      report.rows += *rows;
      report.from_ledger = true;
      return;
    }
  }

  // Which rows are bad is found by rows that travel.
  if (pushes_down_ && rejects == Rejects::fail) {
    push_down(chunk, part);
  } else {
    read_and_write(chunk, rejects, part);
  }

  report.rows += part.rows;
  report.bytes += part.bytes;
  report.times += part.times;
  for (DeadLetter& letter : part.dead_letters) report.dead_letters.push_back(std::move(letter));
}

void ChunkRunner::push_down(const Chunk& chunk, ChunkReport& part) {
  side_ = ExitCode::target_unreachable;
  const Stopwatch watch(clock_, part.times.write);
  target_->begin(chunk);
  // One statement reads, changes and writes.
  failpoint("chunk.after_read");
  failpoint("chunk.after_transform");
  part.rows = target_->write_from_source(chunk);
  target_->commit(chunk, part.rows);
}

void ChunkRunner::read_and_write(const Chunk& chunk, Rejects rejects, ChunkReport& part) {
  side_ = ExitCode::source_unreachable;
  {
    const Stopwatch watch(clock_, part.times.read);
    source_.read(chunk, batch_);
  }
  if (next_ && !pushes_down_) source_.begin(*next_);
  failpoint("chunk.after_read");
  part.rows.read = static_cast<std::int64_t>(batch_.rows());
  part.bytes = batch_.bytes();
  if (!batch_.empty()) write_batch(chunk, rejects, part);
}

void ChunkRunner::write_batch(const Chunk& chunk, Rejects rejects, ChunkReport& part) {
  side_ = ExitCode::target_unreachable;
  const Batch& rows = transform(batch_, part);
  // Nothing to write needs no transaction; doing it again after a crash gives the same answer.
  if (rows.empty()) return;
  {
    const Stopwatch watch(clock_, part.times.write);
    target_->begin(chunk);
  }
  const WriteReport written = write_rows(batch_, rows, rejects, part);
  if (!written.conflicts.empty()) redo_conflicts(written.conflicts, rejects, part);
  if (keep_dead_letters_ && !part.dead_letters.empty()) keep_dead_letters_(part.dead_letters);
  const Stopwatch watch(clock_, part.times.write);
  target_->commit(chunk, part.rows);
}

// Rows that changed since they were read are read again and written again, in the same
// transaction: a chunk is in the target as a whole or not at all.
void ChunkRunner::redo_conflicts(std::vector<Key> conflicts, Rejects rejects, ChunkReport& part) {
  for (int round = 1; !conflicts.empty(); ++round) {
    if (round > kRoundsMax)
      throw Error(ErrorKind::retry, "rows keep changing between their read and their write");
    part.rows.conflicts += static_cast<std::int64_t>(conflicts.size());
    if (round > kRoundsBeforeLock) target_->lock(conflicts);

    side_ = ExitCode::source_unreachable;
    source_.source().read_keys(conflicts, redo_batch_);
    side_ = ExitCode::target_unreachable;
    // Gone, or no longer matching `where`: nothing is left to do for them.
    part.rows.unchanged += static_cast<std::int64_t>(conflicts.size() - redo_batch_.rows());
    const Batch& rows = transform(redo_batch_, part);
    conflicts.clear();
    if (!rows.empty()) conflicts = write_rows(redo_batch_, rows, rejects, part).conflicts;
  }
}

// The rows to write: valid until the next transform, and while `input` is.
const Batch& ChunkRunner::transform(const Batch& input, ChunkReport& part) {
  if (!layout_.forwards) {
    const Stopwatch watch(clock_, part.times.transform);
    transformed_.clear();
    transform_->apply(input, transformed_);
    part.rows.skipped += transformed_.skipped;
    for (const Transformed::Reject& reject : transformed_.rejects) {
      add_dead_letter(input, reject.input_row, "transform", reject.reason, part);
    }
  }
  failpoint("chunk.after_transform");
  return layout_.forwards ? input : transformed_.rows;
}

// `rows` is what became of `input`.
WriteReport ChunkRunner::write_rows(const Batch& input, const Batch& rows, Rejects rejects,
                                    ChunkReport& part) {
  const Stopwatch watch(clock_, part.times.write);
  std::vector<RowReject> refused;
  WriteReport written = rejects == Rejects::fail ? target_->write(rows)
                                                 : target_->write_around_rejects(rows, refused);
  part.rows.written += written.written;
  part.rows.unchanged += written.unchanged;
  for (const RowReject& reject : refused) {
    const std::size_t row = layout_.forwards ? reject.row : transformed_.input_rows[reject.row];
    add_dead_letter(input, row, reject.code, reject.message, part);
  }
  return written;
}

void ChunkRunner::add_dead_letter(const Batch& input, std::size_t row, const std::string& code,
                                  const std::string& message, ChunkReport& part) const {
  const std::string_view tuple = input.tuple(row);
  part.dead_letters.push_back({row_key(read_columns_, layout_.read_key, tuple).to_json(), code,
                               message, row_to_json(read_columns_, tuple)});
  ++part.rows.rejected;
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
  report.dead_letters.push_back({cut->upto.to_json(), why.code(), why.what(), "{}"});
  ++report.rows.read;
  ++report.rows.rejected;
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
      side_ = ExitCode::source_unreachable;
      const auto cut = source_.source().cut(chunk.after, chunk.upto, keys);
      const bool is_whole = cut && cut->upto == chunk.upto;
      if (!is_whole || cut->keys <= 1) return cut;
      // Rows have gone since the chunk was planned, so that half of its keys reach its end.
      keys = cut->keys / 2;
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::too_large && keys > 1) {
        keys /= 2;
        continue;
      }
      if (error.kind() != ErrorKind::retry && error.kind() != ErrorKind::cancelled)
        throw in_chunk(chunk, error);
      if (stop.stop_requested()) throw Error(ErrorKind::cancelled, chunk.display() + ": stopped");
      wait_and_reconnect(backoff, chunk, error, report, stop);
    }
  }
}

void ChunkRunner::wait_and_reconnect(Backoff& backoff, const Chunk& chunk, const Error& error,
                                     ChunkReport& report, std::stop_token stop) {
  std::string reason = error.what();
  Error last = error;
  while (true) {
    log_.write(LogLevel::warning, "will try again",
               {{"chunk", chunk.display()},
                {"retry", std::to_string(backoff.retries() + 1)},
                {"reason", reason}});
    if (!backoff.wait(stop)) {
      if (stop.stop_requested()) throw Error(ErrorKind::cancelled, chunk.display() + ": stopped");
      const ExitCode exit_code = is_connection_loss(last) ? side_ : ExitCode::failed;
      throw Error(ErrorKind::stop,
                  chunk.display() + ": given up after " + std::to_string(backoff.retries()) +
                      " retries: " + reason,
                  last.code())
          .ending_with(exit_code);
    }
    ++report.retries;
    try {
      side_ = ExitCode::source_unreachable;
      source_.reconnect();
      side_ = ExitCode::target_unreachable;
      target_->reconnect();
      return;
    } catch (const Error& again) {
      if (again.kind() != ErrorKind::retry && again.kind() != ErrorKind::cancelled) throw;
      last = again;
      reason = again.what();
    }
  }
}

}  // namespace backfill
