#include "engine/chunk_runner.h"

#include <utility>

#include "core/row_key.h"
#include "support/failpoint.h"

namespace backfill {
namespace {

constexpr int kRoundsBeforeLock = 3;  // of rows that keep changing under us
constexpr std::int64_t kRoundsMax = 100;
constexpr Duration kShortWait = std::chrono::milliseconds(2);  // for others' transactions
constexpr Duration kLongWait = std::chrono::seconds(2);
constexpr int kReadsInTurn = 8;  // after one that had to be done twice

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
                         Clock& clock, Log& log, KeepDeadLetters keep_dead_letters,
                         Validator::NoteDoubt note_doubt)
    : source_(std::move(parts.source), parts.consistency == Consistency::validate),
      transform_(std::move(parts.transform)),
      target_(std::move(parts.target)),
      pushes_down_(parts.pushes_down),
      consistency_(parts.consistency),
      validator_(parts.consistency, source_, *target_, std::move(note_doubt)),
      layout_(layout),
      read_columns_(layout.read_columns()),
      backoff_(backoff),
      retries_(backoff.retries),
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
  BackoffOptions options = backoff_;
  options.retries = retries_;
  Backoff backoff(options, clock_);
  Rejects rejects = Rejects::fail;
  std::optional<Error> after_commit;  // came when the commit was sent: its fate decides first
  while (true) {
    try {
      if (after_commit && !sent_.mark.empty()) {
        if (settle(chunk, report, stop)) return;
        throw Error(*std::exchange(after_commit, std::nullopt));
      }
      return attempt(chunk, rejects, backoff.retries() > 0, report, stop);
    } catch (const Error& error) {
      target_->rollback();
      if (consistency_ == Consistency::lock) source_.source().release();
      const bool is_of_the_batch =
          error.kind() == ErrorKind::reject || error.kind() == ErrorKind::too_large;
      if (is_of_the_batch && !sent_.mark.empty()) {
        after_commit = error;
        continue;
      }
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
                          ChunkReport& report, std::stop_token stop) {
  if (!chunk.mark.empty()) return level_once(chunk, report, stop);
  if (!sent_.mark.empty() && settle(chunk, report, stop)) return;
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
    push_down(chunk, part, stop);
  } else {
    read_and_write(chunk, rejects, part, stop);
  }
  add(std::move(part), report);
}

// An attempt whose commit was sent before the connection was lost: whether it is in the target;
// then it is brought to its end.
bool ChunkRunner::settle(const Chunk& chunk, ChunkReport& report, std::stop_token stop) {
  side_ = ExitCode::target_unreachable;
  const Fate fate = target_->fate(sent_.mark);
  Sent sent = std::exchange(sent_, Sent());
  if (fate == Fate::aborted) return false;
  level(chunk, sent.mark, sent.part, stop);
  if (fate == Fate::unknown) return false;
  add(std::move(sent.part), report);
  return true;
}

void ChunkRunner::push_down(const Chunk& chunk, ChunkReport& part, std::stop_token stop) {
  begin(chunk, part);
  // One statement reads, changes and writes.
  failpoint("chunk.after_read");
  failpoint("chunk.after_transform");
  PushdownReport written;
  {
    const Stopwatch watch(clock_, part.times.write);
    written = target_->write_from_source(chunk);
  }
  part.rows = written.rows;
  commit(chunk, part);
  was_locked_ = consistency_ == Consistency::lock;
  validate(chunk, written.moment, written.wrote_all ? std::optional(part.rows.read) : std::nullopt,
           part, stop);
}

void ChunkRunner::read(const Chunk& chunk, ChunkReport& part) {
  side_ = ExitCode::source_unreachable;
  const Stopwatch watch(clock_, part.times.read);
  source_.read(chunk, batch_);
  part.rows.read = static_cast<std::int64_t>(batch_.rows());
  part.bytes = batch_.bytes();
}

// Where applications write all the time to a target that is ours alone meanwhile, a chunk is read
// after its transaction has begun: what was read before would have to be read again.
void ChunkRunner::read_and_write(const Chunk& chunk, Rejects rejects, ChunkReport& part,
                                 std::stop_token stop) {
  const bool in_turn = reads_in_turn_ > 0;
  if (in_turn) {
    --reads_in_turn_;
    begin(chunk, part);
  }
  read(chunk, part);
  const bool may_read_ahead = !pushes_down_ && consistency_ != Consistency::lock && !in_turn;
  if (next_ && next_->mark.empty() && may_read_ahead) source_.begin(*next_);
  failpoint("chunk.after_read");
  const std::string moment = source_.moment();
  if (!batch_.empty()) write_batch(chunk, rejects, in_turn, part);
  if (in_turn) target_->rollback();
  was_locked_ = consistency_ == Consistency::lock && source_.source().release();
  validate(chunk, moment, part.rows.read, part, stop);
}

void ChunkRunner::begin(const Chunk& chunk, ChunkReport& part) {
  side_ = ExitCode::target_unreachable;
  const Stopwatch watch(clock_, part.times.write);
  target_->begin(chunk);
  validator_.note(chunk);
}

// Nothing to write needs no transaction; doing it again after a crash gives the same answer.
void ChunkRunner::write_batch(const Chunk& chunk, Rejects rejects, bool has_begun,
                              ChunkReport& part) {
  const Batch* rows = &transform(batch_, part);
  if (rows->empty()) return;
  if (!has_begun) {
    begin(chunk, part);
    if (validator_.must_read_again(chunk, source_.moment(), part.rows.read)) {
      reads_in_turn_ = kReadsInTurn;
      part = ChunkReport();
      read(chunk, part);
      rows = &transform(batch_, part);
      if (rows->empty()) return target_->rollback();
    }
  }
  side_ = ExitCode::target_unreachable;
  const WriteReport written = write_rows(batch_, *rows, rejects, part);
  if (!written.conflicts.empty()) redo_conflicts(written.conflicts, rejects, part);
  if (keep_dead_letters_ && !part.dead_letters.empty()) keep_dead_letters_(part.dead_letters);
  commit(chunk, part);
}

void ChunkRunner::commit(const Chunk& chunk, ChunkReport& part) {
  const Stopwatch watch(clock_, part.times.write);
  validator_.note(chunk);
  sent_ = {validator_.noted(), part};
  target_->commit(chunk, part.rows);
  failpoint("validate.before");
}

void ChunkRunner::validate(const Chunk& chunk, const std::string& moment,
                           std::optional<std::int64_t> rows, ChunkReport& part,
                           std::stop_token stop) {
  if (sent_.mark.empty()) return;
  bool must_level = !was_locked_;
  if (consistency_ == Consistency::validate) {
    side_ = ExitCode::source_unreachable;
    const Stopwatch watch(clock_, part.times.validate);
    try {
      must_level = validator_.must_level(chunk, moment, rows);
    } catch (const Error& error) {
      // What the source has now cannot be looked at as a whole; levelling does it part by part.
      if (error.kind() != ErrorKind::reject && error.kind() != ErrorKind::too_large) throw;
    }
  }
  if (must_level) level(chunk, sent_.mark, part, stop);
  sent_ = Sent();
}

// With the retries, splits and rejects of any chunk.
void ChunkRunner::level(const Chunk& chunk, const std::string& mark, ChunkReport& report,
                        std::stop_token stop) {
  Chunk levelled = chunk;
  levelled.mark = mark;
  run_part(levelled, report, stop);
}

// The source is read when nothing of the transaction can come any more, nor of an application's
// that wrote to the target before it. Rows that are now refused have been taken out of the target.
void ChunkRunner::level_once(const Chunk& chunk, ChunkReport& report, std::stop_token stop) {
  side_ = ExitCode::target_unreachable;
  if (target_->fate(chunk.mark) == Fate::aborted) return;
  wait_for_writers(chunk, stop);
  ChunkReport part;
  read(chunk, part);
  part.rows = RowCounts();
  const Batch& rows = transform(batch_, part);
  side_ = ExitCode::target_unreachable;
  {
    const Stopwatch watch(clock_, part.times.validate);
    const LevelReport levelled = target_->level(chunk, chunk.mark, rows);
    part.rows.conflicts = levelled.updated + levelled.deleted;
    add_refused(batch_, levelled.rejects, part);
  }
  if (consistency_ == Consistency::lock) source_.source().release();
  part.rows.skipped = 0;
  part.rows.written = -part.rows.rejected;
  add(std::move(part), report);
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

// A transaction that writes to both tables writes to the target before it commits to the source.
// One that has left a row of ours alone because it could not see it yet has to end before the
// source tells what it did.
void ChunkRunner::wait_for_writers(const Chunk& chunk, std::stop_token stop) {
  side_ = ExitCode::source_unreachable;
  const std::string writers = source_.source().writers();
  const TimePoint began = clock_.now();
  bool has_told = false;
  while (!writers.empty() && !source_.source().have_ended(writers)) {
    if (!has_told && clock_.now() - began > kLongWait) {
      has_told = true;
      log_.write(LogLevel::warning, "waits for transactions that write to the source",
                 {{"chunk", chunk.display()}, {"transactions", writers}});
    }
    if (!clock_.wait(has_told ? kLongWait / 10 : kShortWait, stop))
      throw Error(ErrorKind::cancelled, chunk.display() + ": stopped");
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
  add_refused(input, refused, part);
  return written;
}

void ChunkRunner::add_refused(const Batch& input, const std::vector<RowReject>& refused,
                              ChunkReport& part) const {
  for (const RowReject& reject : refused) {
    const std::size_t row = layout_.forwards ? reject.row : transformed_.input_rows[reject.row];
    add_dead_letter(input, row, reject.code, reject.message, part);
  }
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
  if (!chunk.mark.empty()) {
    batch_.clear();
    target_->level(chunk, chunk.mark, batch_);
    --report.rows.written;
  } else {
    ++report.rows.read;
  }
  report.dead_letters.push_back({cut->upto.to_json(), why.code(), why.what(), "{}"});
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
               {{"chunk", chunk.display()}, {"retry", backoff.retries() + 1}, {"reason", reason}});
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
